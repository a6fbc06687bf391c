"""What runs beside the ticks of one shard: writing, checkpoints, other shards' outs, the lease.

All of it is off the tick's path. While the journal is unavailable what waits is tried again.

Must not know: the schedule, which other shards the node has.
"""

import math
from contextlib import suppress
from typing import Final

import attrs
import structlog
import trio

from server.cluster.seams import Journal, JournalUnavailable, Lease
from server.shard.commit import Commit, Writer
from server.shard.host import Shard
from server.shard.recovery import CheckpointKeeper
from server.shard.space import Partition

__all__ = ["FINISH_S", "RELEASE_S", "Keeper", "OwnedShard"]

_log = structlog.get_logger(__name__)

TRY_AGAIN_S: Final = 0.5  # after the journal took nothing
COST_SMOOTHING: Final = 1 / 32  # weight of the newest step: about the last second and a half counts
RECENT_SMOOTHING: Final = 1 / 8  # the same, for the last half second
AHEAD: Final = 1.5  # how much of what it has risen by between the two a cost may rise yet
REPLAY_S: Final = 1.0  # what the steps behind a checkpoint may cost whoever takes them again
SAVE_S: Final = 0.05  # if they may cost more, a planned move begins with a checkpoint
CHECKPOINT_TICKS_MIN: Final = 16  # more often none is left, whatever steps cost
FINISH_S: Final = 10.0  # for making durable what was stepped, at the end
RELEASE_S: Final = 2.0  # a lease that cannot be given back runs out by itself


@attrs.frozen
class OwnedShard:
    """A shard with what makes it ours: the lease, and the writer that its epoch allows.

    `revision` is that of the newest checkpoint, 0 for none and None if it is not known.
    """

    shard: Shard
    writer: Writer
    lease: Lease
    revision: int | None = 0


class Keeper:
    """What runs beside the ticks of one shard."""

    def __init__(self, owned: OwnedShard, journal: Journal) -> None:
        self.shard = owned.shard
        self.cost_s = 0.0
        self.recent_s = 0.0
        self.trims = True  # not while somebody follows the journal, who would miss what is gone
        self._every = owned.shard.config.checkpoint_every
        self._scope = trio.CancelScope()
        self.retired = trio.Event()
        self._journal = journal
        self._writer = owned.writer
        self._lease = owned.lease
        self._keep = CheckpointKeeper(journal, owned.shard.id, owned.revision)
        # Unbounded, but the shard itself stalls at limits.COMMIT_LAG_TICKS.
        self._to_write, self._to_read = trio.open_memory_channel[Commit](math.inf)
        self._to_follow, self._followed = trio.open_memory_channel[int](math.inf)
        self._sources = set[int]()
        self._caught_up = trio.Event()
        self._follow_all()

    def move(self, partition: Partition) -> None:
        """The world is cut so from the next tick on."""
        if partition.age > self.shard.partition.age:
            self.shard.move(partition)
            self._follow_all()

    def _follow_all(self) -> None:
        """Have those sources followed that are not yet; one that is stays so."""
        for source in self.shard.sources:
            if source not in self._sources:
                self._sources.add(source)
                self._to_follow.send_nowait(source)

    def step(self, tick: int, dilation: int, now: float) -> None:
        """Step the shard, unless its journal is too far behind, it is not ours, or it rests."""
        if self.shard.stalled or now >= self._lease.deadline or tick <= self.shard.world.tick:
            return
        if self.shard.rests(tick):
            return
        self.shard.dilation = dilation
        self.shard.tick(tick)
        for commit in self.shard.take_commits():
            self._to_write.send_nowait(commit)

    def note_cost(self, cost_s: float) -> None:
        """Note what the newest step cost.

        Whoever takes the shard over takes the steps behind its checkpoint again, so the dearer they
        are the fewer these must be.
        """
        self.cost_s += (cost_s - self.cost_s) * COST_SMOOTHING
        self.recent_s += (cost_s - self.recent_s) * RECENT_SMOOTHING
        self._every = self.shard.config.checkpoint_every
        while self._every * self.cost_s > REPLAY_S and self._every >= 2 * CHECKPOINT_TICKS_MIN:
            self._every //= 2
        self.shard.leave_checkpoints(self._every)

    @property
    def soon_s(self) -> float:
        """What a step is going to cost, some two seconds from now, if it goes on as it does."""
        return max(0.0, self.recent_s + AHEAD * (self.recent_s - self.cost_s))

    async def save_soon(self) -> None:
        """Have the next step leave a checkpoint, if the steps behind the newest one are dear.

        Returns when it is kept. Who is to follow the shard has next to nothing to take again then.
        """
        if self._every * self.cost_s > SAVE_S:
            self.shard.leave_checkpoints(self._every, next_too=True)
            await self._keep.wait_kept()

    async def let_go(self) -> None:
        """Stop writing and give the lease back."""
        self._scope.cancel()
        with trio.move_on_after(RELEASE_S):
            await self._lease.release()

    async def finish(self) -> None:
        """Make durable what was stepped, and keep a checkpoint of it; not if it is retired."""
        await self._wait_durable()
        if not self.retired.is_set() and self.shard.config.checkpoint_every:
            await self._keep.save(self.shard.checkpoint(), self._writer.position)

    async def rest(self) -> None:
        """Make durable what was stepped, and save nothing more."""
        await self._wait_durable()
        await self._keep.rest()

    async def _wait_durable(self) -> None:
        while self.shard.lag_ticks and not self.retired.is_set():
            self._caught_up = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_first, nursery.cancel_scope, self._caught_up)
                nursery.start_soon(_first, nursery.cancel_scope, self.retired)

    async def run(self, patience_s: float) -> None:
        """Write commits, follow the other shards and keep the lease, until cancelled."""
        with self._scope:
            await self._run(patience_s)

    async def _run(self, patience_s: float) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write)
            nursery.start_soon(self._keep.run)
            nursery.start_soon(self._renew)
            async for source in self._followed:
                nursery.start_soon(self._follow, source, patience_s)

    async def _write(self) -> None:
        checkpoints = bool(self.shard.config.checkpoint_every)
        async for first in self._to_read:
            for commit in await self._commit(self._with_waiting(first)):
                if commit.checkpoint is not None:
                    self._keep.offer(commit.checkpoint, self._writer.position)
            if not self.shard.lag_ticks:
                self._caught_up.set()
            covered = self._keep.position if checkpoints else None
            upto = self._writer.trimmable(self.shard.acknowledged, covered)
            if upto is not None and self.trims:
                await self._trim(upto)

    def _with_waiting(self, first: Commit) -> list[Commit]:
        """All commits that wait, up to one that leaves a checkpoint: a slow disk is asked once.

        The position that a checkpoint covers is then the writer's.
        """
        commits = [first]
        while commits[-1].checkpoint is None:
            try:
                commits.append(self._to_read.receive_nowait())
            except trio.WouldBlock:
                break
        return commits

    async def _commit(self, commits: list[Commit]) -> list[Commit]:
        told = False
        while True:
            try:
                await self._writer.commit(commits)
            except JournalUnavailable as error:
                if not told:
                    _log.error("the journal takes nothing", shard=self.shard.id, reason=str(error))
                told = True
                await trio.sleep(TRY_AGAIN_S)
            else:
                if told:
                    _log.info("the journal goes on", shard=self.shard.id)
                self.shard.committed(commits[-1].tick)
                return commits

    async def _trim(self, upto: int) -> None:
        with suppress(JournalUnavailable):  # a later one forgets this much, too
            await self._journal.trim(self.shard.id, upto)

    async def _renew(self) -> None:
        while math.isfinite(self._lease.deadline):
            await trio.sleep(max(0.0, self._lease.deadline - trio.current_time()) / 4)
            await self._lease.renew()

    async def _follow(self, source: int, patience_s: float) -> None:
        shard = self.shard
        async for record in self._journal.follow(source, shard.id, shard.followed(source)):
            while not shard.deliver(source, record.position, record.data):  # noqa: ASYNC110
                await trio.sleep(patience_s)  # the waiting room empties at ticks, not at events


async def _first(scope: trio.CancelScope, event: trio.Event) -> None:
    await event.wait()
    scope.cancel()
