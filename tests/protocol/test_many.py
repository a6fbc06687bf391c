"""Working on many parts at once gives the very bytes and state of working on them one by one."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import cbor
from protocol.apply import Report, Unsynced
from protocol.encode import encode_part
from protocol.encode_many import encode_parts
from protocol.errors import RemoteProtocolError
from protocol.limits import RETAINED_TICKS
from protocol.parts import PartTable

quick = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 2**20)


def history(worlds: Any, seed: int, ticks: int) -> Any:
    shard = worlds.Shard(0, seed, worlds.make_schema(), worlds.make_geometry())
    for _ in range(40):
        shard.spawn(seed % 2, shard.below(worlds.CELLS))
    for _ in range(ticks):
        shard.step += 1
        shard.live()
        shard.tell(1 + (shard.below(9) == 0))
    return shard


def same(one: PartTable, other: PartTable) -> None:
    """Two tables that hold the same rows with the same ticks."""
    for a, b in zip(one.slabs, other.slabs, strict=True):
        assert a.place.keys() == b.place.keys()
        for key, place in a.place.items():
            mine, theirs = a.rows(place), b.rows(b.place[key])
            assert a.count[place] == b.count[b.place[key]]
            assert a.touched[place] == b.touched[b.place[key]]
            assert a.known[place] == b.known[b.place[key]]
            there = a.occupied[mine]
            assert (there == b.occupied[theirs]).all()
            columns = [(a.ids, b.ids), (a.entered, b.entered)]
            columns += [(a.values[name], b.values[name]) for name in a.values]
            columns += [(a.changed[name], b.changed[name]) for name in a.changed]
            if a.kind.course is not None:
                columns += [(getattr(a, n), getattr(b, n)) for n in ("turned", "before", "jumped")]
                columns += list(zip(a.course, b.course, strict=True))
            for left, right in columns:
                assert (left[mine][there] == right[theirs][there]).all()
        stones = {int(a.key[place]): found for place, found in a.tombstones.items()}
        others = {int(b.key[place]): found for place, found in b.tombstones.items()}
        assert stones == others


@quick
@given(seeds, st.integers(1, 80), st.data())
def test_many_updates_are_the_bytes_of_each(
    worlds: Any, seed: int, ticks: int, data: st.DataObject
) -> None:
    table = history(worlds, seed, ticks).table
    oldest = max(0, table.tick - RETAINED_TICKS + 1)
    for since in (None, table.tick - 1, data.draw(st.integers(oldest, table.tick - 1))):
        for kind, slab in enumerate(table.slabs):
            keys = sorted(slab.place)
            places = np.array([slab.place[key] for key in keys], np.int64)
            moment = {"tick": table.tick, "step": table.step, "since": since}
            together = encode_parts(slab, places, table._origins_of(kind, keys), **moment)
            singly = [
                encode_part(slab, place, table._origin(kind, table.keys.cell(key)), **moment)
                for key, place in zip(keys, places.tolist(), strict=True)
            ]
            assert together == singly


def apply_both(worlds: Any, owner: PartTable, one: PartTable, many: PartTable) -> None:
    since = one.tick if owner.tick - one.tick < RETAINED_TICKS else 0
    if not since:  # keyframes do not say what is gone
        one.reset(owner.epoch)
        many.reset(owner.epoch)
    _, blob, offsets = owner.encode_changed(since or None)
    bounds = offsets.tolist()
    first, second = Report(), Report()
    one.advance(owner.tick, owner.step)
    for start, end in pairwise(bounds):
        one.apply(cbor.loads_arrays(blob[start:end]), owner.tick, owner.step, first)
    many.apply_all(blob, len(bounds) - 1, owner.tick, owner.step, second)
    same(one, many)
    for name in ("entered", "left", "turned", "set", "changed"):
        assert sorted(getattr(first, name)) == sorted(getattr(second, name))
    assert first.crc_checks == second.crc_checks
    assert not second.crc_failed


@quick
@given(seeds, st.lists(st.integers(1, 70), min_size=1, max_size=8))
def test_applying_many_is_applying_each(worlds: Any, seed: int, gaps: list[int]) -> None:
    shard = history(worlds, seed, 3)
    one, many = (PartTable(worlds.make_schema(), worlds.make_geometry()) for _ in range(2))
    for gap in gaps:
        for _ in range(gap % 7):
            shard.step += 1
            shard.live()
            shard.tell()
        shard.step += 1
        shard.tell(gap)
        apply_both(worlds, shard.table, one, many)
    assert many.encode_changed(None)[1] == one.encode_changed(None)[1]


def test_an_update_without_footing_is_named_by_an_error(worlds: Any) -> None:
    shard = history(worlds, 4, 20)
    lost = PartTable(worlds.make_schema(), worlds.make_geometry())
    _, blob, offsets = shard.table.encode_changed(shard.table.tick - 5)
    with pytest.raises(Unsynced):
        lost.apply_all(blob, len(offsets) - 1, shard.table.tick, shard.table.step)


def test_nonsense_is_refused(worlds: Any) -> None:
    table = PartTable(worlds.make_schema(), worlds.make_geometry())
    for blob, count in ((b"\xff", 1), (b"", 1), (b"\x01", 1), (b"\x83\x00\x00\x00" * 2, 2)):
        with pytest.raises(RemoteProtocolError):
            table.apply_all(blob, count, 1, 1)
    assert table.apply_all(b"", 0, 2, 2) == Report()
