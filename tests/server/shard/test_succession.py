"""The next owner of a shard goes on from what the former one published, if it knows it exactly."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from protocol.frame import Frame
from protocol.replica import Replica
from server.shard.host import Shard
from server.shard.mail import Join, frame_subject
from server.shard.recovery import Standby

HASH = b"h" * 32


@pytest.fixture(autouse=True)
def _time_flies(autojump_clock: trio.testing.MockClock) -> None:
    """Nobody waits for anything real."""


class Watcher:
    """A receiver of all frames, who notes which of them stood on nothing."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.replica = Replica(cluster.schema, cluster.geometry)
        self.begun: list[tuple[int, int]] = []  # shard, epoch
        self.firsts: list[Frame] = []  # of each epoch
        self._frames = cluster.bus.subscribe(frame_subject("w", "*"), buffer=10_000)
        self._epochs: dict[int, int] = {}

    def look(self) -> None:
        alive = {entity for shard in self.cluster.shards for entity in shard.world.owned_ids()}
        for message in self._frames.take_nowait():
            frame = Frame.decode(message.data)
            if frame.base == 0:
                self.begun.append((frame.shard, frame.epoch))
            else:
                held = self.replica.tables[frame.shard]
                assert frame.stands_on(held.epoch, held.tick), "everything came"
            if self._epochs.get(frame.shard) != frame.epoch:
                self._epochs[frame.shard] = frame.epoch
                self.firsts.append(frame)
            changes = self.replica.apply_frame(frame)
            assert not changes.mismatches
            gone = {entity for entity, code in changes.left.items() if code == 0}
            assert not gone & alive, "who goes elsewhere is not gone"
        for shard in self.cluster.shards:
            table = self.replica.tables[shard.id]
            for kind in range(len(table.kinds)):
                told = set(table.columns(kind)[0].tolist())
                assert told == set(shard.table.columns(kind)[0].tolist())
                here = set(shard.world.export(kind).ids.tolist())
                assert told >= here, "everybody who is here is shown"


@asynccontextmanager
async def playing(cluster: Any) -> AsyncIterator[Watcher]:
    """The cluster ticks meanwhile."""
    watcher = Watcher(cluster)

    async def tick() -> None:
        while True:
            await trio.sleep(0.05)
            cluster.tick()
            watcher.look()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        yield watcher
        nursery.cancel_scope.cancel()


async def stand_by(cluster: Any, number: int, **changes: Any) -> Standby:
    def make(saved: bytes | None) -> Shard:
        config = attrs.evolve(cluster.shards[number].config, epoch=0, **changes)
        return Shard(cluster.game, cluster.schema, cluster.bus, config, saved)

    standby = Standby(make, number, cluster.journal, cluster.bus)
    await standby.begin()
    return standby


async def hand_over(cluster: Any, number: int, standby: Standby) -> Shard:
    """Between two ticks."""
    former = cluster.shards[number]
    former.retire()
    standby.skip_mail()
    epoch = former.config.epoch + 1
    claimed = cluster.journal.claim_nowait(number, epoch)
    found = await standby.finish(claimed, epoch)
    cluster.shards[number], cluster.writers[number] = found.shard, found.writer
    return found.shard


async def lose_one(standby: Standby) -> None:
    """Let the next frame not come."""
    assert standby._published is not None
    standby._published.follow()
    while not standby._published._frames.take_nowait():  # noqa: ASYNC110 - it is lost when it comes
        await trio.sleep(0.01)


async def test_receivers_go_on_whoever_owns_the_shards(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster(balls=40, digests_every=1)
    for number in range(8):
        cluster.send(number % 4, Join(1000 + number, HASH, f"p{number}"))
    async with playing(cluster) as watcher:
        await trio.sleep(2)
        for move in range(12):
            standby = await stand_by(cluster, move % 4)
            await hand_over(cluster, move % 4, standby)
            await trio.sleep(0.7 * (move % 3))
        await trio.sleep(2)
    assert watcher.begun == [(number, 1) for number in range(4)], "nobody ever began anew"
    moved = [frame for frame in watcher.firsts if frame.epoch > 1]
    assert len(moved) == 12
    assert all(frame.complete for frame in watcher.firsts), "a new owner lists all its sessions"
    assert sum(len(frame.sessions.session) for frame in moved) > 12
    whole = sum(len(frame.blob) for frame in watcher.firsts if frame.epoch == 1)
    assert max(len(frame.blob) for frame in moved) < whole / 4, "only what has changed"
    assert sum(len(shard.guests) for shard in cluster.shards) < 10
    tally = cluster.tally()
    assert tally.crossings > 50
    assert (tally.lost, tally.duplicated) == (frozenset(), frozenset())


async def test_who_missed_the_last_frame_begins_anew(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster(balls=20)
    async with playing(cluster) as watcher:
        await trio.sleep(1)
        standby = await stand_by(cluster, 0)
        await lose_one(standby)
        await hand_over(cluster, 0, standby)
        await trio.sleep(1)
    assert watcher.begun[4:] == [(0, 2)]


async def test_who_missed_a_frame_has_it_told_again(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster(balls=20)
    async with playing(cluster) as watcher:
        await trio.sleep(1)
        standby = await stand_by(cluster, 0)
        await lose_one(standby)
        for _ in range(4):
            await trio.sleep(0.2)
            await standby.follow()
        await hand_over(cluster, 0, standby)
        await trio.sleep(1)
    assert watcher.begun[4:] == []


async def test_a_shard_that_publishes_nothing_is_taken_over_all_the_same(
    make_cluster: Callable[..., Any],
) -> None:
    cluster = make_cluster(balls=20)
    for _ in range(20):
        cluster.tick()
    watcher = Watcher(cluster)
    began = trio.current_time()
    standby = await stand_by(cluster, 1)
    assert trio.current_time() - began < 1
    await hand_over(cluster, 1, standby)
    for _ in range(20):
        cluster.tick()
    first = next(
        frame
        for frame in (Frame.decode(m.data) for m in watcher._frames.take_nowait())
        if frame.shard == 1
    )
    assert (first.base, first.complete) == (0, True)


async def test_an_owner_that_comes_too_late_for_deltas_begins_anew(
    make_cluster: Callable[..., Any],
) -> None:
    cluster = make_cluster(balls=20)
    async with playing(cluster) as watcher:
        await trio.sleep(1)
        standby = await stand_by(cluster, 0)
        await hand_over(cluster, 0, standby)
        cluster.now += 100
        await trio.sleep(1)
    assert (0, 2) in watcher.begun


async def test_frames_that_nobody_wrote_down_are_nobodys_base(
    make_cluster: Callable[..., Any],
) -> None:
    """The former owner has published a tick more than is durable, and others have seen it."""
    cluster = make_cluster(balls=20)
    async with playing(cluster) as watcher:
        await trio.sleep(1)
        standby = await stand_by(cluster, 0)
    cluster.shards[0].tick(cluster.now + 1)
    for shard in cluster.shards[1:]:
        shard.tick(cluster.now + 1)
    for shard, writer in list(zip(cluster.shards, cluster.writers, strict=True))[1:]:
        for commit in shard.take_commits():
            writer.commit_nowait(commit)
            shard.committed(commit.tick)
    watcher.look()
    await hand_over(cluster, 0, standby)
    cluster.now += 1
    cluster.tick()
    watcher.look()
    assert watcher.begun[4:] == [(0, 2)]
