"""Counting a world's entities over what the engine holds, when nobody runs it any more.

Each shard is recovered as its next owner would do it, from its checkpoint and the records behind
that, but nothing is claimed and nothing written. Its census says whom it created, destroyed and
owns; whom it handed over and nobody took yet must be in its outs, or is lost.

Must not know: processes, how the world was run.
"""

from collections import Counter

import attrs
import trio

from server.cluster.seams import Journal
from server.making import ShardMaker
from server.placement.record import kept_shards
from server.shard.census import Tally, tally
from server.shard.host import Shard
from server.shard.outbox import EntityParcel, read_parcel
from server.shard.recovery import Rebuilding

__all__ = ["audit"]


@attrs.frozen
class _Read:
    """A shard at the end of its journal, and its outs: (position, destination, entity)."""

    shard: Shard
    outs: list[tuple[int, int, int]]


async def audit(maker: ShardMaker, journal: Journal) -> Tally:
    """Count every entity of a world that stands still. `maker` must make shards that count.

    Raises DivergenceError when a journal does not lead where it did.
    """
    shards_kept = await kept_shards(journal) or maker.geometry.shards
    read = [await _read(maker, shard, journal) for shard in shards_kept]
    shards = {each.shard.id: each.shard for each in read}
    waiting = Counter(
        entity
        for each in read
        for position, to, entity in each.outs
        if position > shards[to].followed(each.shard.id)
    )
    return tally((shard.census() for shard in shards.values()), waiting)


async def _read(maker: ShardMaker, number: int, journal: Journal) -> _Read:
    saved = await journal.load(number)
    make = maker.of(number)
    shard = make(1, None if saved is None else saved.data)
    rebuilding = Rebuilding(shard)
    begins = 0 if saved is None else saved.position
    outs = []
    end = begins
    for record in await journal.read(number, 0):
        end = max(end, record.position)
        if record.to is not None:
            outs += _entities(record.position, record.to, record.data)
        if record.position > begins:
            rebuilding.take(record)
            await trio.lowlevel.checkpoint()
    for draft in rebuilding.finish():  # its next owner would append these
        assert draft.to is not None, "only outs can be missing"
        end += 1
        outs += _entities(end, draft.to, draft.data)
    return _Read(shard, outs)


def _entities(position: int, to: int, data: bytes) -> list[tuple[int, int, int]]:
    parcel = read_parcel(data)
    return [(position, to, parcel.entity)] if isinstance(parcel, EntityParcel) else []
