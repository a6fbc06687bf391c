"""Counting a world over what its engine holds: nobody is missed, nobody is invented."""

from collections.abc import Callable

import attrs
import pytest
import trio

from protocol.geometry import Geometry
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.directory import MemoryDirectory
from server.cluster.journal import MemoryJournal
from server.cluster.seams import Checkpoint, Record
from server.fleet.audit import audit
from server.making import ShardMaker
from server.settings import Settings
from server.shard.census import Tally
from server.shard.outbox import EntityParcel, read_parcel
from server.shard.schedule import Schedule
from server.shard.service import own_shard, run_node
from tests.server.shard.conftest import make_game

AWAY = 3  # the shard that ends before the others


@pytest.fixture
def maker() -> ShardMaker:
    game = make_game(30)
    schema = Schema.from_data(game.describe())
    return ShardMaker(
        game=game,
        schema=schema,
        geometry=Geometry.grid(*schema.size, schema.cell, schema.interest, (2, 2)),
        bus=MemoryBus(),
        settings=Settings(checkpoint_every_s=1.5),
        kept=True,
        counting=True,
    )


async def crashed(maker: ShardMaker, *, away_s: float) -> MemoryJournal:
    """What a world leaves that died, one shard of it so much earlier than the others."""
    journal, directory = MemoryJournal(), MemoryDirectory(trio.current_time)
    schedule = Schedule(trio.current_time(), maker.schema.hz)

    async def run(shards: list[int]) -> None:
        owned = [
            await own_shard(
                maker.of(shard), shard, world="main", directory=directory, journal=journal
            )
            for shard in shards
        ]
        clock = trio.current_time
        await run_node(owned, journal=journal, schedule=schedule, stopwatch=clock)

    with trio.move_on_after(3 + away_s):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, [0, 1, 2])
            with trio.move_on_after(3):
                await run([AWAY])
    return journal


@attrs.define
class Tampered:
    """A journal of which somebody has changed the records."""

    journal: MemoryJournal
    change: Callable[[int, list[Record]], list[Record]]

    async def load(self, shard: int) -> Checkpoint | None:
        return await self.journal.load(shard)

    async def read(self, shard: int, after: int) -> list[Record]:
        return self.change(shard, await self.journal.read(shard, after))


def balanced(counted: Tally) -> bool:
    return counted.created - counted.destroyed == counted.alive + counted.in_transit


async def test_a_world_that_died_adds_up(maker: ShardMaker, autojump_clock: object) -> None:
    counted = await audit(maker, await crashed(maker, away_s=0))
    assert counted.created >= 30
    assert counted.crossings > 0
    assert balanced(counted)
    assert not counted.lost
    assert not counted.duplicated


async def test_who_waits_for_a_dead_shard_is_in_transit(
    maker: ShardMaker, autojump_clock: object
) -> None:
    counted = await audit(maker, await crashed(maker, away_s=1.5))
    assert counted.in_transit > 0
    assert balanced(counted)
    assert not counted.lost
    assert not counted.duplicated


async def test_an_out_that_is_gone_is_an_entity_lost(
    maker: ShardMaker, autojump_clock: object
) -> None:
    journal = await crashed(maker, away_s=1.5)
    gone: list[int] = []

    def drop_newest_out(shard: int, records: list[Record]) -> list[Record]:
        for place in reversed(range(len(records))):
            record = records[place]
            if record.to == AWAY and not gone and record.id not in _outs_of_last_tick(records):
                parcel = read_parcel(record.data)
                assert isinstance(parcel, EntityParcel)
                gone.append(parcel.entity)
                return records[:place] + records[place + 1 :]
        return records

    counted = await audit(maker, Tampered(journal, drop_newest_out))
    assert counted.lost == set(gone)


async def test_an_out_that_is_there_twice_is_an_entity_doubled(
    maker: ShardMaker, autojump_clock: object
) -> None:
    journal = await crashed(maker, away_s=0)
    again: list[int] = []

    def repeat_an_out(shard: int, records: list[Record]) -> list[Record]:
        outs = [record for record in records if record.to is not None]
        if again or not outs:
            return records
        parcel = read_parcel(outs[0].data)
        assert isinstance(parcel, EntityParcel)
        again.append(parcel.entity)
        return [*records, attrs.evolve(outs[0], position=records[-1].position + 1)]

    counted = await audit(maker, Tampered(journal, repeat_an_out))
    assert counted.duplicated == set(again)


def _outs_of_last_tick(records: list[Record]) -> set[str]:
    """Recovery would make these again."""
    last = max(place for place, record in enumerate(records) if record.to is None)
    return {record.id for record in records[last:]}
