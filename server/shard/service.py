"""A node: the trio services around shards, which are synchronous and know no clock.

One task steps all shards of the node at each slot of the schedule, so that between two slots every
shard has finished the same tick. Making ticks durable, following other shards' outboxes and
renewing leases each happen in tasks of their own, off the tick's path: a slow journal holds up
handoffs and promises, not the world.

Resource handling: `run_node` owns its nursery; shards, bus and journal belong to the caller.
Cancelling it stops at once, between two shards' steps at the latest; `Node.stop` finishes the
tick, makes durable what was done, and returns.

Error handling: a shard that is fenced or lost its lease is retired (it never steps again) while
the others go on, and one whose lease has run out does not step, whether or not it has heard of it.
While the journal is unavailable the world goes on, without handoffs and promises, and what waits is
tried again. Any other error is a bug or a broken journal and ends the node.
"""

import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final

import attrs
import structlog
import trio

from server.cluster.seams import (
    Directory,
    Fenced,
    Journal,
    JournalUnavailable,
    Lease,
    LeaseLost,
)
from server.shard.commit import Commit, Writer
from server.shard.host import Shard
from server.shard.recovery import CheckpointKeeper, RecordsMissingError, Standby, recover
from server.shard.schedule import Pace, Schedule, Ticker

__all__ = [
    "Node",
    "NodeStatistics",
    "OwnedShard",
    "own_shard",
    "run_node",
    "shard_lease_name",
    "shard_lease_prefix",
]

_log = structlog.get_logger(__name__)


TRY_AGAIN_S: Final = 0.5  # after the journal took nothing
COST_SMOOTHING: Final = 1 / 32  # weight of the newest step: about the last second and a half counts
STEPPED_S: Final = 0.25  # for the end of a tick, before a shard is handed over
FINISH_S: Final = 10.0  # for making durable what was stepped, at the end
RELEASE_S: Final = 2.0  # a lease that cannot be given back runs out by itself

MakeShard = Callable[[int, bytes | None], Shard]


def shard_lease_prefix(world: str) -> str:
    """What stands before a shard's number in the name of the right to it."""
    return f"{world}.shard."


def shard_lease_name(world: str, shard: int) -> str:
    """The directory's name for the right to a shard."""
    return f"{shard_lease_prefix(world)}{shard}"


@attrs.frozen
class OwnedShard:
    """A shard with what makes it ours: the lease, and the writer that its epoch allows.

    `revision` is that of the newest checkpoint, 0 for none and None if it is not known.
    """

    shard: Shard
    writer: Writer
    lease: Lease
    revision: int | None = 0


async def own_shard(
    make: MakeShard,
    shard: int,
    *,
    world: str,
    directory: Directory,
    journal: Journal,
    ttl_s: float = math.inf,
    owner: str = "",
    standby: Standby | None = None,
) -> OwnedShard | None:
    """Acquire a shard and bring it to where its journal ends; None while somebody else holds it.

    The lease says who the `owner` is, for those who watch.
    `make` is given the epoch and the newest checkpoint, None if there is none. In a single process
    nobody contends, and `ttl_s` may be infinite: then a laptop that slept still owns its world.
    A `standby` that has followed the journal so far saves most of the way.

    Raises DivergenceError when the journal does not lead where it did, `Fenced` when another owner
    was faster.
    """
    lease = await directory.acquire(shard_lease_name(world, shard), owner.encode(), ttl_s)
    if lease is None:
        return None
    try:
        claimed = await journal.claim(shard, lease.epoch)
        if standby is not None:
            try:
                recovered = await standby.finish(claimed, lease.epoch)
            except RecordsMissingError:
                standby.close()
            else:
                return OwnedShard(recovered.shard, recovered.writer, lease, None)
        recovered = await recover(partial(make, lease.epoch), shard, claimed, journal)
    except BaseException:
        with trio.CancelScope(shield=True), trio.move_on_after(RELEASE_S):
            await lease.release()
        raise
    return OwnedShard(recovered.shard, recovered.writer, lease, recovered.revision)


@attrs.frozen
class NodeStatistics:
    """The newest tick, its smoothed cost, the share of time spent stepping, the announced speed
    in permille, and how many slots were missed since the start.
    """

    tick: int
    cost_ms: float
    load: float
    dilation: int
    missed: int


class Node:
    """A running node, for those who watch it and those who end it."""

    def __init__(
        self,
        owned: Iterable[OwnedShard],
        schedule: Schedule,
        last_tick: int,
        stopwatch: Callable[[], float],
    ) -> None:
        self._stopwatch = stopwatch
        self._keepers: dict[int, _Keeper] = {}
        self._waiting = list(owned)
        self._background: trio.Nursery | None = None
        self._journal: Journal | None = None
        self.schedule = schedule
        self._pace = Pace(schedule.hz)
        self._ticker = Ticker(schedule, last=last_tick)
        self._missed = 0
        self._stopping = trio.Event()
        self._ended = trio.Event()
        self._stepped = trio.Event()

    def add(self, owned: OwnedShard) -> None:
        """Step one more shard from the next tick on."""
        if self._background is None or self._journal is None:
            self._waiting.append(owned)
            return
        keeper = self._keepers[owned.shard.id] = _Keeper(owned, self._journal)
        self._background.start_soon(self._keep, keeper)

    async def give_up(self, shard: int, *, going: Callable[[], None] | None = None) -> None:
        """Step a shard no more, make durable what it did, keep a checkpoint, and let it go.

        Whoever takes it next has nothing to replay. With `going` its next owner stands by: then
        this waits for the end of a tick, calls `going` when mail is taken no more, and keeps no
        checkpoint, so that the next tick may be the next owner's.
        """
        if going is not None:
            with trio.move_on_after(STEPPED_S):
                await self._stepped.wait()
        keeper = self._keepers.pop(shard, None)
        if keeper is None:
            return
        keeper.shard.retire()
        if going is not None:
            going()
        with trio.move_on_after(FINISH_S):
            await (keeper.finish() if going is None else keeper.rest())
        await keeper.let_go()

    @property
    def costs_s(self) -> dict[int, float]:
        """What a step of each shard costs, smoothed."""
        return {number: keeper.cost_s for number, keeper in self._keepers.items()}

    @property
    def shards(self) -> dict[int, Shard]:
        """The shards that the node steps, by number."""
        return {number: keeper.shard for number, keeper in self._keepers.items()}

    @property
    def tick(self) -> int:
        """The newest tick that was begun or is waited for."""
        return self._ticker.last

    def drain(self) -> None:
        """Take no further joins; sessions that are here play on."""
        for shard in self.shards.values():
            shard.drain()

    def stop(self) -> None:
        """End after the present tick, once it is durable."""
        self.drain()
        self._stopping.set()

    async def wait_ended(self) -> None:
        """Wait until nothing more is stepped or written."""
        await self._ended.wait()

    def statistics(self) -> NodeStatistics:
        """How the node keeps up with its schedule."""
        pace = self._pace
        return NodeStatistics(self.tick, pace.cost_s * 1000, pace.load, pace.permille, self._missed)

    async def run(self, journal: Journal, on_tick: Callable[[int], None]) -> None:
        """Run until `stop`; see `run_node`."""
        async with trio.open_nursery() as background:
            self._background, self._journal = background, journal
            waiting, self._waiting = self._waiting, []
            for owned in waiting:
                self.add(owned)
            await self._step(on_tick)
            with trio.move_on_after(FINISH_S):
                for keeper in list(self._keepers.values()):
                    await keeper.finish()
            background.cancel_scope.cancel()
        self._ended.set()

    async def _step(self, on_tick: Callable[[int], None]) -> None:
        while True:
            slot = self._ticker.next_slot(trio.current_time(), self._pace.permille)
            # Who has nothing to step misses nothing, such as the ticks before a node's first one.
            missed = slot.missed if self._keepers else 0
            self._missed += missed
            with trio.move_on_at(slot.begins_s):
                await self._stopping.wait()
            if self._stopping.is_set():
                return
            began = self._stopwatch()
            now = trio.current_time()
            for keeper in self._keepers.values():
                started = self._stopwatch()
                keeper.step(slot.tick, self._pace.permille, now)
                keeper.note_cost(self._stopwatch() - started)
            self._pace.observe(self._stopwatch() - began, missed)
            stepped, self._stepped = self._stepped, trio.Event()
            stepped.set()
            on_tick(slot.tick)

    async def _keep(self, keeper: "_Keeper") -> None:
        try:
            await keeper.run(1 / self.schedule.hz)
        except* (Fenced, LeaseLost) as reasons:
            keeper.shard.retire()
            keeper.retired.set()
            if self._keepers.get(keeper.shard.id) is keeper:
                del self._keepers[keeper.shard.id]
            _log.warning("shard retired", shard=keeper.shard.id, reason=str(reasons.exceptions[0]))


class _Keeper:
    """What runs beside the ticks of one shard."""

    def __init__(self, owned: OwnedShard, journal: Journal) -> None:
        self.shard = owned.shard
        self.cost_s = 0.0
        self._scope = trio.CancelScope()
        self.retired = trio.Event()
        self._journal = journal
        self._writer = owned.writer
        self._lease = owned.lease
        self._keep = CheckpointKeeper(journal, owned.shard.id, owned.revision)
        # Unbounded, but the shard itself stalls at limits.COMMIT_LAG_TICKS.
        self._to_write, self._to_read = trio.open_memory_channel[Commit](math.inf)
        self._caught_up = trio.Event()

    def step(self, tick: int, dilation: int, now: float) -> None:
        """Step the shard, unless its journal is too far behind or it is no longer ours."""
        if self.shard.stalled or now >= self._lease.deadline or tick <= self.shard.world.tick:
            return
        self.shard.dilation = dilation
        self.shard.tick(tick)
        for commit in self.shard.take_commits():
            self._to_write.send_nowait(commit)

    def note_cost(self, cost_s: float) -> None:
        """Note what the newest step cost."""
        self.cost_s += (cost_s - self.cost_s) * COST_SMOOTHING

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
            for source in self.shard.sources:
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
            if upto is not None:
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


def _nothing(_: int) -> None:
    """What happens after a tick if nobody asks for anything."""


async def run_node(
    owned: Iterable[OwnedShard],
    *,
    journal: Journal,
    schedule: Schedule,
    last_tick: int = 0,
    on_tick: Callable[[int], None] = _nothing,
    stopwatch: Callable[[], float] = time.perf_counter,
    task_status: trio.TaskStatus[Node] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Step `owned` shards at each slot of `schedule` until the node is stopped or cancelled.

    `schedule` is in trio's time. `on_tick` is called after all shards have stepped. `stopwatch`
    tells what a step costs, in seconds; where time is virtual, it should be, too.
    """
    node = Node(owned, schedule, last_tick, stopwatch)
    task_status.started(node)
    await node.run(journal, on_tick)
