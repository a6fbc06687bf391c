"""Deltas are exact: from any retained tick, through any history, they give the owner's state."""

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import cbor, courses
from protocol.apply import Report, Unsynced
from protocol.encode import CRC, TURN
from protocol.errors import RemoteProtocolError
from protocol.geometry import Geometry
from protocol.limits import RETAINED_TICKS, SLOTS
from protocol.parts import CourseRows, KindRows, PartTable, Reason
from protocol.schema import Schema

FISH, ROCK = 0, 1


@attrs.define
class Fish:
    id: int
    cell: int
    hp: int
    course: tuple[int, int, int, int, int]
    handle: int = -1


class Owner:
    """A shard's table with a plain model of what it was told beside it."""

    def __init__(self, schema: Schema, geometry: Geometry, seed: int) -> None:
        self.table = PartTable(schema, geometry)
        self.table.epoch = 1
        self.chance = np.random.default_rng(seed)
        self.fish: list[Fish] = []
        self.rocks: list[Fish] = []
        self.tick = self.step = 0
        self._next_id = 1

    def spawn(self, count: int, cell: int | None = None) -> None:
        for _ in range(count):
            place = int(self.chance.integers(8)) if cell is None else cell
            course = (*self.chance.integers(-(2**20), 2**20, 2).tolist(), 10, -10, self.step)
            many = self.fish if self.chance.random() < 0.8 or cell is not None else self.rocks
            many.append(Fish(self._next_id, place, int(self.chance.integers(100)), course))
            self._next_id += 1

    def remove(self, share: float) -> dict[int, tuple[Reason, int]]:
        reasons = {}
        for many in (self.fish, self.rocks):
            for one in list(many):
                if self.chance.random() < share:
                    many.remove(one)
                    if self.chance.random() < 0.5:
                        reasons[one.id] = (Reason.HANDED, int(self.chance.integers(4)))
        return reasons

    def change(self, share: float) -> None:
        for one in self.fish + self.rocks:
            if self.chance.random() < share:
                one.hp = int(self.chance.integers(100))
            if self.chance.random() < share / 3:
                one.cell = int(self.chance.integers(8))
            if self.chance.random() < share:
                self._turn(one)

    def _turn(self, one: Fish) -> None:
        x0, y0, vx, vy, step0 = one.course
        age = self.step - 1 - step0
        if self.chance.random() < 0.7 and age >= 0:
            x = courses.evaluate(x0, vx, age, 16, 5)
            y = courses.evaluate(y0, vy, age, 16, 5)
        else:
            x, y = self.chance.integers(-(2**20), 2**20, 2).tolist()
        one.course = (x, y, *self.chance.integers(-999, 999, 2).tolist(), self.step - 1)

    def publish(self, reasons: dict[int, tuple[Reason, int]] | None = None, skip: int = 0) -> None:
        self.tick += 1 + skip
        self.table.begin(self.tick, self.step)
        for kind, many in ((FISH, self.fish), (ROCK, self.rocks)):
            rows = self._rows(kind, many)
            self.table.write(self.tick, self.step, kind, rows, reasons or {})
            for one, handle in zip(many, rows.handles.tolist(), strict=True):
                one.handle = handle
        self.table.finish()

    def _rows(self, kind: int, many: list[Fish]) -> KindRows:
        def column(read: Callable[[Fish], Any], dtype: Any) -> Any:
            return np.array([read(one) for one in many], dtype)

        corners = [self.table.geometry.cell_origin(one.cell) for one in many]
        fields: dict[str, Any] = {
            "hp": column(lambda one: one.hp, np.int64),
            "name": column(lambda one: f"f{one.id}".encode(), "S8"),
        }
        course = None
        if kind == FISH:
            stacked = np.array([one.course for one in many], np.int64).reshape(-1, 5).T
            course = CourseRows(*stacked)
        else:
            fields = {
                "x": np.array([int(x * 16) + 3 for x, _ in corners], np.int64),
                "y": np.array([int(y * 16) + 5 for _, y in corners], np.int64),
                "owner": column(lambda one: one.hp, np.uint64),
            }
        return KindRows(
            handles=column(lambda one: one.handle, np.int64),
            ids=column(lambda one: one.id, np.uint64),
            cells=column(lambda one: one.cell, np.int32),
            fields=fields,
            course=course,
        )


def everything(table: PartTable) -> dict[int, tuple[Any, ...]]:
    """All entities of a table with every value, by id."""
    found = {}
    for kind in (FISH, ROCK):
        ids, cells, fields, course = table.columns(kind)
        for place, entity in enumerate(ids.tolist()):
            values = tuple(column[place].item() for column in fields.values())
            path = () if course is None else tuple(course[:, place].tolist())
            assert entity not in found, "an entity stands in one row"
            found[entity] = (kind, int(cells[place]), values, path)
    return found


def receive(table: PartTable, owner: PartTable, since: int | None) -> Report:
    _keys, blob, offsets = owner.encode_changed(since)
    report = Report()
    table.advance(owner.tick, owner.step, base=since)
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        item = cbor.loads(blob[start:end])
        table.apply(item, owner.tick, owner.step, report)
    assert not report.crc_failed, "the receiver's CRC must be the owner's"
    return report


@pytest.mark.slow
@given(
    seed=st.integers(0, 2**32),
    pauses=st.lists(st.integers(1, 70), min_size=3, max_size=8),
    crowd=st.booleans(),
)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_delta_from_any_tick_gives_the_owners_state(
    schema: Schema, geometry: Geometry, seed: int, pauses: list[int], crowd: bool
) -> None:
    owner = Owner(schema, geometry, seed)
    copies = [PartTable(schema, geometry) for _ in pauses]
    held: list[int | None] = [None] * len(pauses)
    faithful = PartTable(schema, geometry)
    since_faithful: int | None = None
    first_tick = 0
    if crowd:
        owner.spawn(SLOTS + 30, cell=3)
    for _ in range(80):
        owner.step += 1
        if owner.chance.random() < 0.4:
            owner.spawn(int(owner.chance.integers(4)))
        owner.change(0.2)
        owner.publish(owner.remove(0.05), skip=int(owner.chance.random() < 0.1))
        receive(faithful, owner.table, since_faithful)
        since_faithful = owner.tick
        first_tick = first_tick or owner.tick
        truth = everything(owner.table)
        assert everything(faithful) == truth, "who sees every tick has the truth"
        for place, pause in enumerate(pauses):
            if owner.tick % pause:
                continue
            since = held[place]
            if since is not None and owner.tick - since >= RETAINED_TICKS:
                copies[place].reset(1)  # a link that is too late starts anew
                since = None
            receive(copies[place], owner.table, since)
            held[place] = owner.tick
            assert everything(copies[place]) == truth, f"a delta since {since} must be exact"
        since = int(owner.chance.integers(max(0, owner.tick - 70), owner.tick))
        keys = owner.table.parts_in(range(8))
        if since >= first_tick:
            assert faithful.encode(keys, since) == owner.table.encode(keys, since), (
                "a copy that saw every tick gives the owner's bytes"
            )
    ids = {one.id for one in owner.fish + owner.rocks}
    assert set(truth) == ids, "the table holds exactly who is there"


def test_an_idle_part_says_nothing_but_its_crc(schema: Schema, geometry: Geometry) -> None:
    owner = Owner(schema, geometry, 1)
    owner.spawn(5, cell=2)
    owner.publish()
    key = owner.table.parts_in([2])[0]
    told = {}
    for _ in range(64):
        before = owner.tick
        owner.step += 1
        owner.publish()
        update = owner.table.encode([key], before)[0]
        if update is not None:
            told[owner.tick] = cbor.loads(update)
    assert len(told) == 1, "the CRC comes once in 64 ticks"
    ((tick, update),) = told.items()
    assert isinstance(update, list)
    assert update[1] == -1 - CRC
    assert (tick + key) % 64 == 0


def test_a_second_part_is_found_when_the_first_has_gone(schema: Schema, geometry: Geometry) -> None:
    owner = Owner(schema, geometry, 1)
    owner.spawn(SLOTS + 5, cell=2)
    owner.publish()
    del owner.fish[:SLOTS]
    for _ in range(RETAINED_TICKS + 18):
        owner.publish()
    assert len(owner.table.parts_in([2])) == 1, "the part that is empty was freed"
    joiner = PartTable(schema, geometry)
    for update in owner.table.encode(owner.table.parts_in([2]), None):
        joiner.apply(cbor.loads(update or b""), owner.tick, owner.step)
    assert everything(joiner) == everything(owner.table)


def test_who_holds_this_very_tick_is_told_nothing(schema: Schema, geometry: Geometry) -> None:
    owner = Owner(schema, geometry, 1)
    owner.spawn(20)
    for _ in range(64):
        owner.publish()
        keys = owner.table.parts_in(range(8))
        assert owner.table.encode(keys, owner.tick) == [None] * len(keys), (
            "an update of age 0 would be taken for a keyframe, and clear the part"
        )
        assert len(owner.table.encode_changed(owner.tick)[0]) == 0


def test_a_turn_sends_no_position(schema: Schema, geometry: Geometry) -> None:
    owner = Owner(schema, geometry, 1)
    owner.fish.append(Fish(7, 2, 50, (1000, 2000, 64, 0, 0)))
    owner.publish()
    owner.step = 5
    owner.fish[0].course = (
        courses.evaluate(1000, 64, 4, 16, 5), 2000, 0, 64, 4,
    )  # fmt: skip
    owner.publish()
    key = owner.table.parts_in([2])[0]
    update = cbor.loads(owner.table.encode([key], 1)[0] or b"")
    assert isinstance(update, list)
    assert update[:3] == [key, -1 - TURN, 1], "one turn in slot 0 and nothing else"
    assert update[3:] == [b"\0\0\x40\0"], "it turned in this very step: no age"


def test_an_update_on_the_wrong_baseline_changes_nothing(
    schema: Schema, geometry: Geometry
) -> None:
    owner = Owner(schema, geometry, 1)
    owner.spawn(5, cell=2)
    owner.publish()
    owner.step += 1
    for one in owner.fish + owner.rocks:
        one.hp += 1
    owner.publish()
    empty = PartTable(schema, geometry)
    with pytest.raises(Unsynced):
        receive(empty, owner.table, 1)
    assert everything(empty) == {}


@given(seed=st.integers(0, 2**32), data=st.data())
@settings(max_examples=100, deadline=None)
def test_hostile_updates_are_refused_and_change_nothing(
    schema: Schema, geometry: Geometry, seed: int, data: st.DataObject
) -> None:
    owner = Owner(schema, geometry, seed)
    owner.spawn(6)
    owner.publish()
    table = PartTable(schema, geometry)
    receive(table, owner.table, None)
    before = owner.tick
    owner.step += 1
    owner.change(0.7)
    owner.spawn(2)
    owner.publish(owner.remove(0.2))
    _, blob, offsets = owner.table.encode_changed(before)
    place = data.draw(st.integers(0, max(0, len(offsets) - 2)))
    raw = bytearray(blob[offsets[place] : offsets[place + 1]] if len(offsets) > 1 else b"\x80")
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    truth = everything(table)
    try:
        table.apply(cbor.loads(bytes(raw)), owner.tick, owner.step)
    except (RemoteProtocolError, Unsynced):
        assert everything(table) == truth, "a refused update changes nothing"
