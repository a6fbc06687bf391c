"""Who takes over a table where a copy of it stands: receivers go on, as if nothing had happened."""

from typing import Any

import attrs
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.apply import Report
from protocol.limits import RETAINED_TICKS
from protocol.parts import PartTable

quick = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def fresh(worlds: Any) -> PartTable:
    return PartTable(worlds.make_schema(), worlds.make_geometry())


def everybody(table: PartTable) -> dict[int, tuple[Any, ...]]:
    """Everyone by id: cell and every value; slots are nobody's business."""
    found = {}
    for kind in range(len(table.kinds)):
        ids, cells, fields, course = table.columns(kind)
        for place, entity in enumerate(ids.tolist()):
            values = [column[place].item() for column in fields.values()]
            motion = None if course is None else course[:, place].tolist()
            found[entity] = (kind, int(cells[place]), values, motion)
    return found


def take(owner: PartTable, copy: PartTable, since: int) -> None:
    _, blob, offsets = owner.encode_changed(since or None)
    report = Report(names=False)
    copy.apply_frame(blob, offsets, owner.tick, owner.step, report, base=since)
    assert not report.failed
    assert not report.unsynced


def live(shard: Any, ticks: int = 1) -> int:
    """A step, published so many ticks after the one before; gives the tick of that."""
    before: int = shard.tick
    shard.step += 1
    shard.live()
    shard.tell(ticks)
    return before


def go_on_from(shard: Any, copy: PartTable) -> None:
    """The beings are another owner's, who has a copy of what was published of them."""
    shard.table = copy
    for kind in range(len(copy.kinds)):
        beings = [being for being in shard.beings.values() if being.kind == kind]
        handles = copy.handles(kind, np.array([being.id for being in beings], np.uint64))
        for being, handle in zip(beings, handles.tolist(), strict=True):
            being.handle = handle


def anew(worlds: Any, shard: Any) -> PartTable:
    """The present state in a table that has no past."""
    other = worlds.Shard(0, 0, worlds.make_schema(), worlds.make_geometry())
    other.beings = {entity: attrs.evolve(b, handle=-1) for entity, b in shard.beings.items()}
    other.tick, other.step = shard.tick - 1, shard.step
    other.tell()
    table: PartTable = other.table
    return table


@quick
@given(
    seed=st.integers(0, 2**32),
    joined=st.integers(0, 10),
    moves=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    pause=st.integers(1, 6),
    late_from=st.integers(0, 39),
)
def test_receivers_of_one_owner_go_on_with_the_next(
    worlds: Any, seed: int, joined: int, moves: list[int], pause: int, late_from: int
) -> None:
    shard = worlds.Shard(0, seed, worlds.make_schema(), worlds.make_geometry())
    watcher = fresh(worlds)
    for _ in range(joined + 1):
        take(shard.table, watcher, live(shard))
    for ticks in moves:
        copy, late, held = fresh(worlds), fresh(worlds), None
        take(shard.table, copy, 0)
        for round_ in range(ticks):
            if round_ == late_from:
                held = shard.tick
                take(shard.table, late, 0)
            before = live(shard, 1 + (shard.below(6) == 0))
            take(shard.table, copy, before)
            take(shard.table, watcher, before)
        former = shard.tick
        go_on_from(shard, copy)
        for round_ in range(ticks):
            before = live(shard, pause if round_ == 0 else 1)
            assert before == former or round_
            take(shard.table, watcher, before)
            right = everybody(anew(worlds, shard))
            assert everybody(shard.table) == everybody(watcher) == right
        if held is not None and shard.tick - held < RETAINED_TICKS:
            take(shard.table, late, held)
            assert everybody(late) == everybody(watcher), "who was late since before the move, too"


@quick
@given(seed=st.integers(0, 2**32), ticks=st.integers(1, 30))
def test_who_has_not_changed_is_not_told_again(worlds: Any, seed: int, ticks: int) -> None:
    shard = worlds.Shard(0, seed, worlds.make_schema(), worlds.make_geometry())
    copy = fresh(worlds)
    for _ in range(ticks):
        before = live(shard)
        take(shard.table, copy, before)
    go_on_from(shard, copy)
    before = shard.tick
    shard.step += 1
    shard.tell()
    keys, _, _ = shard.table.encode_changed(before)
    due = [key for key in keys.tolist() if (before + 1 + key) % 64 == 0]
    assert keys.tolist() == due, "nothing but CRCs"


def test_handles_are_those_of_the_entities_that_are_there(worlds: Any) -> None:
    shard = worlds.Shard(0, 3, worlds.make_schema(), worlds.make_geometry())
    for _ in range(5):
        live(shard)
    fish = [being for being in shard.beings.values() if being.kind == worlds.FISH]
    ids = np.array([*[being.id for being in reversed(fish)], 12345], np.uint64)
    expected = [*[being.handle for being in reversed(fish)], -1]
    assert shard.table.handles(worlds.FISH, ids).tolist() == expected
    assert fresh(worlds).handles(worlds.FISH, ids).tolist() == [-1] * len(ids)
    assert len(shard.table.handles(worlds.FISH, ids[:0])) == 0
