"""Nodes and their coordinator in one process: who joins gets work, who dies is followed."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise

import attrs
import pytest
import trio

from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.directory import MemoryDirectory
from server.cluster.journal import MemoryJournal
from server.placement.coordinator import RECORD, Founding, RecordError, run_coordinator
from server.placement.handover import Handovers
from server.placement.reconciler import Listener, Reconciler
from server.placement.words import Beacon, Handover, Report, Stage, WordError
from server.shard.census import Tally, tally
from server.shard.host import Shard, ShardConfig
from server.shard.mail import frame_subject
from server.shard.schedule import Schedule
from server.shard.service import Node, run_node
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

    def __init__(self, nursery: trio.Nursery) -> None:
        self.game = make_game(8)
        self.schema = Schema.from_data(self.game.describe())
        size = self.game.size
        self.geometry = Geometry.grid(*size, self.game.cell, self.game.radii, (2, 2))
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
                    node, name, self._make, listener=listener, bus=self.bus, **on
                )
                nursery.start_soon(reconciler.run)
                task_status.started(Member(name, scope, node, reconciler))

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
async def setting() -> AsyncIterator[Setting]:
    async with trio.open_nursery() as nursery:
        yield Setting(nursery)
        nursery.cancel_scope.cancel()


def assert_sound(given: Setting) -> None:
    for shard, frames in given.published().items():
        ticks = [tick for _, tick in frames]
        assert ticks == sorted(set(ticks)), f"shard {shard} published a tick twice"
        epochs = [epoch for epoch, _ in frames]
        assert epochs == sorted(epochs), f"a former owner of shard {shard} published later"
    counted = given.tally()
    assert (counted.lost, counted.duplicated) == (frozenset(), frozenset())


async def test_the_first_node_runs_all_and_a_second_one_gets_half(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        await trio.sleep(2)
        await given.start("b")
        await given.wait(lambda: sorted(map(len, given.homes().values())) == [2, 2], 60)
        await trio.sleep(3)
        assert given.tally().crossings > 2
        assert_sound(given)


async def test_a_planned_move_misses_hardly_a_tick(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        await trio.sleep(1)
        await given.start("b")
        await given.wait(lambda: bool(given.homes()["b"]), 60)
        (moved, *_) = given.homes()["b"]
        await trio.sleep(1)
        frames = given.published()[moved]
        assert len({epoch for epoch, _ in frames}) == 2
        gaps = [after - before for (_, before), (_, after) in pairwise(frames)]
        assert max(gaps) <= 2, "the next owner steps in the next tick or the one after"
        assert_sound(given)


@pytest.mark.slow
async def test_a_shard_moves_to_and_fro_without_a_pause_or_a_loss(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        for name in "ab":
            await given.start(name)
        await given.wait(lambda: sorted(map(len, given.homes().values())) == [2, 2], 60)
        given.published()
        await trio.sleep(12)  # a checkpoint later: what is followed has been trimmed before
        for name in "cd":
            await given.start(name)
            await trio.sleep(12)
        for name in "ab":
            await given.members[name].reconciler.leave()
            await trio.sleep(12)
        assert given.homes()["a"] == given.homes()["b"] == set()
        moves = 0
        for frames in given.published().values():
            gaps = [after - before for (_, before), (_, after) in pairwise(frames)]
            assert max(gaps) <= 2, "neither a pause nor dilation"
            moves += len({epoch for epoch, _ in frames}) - 1
        assert moves >= 4
        assert given.tally().crossings > 2
        assert given.tally().lost == given.tally().duplicated == frozenset()


@pytest.mark.parametrize("stage", [None, Stage.BEHIND])
async def test_a_shard_moves_too_when_its_next_owner_is_not_heard_or_not_ready(
    stage: Stage | None, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    tell = Handovers._tell

    def say(handovers: Handovers, shard: int, _: Stage) -> None:
        if stage is not None:
            tell(handovers, shard, stage)

    monkeypatch.setattr(Handovers, "_tell", say)
    async with setting() as given:
        await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        await trio.sleep(1)
        await given.start("b")
        await given.wait(lambda: sorted(map(len, given.homes().values())) == [2, 2], 60)
        await trio.sleep(3)
        assert_sound(given)
        assert given.tally().crossings > 2


async def test_whoever_dies_is_followed_within_five_seconds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        for name in "abc":
            await given.start(name)
        await given.wait(lambda: sum(map(len, given.homes().values())) == 4)
        await trio.sleep(3)
        for name in "ab":  # the first of them coordinates
            given.kill(name)
            waited = await given.wait(lambda: sum(map(len, given.homes().values())) == 4, 10)
            assert waited <= 5
            await trio.sleep(2)
        assert given.homes() == {"c": {0, 1, 2, 3}}
        assert_sound(given)
        assert given.tally().crossings > 2


async def test_a_node_that_leaves_hands_its_shards_over(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        await given.start("a")
        await given.start("b")
        await given.wait(lambda: sorted(map(len, given.homes().values())) == [2, 2], 60)
        await trio.sleep(2)
        given.published()
        await given.members["a"].reconciler.leave()
        await given.wait(lambda: given.homes() == {"a": set(), "b": {0, 1, 2, 3}})
        await trio.sleep(1)
        for frames in given.published().values():
            gaps = [after - before for (_, before), (_, after) in pairwise(frames)]
            assert max(gaps) <= 20, "nobody waits for a lease to run out"


async def test_the_world_goes_on_where_it_was_after_all_were_away(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        member = await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        await trio.sleep(7)
        before = member.node.tick
        given.kill("a")
        await trio.sleep(3600)
        again = await given.start("b")
        await given.wait(lambda: given.homes() == {"b": {0, 1, 2, 3}})
        await trio.sleep(1)
        assert before < again.node.tick < before + 400, "an hour is 72,000 ticks"
        assert_sound(given)


async def test_another_world_on_the_same_engine_is_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting() as given:
        await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1, 2, 3}})
        given.kill("a")
        with pytest.raises(RecordError, match="another one"), trio.fail_after(60):
            await run_coordinator(
                "b",
                given.founding(identity={"game": "chess"}),
                world=WORLD,
                bus=given.bus,
                directory=given.directory,
                journal=given.journal,
                wall=trio.current_time,
            )
        kept = await given.journal.load(RECORD)
        assert kept is not None


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x01", b"\x83\x01\x02\x03"])
def test_words_that_are_none_are_refused(data: bytes) -> None:
    with pytest.raises(WordError):
        Beacon.decode(data)
    with pytest.raises(WordError):
        Report.decode(data)
    with pytest.raises(WordError):
        Handover.decode(data)
