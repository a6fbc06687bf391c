"""Working on many parts at once gives the very bytes and state of working on them one by one."""

from itertools import pairwise
from typing import Any, cast

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import cbor
from protocol.apply import Report
from protocol.batch import Batch, Section
from protocol.errors import RemoteProtocolError
from protocol.limits import RETAINED_TICKS
from protocol.parts import PartTable
from protocol.unpacking import unpack
from protocol.updates import KindForm, read_updates

quick = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
seeds = st.integers(0, 2**20)


def history(worlds: Any, seed: int, ticks: int) -> Any:
    shard = worlds.Shard(0, seed, worlds.make_schema(), worlds.make_geometry())
    for _ in range(40):
        shard.spawn(seed % worlds.KINDS, shard.below(worlds.CELLS))
    for _ in range(ticks):
        shard.step += 1
        shard.live()
        shard.tell(1 + (shard.below(9) == 0))
    return shard


def plain(item: Any) -> Any:
    """Batches and columns as what `==` understands."""
    match item:
        case Batch() | Section():
            return {
                field.name: plain(getattr(item, field.name)) for field in attrs.fields(type(item))
            }
        case np.ndarray():
            return item.tolist()
        case list() | tuple():
            return [plain(child) for child in item]
        case dict():
            return {key: plain(value) for key, value in item.items()}
    return item


def everybody(table: PartTable) -> dict[int, list[Any]]:
    """All parts with who is in them, slot by slot."""
    found = {}
    for slab in table.slabs:
        for key in slab.place:
            rows = table.rows_of(key)
            columns = [slab.ids, slab.slot, *slab.values.values()]
            if slab.kind.course is not None:
                columns.append(slab.course)
            if len(rows):
                found[key] = [column[rows].tolist() for column in columns]
    return found


@quick
@given(seeds, st.integers(1, 80), st.data())
def test_many_updates_are_the_bytes_of_each(
    worlds: Any, seed: int, ticks: int, data: st.DataObject
) -> None:
    table = history(worlds, seed, ticks).table
    oldest = max(0, table.tick - RETAINED_TICKS + 1)
    for since in (None, table.tick - 1, data.draw(st.integers(oldest, table.tick - 1))):
        keys, blob, offsets = table.encode_changed(since)
        told = [blob[start:end] for start, end in pairwise(offsets.tolist())]
        assert told == [table.encode([key], since)[0] for key in keys.tolist()]
        everything = table.encode(table.parts_in(range(worlds.CELLS)), since)
        assert sorted(told) == sorted(update for update in everything if update is not None)
        cells = [key // worlds.KINDS % worlds.CELLS for key in keys.tolist()]
        for cell in set(cells):
            cut = [update for place, update in zip(cells, told, strict=True) if place == cell]
            again = table.encode(table.parts_in([cell]), since)
            assert cut == [update for update in again if update is not None], "in the same order"


@quick
@given(seeds, st.integers(1, 80), st.data())
def test_reading_in_lockstep_is_strict_reading(
    worlds: Any, seed: int, ticks: int, data: st.DataObject
) -> None:
    table = history(worlds, seed, ticks).table
    forms = tuple(KindForm.of(kind) for kind in table.kinds)
    for since in (None, table.tick - 1, data.draw(st.integers(0, table.tick - 1))):
        _, blob, offsets = table.encode_changed(since)
        singly = [cbor.loads(blob[a:b]) for a, b in pairwise(offsets.tolist())]
        strict = sorted(plain(read_updates(forms, singly)), key=lambda pair: pair[0])
        assert plain(unpack(forms, blob, offsets)) == strict


@quick
@given(seeds, st.data())
def test_damage_is_read_in_lockstep_as_strictly_as_one_by_one(
    worlds: Any, seed: int, data: st.DataObject
) -> None:
    shard = history(worlds, seed, 5)
    copies = [PartTable(worlds.make_schema(), worlds.make_geometry()) for _ in range(2)]
    _, blob, offsets = shard.table.encode_changed(None)
    for copy in copies:
        copy.apply_frame(blob, offsets, shard.tick, shard.step, Report())
    before = shard.tick
    for _ in range(data.draw(st.integers(1, 4))):
        shard.step += 1
        shard.live()
        shard.tell()
    _, blob, offsets = shard.table.encode_changed(before)
    raw = bytearray(blob)
    for _ in range(data.draw(st.integers(0, 3)) if raw else 0):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    held = everybody(copies[0])
    outcomes = []
    lockstep, strict = copies
    forms = tuple(KindForm.of(kind) for kind in strict.kinds)
    for copy in (lockstep, strict):
        report = Report()
        try:
            batches = unpack(forms, bytes(raw), offsets) if copy is lockstep else None
            if batches is not None:
                copy.advance(shard.tick, shard.step)
                copy._apply(batches, report)
            else:
                items = [cbor.loads(raw[a:b]) for a, b in pairwise(offsets.tolist())]
                copy.apply_items(items, shard.tick, shard.step, report)
        except RemoteProtocolError:
            assert everybody(copy) == held, "a refused frame changes nothing"
            outcomes.append("refused")
        else:
            outcomes.append((sorted(report.unsynced), sorted(report.failed), everybody(copy)))
    assert outcomes[0] == outcomes[1]


def test_a_part_that_is_told_of_twice_is_told_in_order(worlds: Any) -> None:
    shard = history(worlds, 3, 20)
    copy = PartTable(worlds.make_schema(), worlds.make_geometry())
    _, blob, offsets = shard.table.encode_changed(None)
    before, items = shard.tick, []
    items += [cbor.loads(blob[a:b]) for a, b in pairwise(offsets.tolist())]
    shard.step += 1
    shard.tell()
    for update in shard.table.encode(shard.table.parts_in(range(worlds.CELLS)), before):
        if update is not None:
            items.append(cbor.loads(update))
    report = Report()
    copy.apply_items(items, shard.tick, shard.step - 1, report)
    assert not report.unsynced
    assert everybody(copy).keys() == everybody(shard.table).keys()


def test_an_update_without_footing_is_named_and_the_others_are_applied(worlds: Any) -> None:
    shard = history(worlds, 4, 20)
    lost = PartTable(worlds.make_schema(), worlds.make_geometry())
    _, blob, offsets = shard.table.encode_changed(shard.tick - 5)
    report = Report()
    lost.apply_frame(blob, offsets, shard.tick, shard.step, report)
    assert report.unsynced, "somebody changed who is not there"
    held = everybody(lost)
    assert not held.keys() & set(report.unsynced), "nothing of those parts was done"
    for key, columns in held.items():
        assert set(columns[0]) <= set(everybody(shard.table)[key][0])


def test_a_heading_that_leads_nowhere_is_refused(worlds: Any) -> None:
    key = worlds.BIRD
    columns = bytes(8) + bytes(2) + bytes([99]) + bytes(8) + bytes(2)
    for update in ([key, 0, 4, 1, columns], [key, -1 - 8, 1, bytes([99])]):
        copy = PartTable(worlds.make_schema(), worlds.make_geometry())
        with pytest.raises(RemoteProtocolError):
            copy.apply(update, 1, 1)
        many = b"".join(cbor.dumps([key + 3 * n, *update[1:]]) for n in range(30))
        offsets = np.arange(31) * (len(many) // 30)
        with pytest.raises(RemoteProtocolError):
            copy.apply_frame(many, offsets, 1, 1, Report())


def test_small_changes_of_wide_fields_travel_as_one_byte(worlds: Any) -> None:
    shard = worlds.Shard(0, 1, worlds.make_schema(), worlds.make_geometry())
    bird = shard.spawn(worlds.BIRD, 1)
    told = []
    for load in (1000, 1127, 1000, 872, 1000, 1128):
        shard.step += 1
        bird.values[0] = load
        shard.tell()
        (update,) = shard.table.encode([worlds.KINDS + worlds.BIRD], shard.tick - 1)
        told.append(cast("list[Any]", cbor.loads(update or b""))[-1])
    assert told[1:] == [
        b"\x7f",
        b"\x81",
        b"\x80",
        (1000).to_bytes(2, "little"),
        (1128).to_bytes(2, "little"),
    ]
    (update,) = shard.table.encode([worlds.KINDS + worlds.BIRD], shard.tick - 2)
    assert cast("list[Any]", cbor.loads(update or b""))[-1] == (1128).to_bytes(2, "little"), (
        "over more than a tick the value itself is told"
    )
