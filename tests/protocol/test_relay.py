"""Copies pass on what they hold: exact from any baseline, and the owner's bytes if they saw all."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import cbor
from protocol.apply import Report
from protocol.limits import RETAINED_TICKS, SLOTS
from protocol.parts import PartTable

quick = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def fresh(worlds: Any) -> PartTable:
    table = PartTable(worlds.make_schema(), worlds.make_geometry())
    table.epoch = 1
    return table


def everybody(table: PartTable) -> dict[int, tuple[Any, ...]]:
    """Everyone by id: part, slot and every value."""
    found = {}
    for slab in table.slabs:
        for key in slab.place:
            for row in table.rows_of(key).tolist():
                values = [column[row].item() for column in slab.values.values()]
                course = slab.course[row].tolist() if slab.kind.course else None
                found[int(slab.ids[row])] = (key, int(slab.slot[row]), values, course)
    return found


def relay(source: PartTable, target: PartTable, since: int | None) -> Report:
    """Bring `target`, which holds `source` as of `since`, up to date."""
    report = Report()
    keys = source.parts_in(range(8))
    updates = [update for update in source.encode(keys, since) if update is not None]
    items = [cbor.loads(update) for update in updates]
    target.apply_items(items, source.tick, source.step, report)
    target.advance(source.tick, source.step)
    assert not report.failed, "the CRCs agree"
    return report


def take_frame(owner: PartTable, copy: PartTable, since: int) -> None:
    _, blob, offsets = owner.encode_changed(since or None)
    report = Report(names=False)
    copy.apply_frame(blob, offsets, owner.tick, owner.step, report, base=since)
    assert not report.failed
    assert not report.unsynced


@quick
@given(
    seed=st.integers(0, 2**32),
    missed=st.lists(st.integers(0, 6), min_size=20, max_size=40),
    late=st.lists(st.integers(1, 40), min_size=2, max_size=4),
)
def test_who_is_served_by_a_copy_that_missed_ticks_is_never_wrong(
    worlds: Any, seed: int, missed: list[int], late: list[int]
) -> None:
    shard = worlds.Shard(0, seed, worlds.make_schema(), worlds.make_geometry())
    copy = fresh(worlds)
    clients: list[tuple[PartTable, int | None]] = [(fresh(worlds), None) for _ in late]
    for round_, misses in enumerate(missed):
        since = shard.tick
        for _ in range(1 + (misses if misses > 4 else 0)):  # the copy sees only the last of them
            shard.step += 1
            shard.live()
            shard.tell(1 + shard.below(2))
        take_frame(shard.table, copy, since)
        truth = everybody(shard.table)
        assert everybody(copy) == truth
        for place, pause in enumerate(late):
            client, held = clients[place]
            if round_ % pause:
                continue
            if held is not None and copy.tick - held >= RETAINED_TICKS:
                client, held = fresh(worlds), None
            report = relay(copy, client, held)
            assert not report.unsynced, "it stands on what the client holds"
            assert everybody(client) == truth
            clients[place] = client, copy.tick


@quick
@given(seed=st.integers(0, 2**32), data=st.data())
def test_a_baseline_within_a_gap_of_a_copy_gives_keyframes(
    worlds: Any, seed: int, data: st.DataObject
) -> None:
    shard = worlds.Shard(0, seed, worlds.make_schema(), worlds.make_geometry())
    copy, client = fresh(worlds), fresh(worlds)

    def live(ticks: int) -> None:
        for _ in range(ticks):
            shard.step += 1
            shard.live()
            shard.tell()

    live(5)
    take_frame(shard.table, copy, 0)
    first = shard.tick
    live(data.draw(st.integers(1, 10)))
    relay(shard.table, client, None)  # by another way than the copy
    held = client.tick
    live(data.draw(st.integers(1, 10)))
    _, blob, offsets = shard.table.encode_changed(first)
    copy.apply_frame(blob, offsets, shard.tick, shard.step, Report())
    updates = [update for update in copy.encode(copy.parts_in(range(8)), held) if update]
    items: list[Any] = [cbor.loads(update) for update in updates]
    assert all(item[1] == 0 for item in items), "it does not know what the client holds"


@pytest.mark.slow
@quick
@given(seed=st.integers(0, 2**32), joined=st.integers(1, 60), data=st.data())
def test_a_copy_that_joined_late_gives_the_owners_bytes_from_then_on(
    worlds: Any, seed: int, joined: int, data: st.DataObject
) -> None:
    shard = worlds.Shard(0, seed, worlds.make_schema(), worlds.make_geometry())
    copy = fresh(worlds)
    for moment in range(joined + 30):
        shard.step += 1
        shard.live()
        before = shard.tick
        shard.tell(1 + (shard.below(5) == 0))
        if moment < joined:
            continue
        take_frame(shard.table, copy, before if moment > joined else 0)
        if moment == joined:
            began = shard.tick
            continue
        since = data.draw(st.integers(began, shard.tick - 1))
        keys = sorted({*shard.table.parts_in(range(8)), *copy.parts_in(range(8))})
        assert copy.encode(keys, since) == shard.table.encode(keys, since)
        assert copy.encode(keys, None) == shard.table.encode(keys, None)


def test_what_nobody_needs_any_more_is_forgotten(worlds: Any) -> None:
    """A thousand ticks of coming and going leave no more behind than the newest sixty-four."""
    shard = worlds.Shard(0, 1, worlds.make_schema(), worlds.make_geometry())
    copy = fresh(worlds)
    sizes = []
    for tick in range(1000):
        shard.step += 1
        beings = list(shard.beings.values())
        if len(beings) > 30:
            for being in beings[:10]:
                shard.leave(being)
        for _ in range(10):
            shard.spawn(shard.below(2), shard.below(8))
        before = shard.tick
        shard.tell()
        take_frame(shard.table, copy, before)
        if tick in {200, 999}:
            tables = (shard.table, copy)
            sizes.append(
                [(len(s.tombstones), len(s.ids), len(s.key)) for t in tables for s in t.slabs]
            )
    for early, late in zip(*sizes, strict=True):
        assert late[0] <= (RETAINED_TICKS + 16) * 10, "tombstones live for the retained ticks"
        assert late[1] <= 2 * early[1], "rows are used again"
        assert late[2] == early[2], "and so are parts"


def test_slots_are_handed_out_again_when_no_delta_remembers_them(worlds: Any) -> None:
    shard = worlds.Shard(0, 1, worlds.make_schema(), worlds.make_geometry())
    slots = []
    being = shard.spawn(0, 3)
    for _ in range(RETAINED_TICKS + 10):
        shard.tell()
        slots.append(everybody(shard.table)[being.id][1])
        shard.leave(being)
        being = shard.spawn(0, 3)
    assert slots[:SLOTS] == list(range(SLOTS)), "others first"
    assert slots[SLOTS:] == list(range(10)), "then who left the longest ago"


def test_changes_of_everybody_at_once_fill_further_parts(worlds: Any) -> None:
    shard = worlds.Shard(0, 1, worlds.make_schema(), worlds.make_geometry())
    copy = fresh(worlds)
    for being in range(300):
        shard.spawn(0, 3 if being % 2 else 5)
    for _ in range(4):
        before = shard.tick
        shard.step += 1
        shard.tell()
        for being in shard.beings.values():
            being.cell = 8 - being.cell
        _, blob, offsets = shard.table.encode_changed(before or None)
        copy.apply_frame(blob, offsets, shard.tick, shard.step, Report(), base=before)
        assert everybody(copy) == everybody(shard.table)
        assert len(shard.table.parts_in([3])) == 3
    assert all(
        len(update) < 64 * 64
        for start, end in pairwise(offsets.tolist())
        for update in [blob[start:end]]
    )
