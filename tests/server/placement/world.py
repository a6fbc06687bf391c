"""An engine in memory, nodes and their coordinator on it, and what is true of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio

from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.directory import MemoryDirectory
from server.cluster.journal import MemoryJournal
from server.placement.coordinator import Founding, run_coordinator
from server.placement.reconciler import Listener, Reconciler
from server.shard.census import Tally, tally
from server.shard.host import Shard, ShardConfig
from server.shard.mail import frame_subject
from server.shard.schedule import Schedule
from server.shard.service import Node, run_node
from server.shard.space import Partition
from tests.server.shard.conftest import make_game

WORLD = "w"


@attrs.define
class Member:
    """A node that runs."""

    name: str
    scope: trio.CancelScope
    node: Node
    reconciler: Reconciler

    @property
    def shards(self) -> set[int]:
        return set(self.node.shards)


class Setting:
    """An engine in memory, and what runs on it."""

    def __init__(
        self, nursery: trio.Nursery, budget: float | None = None, grid: tuple[int, int] = (2, 2)
    ) -> None:
        self.game = make_game(8)
        self.partition: Partition | None = None
        self.budget = budget
        self.schema = Schema.from_data(self.game.describe())
        size = self.game.size
        self.geometry = Geometry.grid(*size, self.game.cell, self.game.radii, grid)
        self.bus = MemoryBus()
        self.directory = MemoryDirectory(trio.current_time)
        self.journal = MemoryJournal()
        self.frames = self.bus.subscribe(frame_subject(WORLD, "*"), buffer=100_000)
        self.members: dict[str, Member] = {}
        self._nursery = nursery

    def founding(self, **changes: object) -> Founding:
        return attrs.evolve(
            Founding(
                identity={"game": "balls"},
                geometry=self.geometry.to_data(),
                hz=self.game.hz,
                shards=self.geometry.shards,
                budget=self.budget,
            ),
            **changes,
        )

    async def start(self, name: str) -> Member:
        member: Member = await self._nursery.start(self._run, name)
        self.members[name] = member
        return member

    def kill(self, name: str) -> None:
        self.members.pop(name).scope.cancel()

    async def _run(self, name: str, *, task_status: trio.TaskStatus[Member]) -> None:
        on = {"world": WORLD, "directory": self.directory, "journal": self.journal}
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                listener = Listener(self.bus, WORLD)
                nursery.start_soon(listener.run)
                nursery.start_soon(
                    partial(
                        run_coordinator,
                        name,
                        self.founding(),
                        bus=self.bus,
                        wall=trio.current_time,
                        **on,
                    )
                )
                beacon = await listener.first()
                node = await nursery.start(
                    partial(
                        run_node,
                        (),
                        journal=self.journal,
                        schedule=Schedule(beacon.start_s, beacon.hz),
                        stopwatch=trio.current_time,
                    )
                )
                reconciler = Reconciler(
                    node,
                    name,
                    self._make,
                    listener=listener,
                    bus=self.bus,
                    cut_anew=self._cut_anew,
                    **on,
                )
                nursery.start_soon(reconciler.run)
                task_status.started(Member(name, scope, node, reconciler))

    def _cut_anew(self, partition: Partition) -> None:
        if self.partition is None or partition.age > self.partition.age:
            self.partition = partition

    def _make(self, shard: int) -> Callable[[int, bytes | None], Shard]:
        def make(epoch: int, saved: bytes | None) -> Shard:
            config = ShardConfig(
                world=WORLD,
                shard=shard,
                epoch=epoch,
                seed=7,
                geometry=self.geometry,
                counting=True,
                digests_every=1,
                checkpoint_every=40,
                partition=self.partition,
            )
            return Shard(self.game, self.schema, self.bus, config, saved)

        return make

    def homes(self) -> dict[str, set[int]]:
        return {name: member.shards for name, member in sorted(self.members.items())}

    def tally(self) -> Tally:
        return tally(
            shard.census()
            for member in self.members.values()
            for shard in member.node.shards.values()
        )

    def published(self) -> dict[int, list[tuple[int, int]]]:
        """Of each shard, the (epoch, tick) of every frame so far, in order."""
        found: dict[int, list[tuple[int, int]]] = {}
        for message in self.frames.take_nowait():
            frame = Frame.decode(message.data)
            found.setdefault(frame.shard, []).append((frame.epoch, frame.tick))
        return found

    async def wait(self, condition: Callable[[], bool], seconds: float = 30) -> float:
        began = trio.current_time()
        with trio.fail_after(seconds):
            while not condition():  # noqa: ASYNC110 - whatever it is, at any time
                await trio.sleep(0.02)
        return trio.current_time() - began


@asynccontextmanager
async def setting(
    budget: float | None = None, grid: tuple[int, int] = (2, 2)
) -> AsyncIterator[Setting]:
    async with trio.open_nursery() as nursery:
        yield Setting(nursery, budget, grid)
        nursery.cancel_scope.cancel()


def assert_sound(given: Setting) -> None:
    for shard, frames in given.published().items():
        ticks = [tick for _, tick in frames]
        assert ticks == sorted(set(ticks)), f"shard {shard} published a tick twice"
        epochs = [epoch for epoch, _ in frames]
        assert epochs == sorted(epochs), f"a former owner of shard {shard} published later"
    counted = given.tally()
    assert (counted.lost, counted.duplicated) == (frozenset(), frozenset())
