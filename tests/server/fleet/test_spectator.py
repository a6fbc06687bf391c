"""Who only hears the bus knows who crossed, who owned what, and asks for what was missed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio
import trio.testing

from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.directory import MemoryDirectory
from server.cluster.journal import MemoryJournal
from server.fleet.spectator import Spectator
from server.making import ShardMaker
from server.placement.reconciler import Listener
from server.settings import Settings
from server.shard.mail import frame_subject
from server.shard.schedule import Schedule
from server.shard.service import Node, own_shard, run_node
from tests.server.shard.conftest import make_game


class LossyBus(MemoryBus):
    """Loses the frames of one shard at some ticks."""

    lost: range = range(0)

    def publish(self, subject: str, data: bytes) -> None:
        if subject == frame_subject("main", 1) and Frame.decode(data).tick in self.lost:
            return
        super().publish(subject, data)


@attrs.define
class Seen:
    spectator: Spectator
    node: Node


@asynccontextmanager
async def watched(bus: MemoryBus) -> AsyncIterator[Seen]:
    """A world that runs on `bus`, and somebody who hears it from its first tick on."""
    game = make_game(30)
    schema = Schema.from_data(game.describe())
    geometry = Geometry.grid(*schema.size, schema.cell, schema.interest, (2, 2))
    maker = ShardMaker(
        game=game,
        schema=schema,
        geometry=geometry,
        bus=bus,
        settings=Settings(),
        kept=False,
        counting=True,
    )
    journal, directory = MemoryJournal(), MemoryDirectory(trio.current_time)
    spectator = Spectator(schema, geometry, "main")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(spectator.run, bus, directory, Listener(bus, "main"))
        await trio.testing.wait_all_tasks_blocked()
        owned = [
            await own_shard(
                maker.of(shard),
                shard,
                world="main",
                directory=directory,
                journal=journal,
                owner="node-1",
            )
            for shard in geometry.shards
        ]
        schedule = Schedule(trio.current_time(), schema.hz)

        async def run(task_status: trio.TaskStatus[Node]) -> None:
            await run_node(
                owned,
                journal=journal,
                schedule=schedule,
                stopwatch=trio.current_time,
                task_status=task_status,
            )

        node = await nursery.start(run)
        yield Seen(spectator, node)
        nursery.cancel_scope.cancel()


async def test_every_crossing_is_seen_and_takes_no_time(autojump_clock: object) -> None:
    async with watched(MemoryBus()) as seen:
        await trio.sleep(3.01)
        crossings = sum(s.statistics().crossings for s in seen.node.shards.values())
        under_way = sum(len(s.census().in_transit) for s in seen.node.shards.values())
        transit = seen.spectator.transit
        assert crossings > 3
        assert crossings - under_way - 4 <= len(transit.limbo_ticks) <= crossings
        assert max(transit.limbo_ticks) <= 1
        assert seen.spectator.gaps == 0
        assert not seen.spectator.owners.doubles


async def test_the_owner_of_each_shard_is_known_from_its_lease(autojump_clock: object) -> None:
    async with watched(MemoryBus()) as seen:
        await trio.sleep(0.5)
        seen.spectator.owners.struck("node-2", trio.current_time())
        assert not seen.spectator.owners.awaited()
        seen.spectator.owners.struck("node-1", trio.current_time())
        assert seen.spectator.owners.awaited() == {0, 1, 2, 3}


async def test_what_was_missed_is_asked_for(autojump_clock: object) -> None:
    bus = LossyBus()
    async with watched(bus) as seen:
        await trio.sleep(0.5)
        tick = seen.node.tick
        bus.lost = range(tick + 2, tick + 4)
        await trio.sleep(1)
        assert seen.spectator.gaps == 1
        before = len(seen.spectator.transit.limbo_ticks)
        await trio.sleep(1.5)
        assert len(seen.spectator.transit.limbo_ticks) > before, "it sees on"
