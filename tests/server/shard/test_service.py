"""A node steps its shards on schedule, makes them durable, drains, and gives up what it lost."""

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import pytest
import trio

from protocol.frame import Frame
from server.cluster.directory import MemoryDirectory
from server.cluster.journal import MemoryJournal
from server.cluster.seams import JournalUnavailable
from server.shard import limits
from server.shard.census import tally
from server.shard.host import Shard, ShardConfig
from server.shard.mail import frame_subject
from server.shard.schedule import Schedule
from server.shard.service import Node, own_shard, run_node


class SlowJournal(MemoryJournal):
    """A journal whose every append takes a while."""

    def __init__(self, delay_s: float) -> None:
        super().__init__()
        self.delay_s = delay_s

    async def append(self, *args: Any, **kwargs: Any) -> int:
        await trio.sleep(self.delay_s)
        return await super().append(*args, **kwargs)


@attrs.define
class Setting:
    """A cluster's parts, to be run by a node instead of by hand."""

    cluster: Any
    journal: MemoryJournal
    directory: MemoryDirectory
    ticks: list[tuple[int, float]] = attrs.field(factory=list)

    async def own(self, number: int, ttl_s: float = 1e9) -> Any:
        cluster = self.cluster

        def make(epoch: int, saved: bytes | None) -> Shard:
            config = ShardConfig(
                world="w",
                shard=number,
                epoch=epoch,
                seed=7,
                geometry=cluster.geometry,
                counting=True,
            )
            return Shard(cluster.game, cluster.schema, cluster.bus, config, saved)

        return await own_shard(
            make, number, world="w", directory=self.directory, journal=self.journal, ttl_s=ttl_s
        )

    async def start(self, nursery: trio.Nursery, **own: float) -> Node:
        owned = [await self.own(number, **own) for number in self.cluster.geometry.shards]
        run = partial(
            run_node,
            owned,
            journal=self.journal,
            schedule=Schedule(trio.current_time(), 20),
            stopwatch=trio.current_time,
            on_tick=lambda tick: self.ticks.append((tick, trio.current_time())),
        )
        return await nursery.start(run)


@pytest.fixture
def setting(make_cluster: Callable[..., Any]) -> Callable[..., Setting]:
    def make(journal: MemoryJournal | None = None, balls: int = 15) -> Setting:
        directory = MemoryDirectory(trio.current_time)
        return Setting(make_cluster(balls=balls), journal or MemoryJournal(), directory)

    return make


async def test_ticks_come_at_the_slots_of_the_schedule(
    setting: Any, autojump_clock: trio.testing.MockClock
) -> None:
    given = setting()
    async with trio.open_nursery() as nursery:
        node = await given.start(nursery)
        start = node.schedule.start_s
        await trio.sleep(5.01)
        node.stop()
    assert [tick for tick, _ in given.ticks] == list(range(1, 101))
    for tick, when in given.ticks:
        assert when == pytest.approx(start + tick / 20, abs=1e-6)
    statistics = node.statistics()
    assert (statistics.missed, statistics.dilation) == (0, 1000)


async def test_a_dear_step_ends_late_and_the_next_one_begins_at_its_slot(
    setting: Any, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Shard.tick

    def dear(shard: Shard, tick: int) -> None:
        step(shard, tick)
        autojump_clock.jump(0.001 * (tick % 10))

    monkeypatch.setattr(Shard, "tick", dear)
    given = setting()
    begun: list[tuple[int, float]] = []
    async with trio.open_nursery() as nursery:
        node = await given.start(nursery)
        start = node.schedule.start_s
        for tick in range(1, 41):
            await trio.sleep_until(start + (tick + 0.9) / 20)
            begun.append((tick, node.began_s))
        node.stop()
    for tick, when in begun:
        assert when == pytest.approx(start + tick / 20, abs=1e-6)
    assert max(when - start - tick / 20 for tick, when in given.ticks) > 0.008


async def test_a_frame_does_not_wait_for_another_shards_dear_step_and_the_dearest_goes_first(
    setting: Any, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Shard.tick
    stepped: dict[int, list[int]] = {}

    def dear(shard: Shard, tick: int) -> None:
        step(shard, tick)
        stepped.setdefault(tick, []).append(shard.id)
        autojump_clock.jump(0.003 * (1 + shard.id))

    monkeypatch.setattr(Shard, "tick", dear)
    given = setting()
    frames = given.cluster.bus.subscribe(frame_subject("w", "*"), buffer=1024)
    waited: list[int] = []

    async def hear() -> None:
        async for message in frames:
            frame = Frame.decode(message.data)
            if frame.tick > 40:
                order = stepped[frame.tick]
                waited.append(len(order) - 1 - order.index(frame.shard))

    async with trio.open_nursery() as nursery:
        node = await given.start(nursery)
        nursery.start_soon(hear)
        await trio.sleep(4)
        node.stop()
        await node.wait_ended()
        frames.close()
    assert set(waited) == {0}, "nobody else has stepped between a step and its frame"
    shards = list(given.cluster.geometry.shards)
    assert stepped[1] == shards
    assert stepped[60] == shards[::-1]


async def test_a_census_after_a_tick_adds_up_while_the_node_runs(
    setting: Any, autojump_clock: trio.testing.MockClock
) -> None:
    given = setting(balls=30)
    async with trio.open_nursery() as nursery:
        node = await given.start(nursery)
        for _ in range(100):
            await trio.sleep(0.05)
            found = tally(shard.census() for shard in node.shards.values())
            assert not found.lost
            assert not found.duplicated
        node.stop()
    assert found.crossings > 50


async def test_a_slow_journal_does_not_hold_up_the_world(
    setting: Any, autojump_clock: trio.testing.MockClock
) -> None:
    given = setting(SlowJournal(0.03))
    async with trio.open_nursery() as nursery:
        node = await given.start(nursery)
        await trio.sleep(5.01)
        assert len(given.ticks) == 100
        lags = [shard.lag_ticks for shard in node.shards.values()]
        assert max(lags) > 0
        node.stop()
    assert all(shard.lag_ticks == 0 for shard in node.shards.values()), (
        "a stopping node makes durable what it has done"
    )


async def test_a_journal_that_stands_still_stops_the_shard_in_the_end(
    setting: Any, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COMMIT_LAG_TICKS", 20)
    given = setting(SlowJournal(1e6))
    async with trio.open_nursery() as nursery:
        node = await given.start(nursery)
        await trio.sleep(5)
        assert {shard.lag_ticks for shard in node.shards.values()} == {20}
        nursery.cancel_scope.cancel()


async def test_the_journal_in_memory_stays_small(
    setting: Any, autojump_clock: trio.testing.MockClock
) -> None:
    given = setting()
    async with trio.open_nursery() as nursery:
        node = await given.start(nursery)
        await trio.sleep(20)
        kept = [len(list(given.journal.read_nowait(shard, 0))) for shard in node.shards]
        node.stop()
    assert max(kept) < 3 * limits.TAKEN_EVERY_TICKS, "what everybody has taken is trimmed"


async def test_a_journal_that_cannot_be_trimmed_just_now_is_trimmed_later(
    setting: Any, autojump_clock: trio.testing.MockClock
) -> None:
    class Full(MemoryJournal):
        refused = 0

        async def trim(self, shard: int, upto: int) -> None:
            if self.refused < 10:
                self.refused += 1
                raise JournalUnavailable("the disk takes no more")
            await super().trim(shard, upto)

    given = setting(Full())
    async with trio.open_nursery() as nursery:
        node = await given.start(nursery)
        await trio.sleep(20)
        assert sorted(node.shards) == [0, 1, 2, 3]
        kept = [len(list(given.journal.read_nowait(shard, 0))) for shard in node.shards]
        node.stop()
    assert given.journal.refused == 10
    assert max(kept) < 3 * limits.TAKEN_EVERY_TICKS, "what everybody has taken is trimmed"


async def test_a_fenced_shard_is_retired_and_the_others_go_on(
    setting: Any, autojump_clock: trio.testing.MockClock
) -> None:
    given = setting()
    async with trio.open_nursery() as nursery:
        node = await given.start(nursery)
        await trio.sleep(1.01)
        lost = node.shards[2]
        given.journal.claim_nowait(2, epoch=99)
        await trio.sleep(1)
        assert sorted(node.shards) == [0, 1, 3]
        stopped = lost.world.tick
        await trio.sleep(1)
        assert lost.world.tick == stopped, "who was fenced never steps again"
        assert node.shards[0].world.tick == 60
        node.stop()


async def test_a_lost_lease_retires_the_shard(
    setting: Any, autojump_clock: trio.testing.MockClock
) -> None:
    given = setting()
    async with trio.open_nursery() as nursery:
        node = await given.start(nursery, ttl_s=2.0)
        await trio.sleep(10)
        assert sorted(node.shards) == [0, 1, 2, 3], "leases are renewed in time"
        given.directory.end(given.directory._held["w.shard.1"])
        await trio.sleep(2)
        assert sorted(node.shards) == [0, 2, 3]
        node.stop()


async def test_a_shard_has_one_owner(setting: Any, autojump_clock: trio.testing.MockClock) -> None:
    given = setting()
    assert await given.own(0) is not None
    assert await given.own(0) is None


async def test_cancelling_ends_at_once(
    setting: Any, autojump_clock: trio.testing.MockClock
) -> None:
    given = setting(SlowJournal(1e6))
    async with trio.open_nursery() as nursery:
        await given.start(nursery)
        await trio.sleep(1)
        began = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() == began
