"""A node: the trio services around shards, which are synchronous and know no clock.

One task steps all shards of the node at each slot of the schedule, so that between two slots every
shard has finished the same tick. Making ticks durable, following other shards' outboxes and
renewing leases each happen in tasks of their own, off the tick's path: a slow journal holds up
handoffs and promises, not the world.

Resource handling: `run_node` owns its nursery; shards, bus and journal belong to the caller.
Cancelling it stops at once, between two shards' steps at the latest; `Node.stop` finishes the
tick, makes durable what was done, and returns.

Error handling: a shard that is fenced or lost its lease is retired (it never steps again) while
the others go on. Any other error is a bug or a broken journal and ends the node.
"""

import math
import time
from collections.abc import Callable, Iterable

import attrs
import structlog
import trio

from server.cluster.seams import Directory, Fenced, Journal, Lease, LeaseLost
from server.shard.commit import Commit, Writer
from server.shard.host import Shard
from server.shard.schedule import Pace, Schedule, Ticker

__all__ = ["Node", "NodeStatistics", "OwnedShard", "own_shard", "run_node", "shard_lease_name"]

_log = structlog.get_logger(__name__)


def shard_lease_name(world: str, shard: int) -> str:
    """The directory's name for the right to a shard."""
    return f"{world}.shard.{shard}"


@attrs.frozen
class OwnedShard:
    """A shard with what makes it ours: the lease, and the writer that its epoch allows."""

    shard: Shard
    writer: Writer
    lease: Lease


async def own_shard(
    make: Callable[[int], Shard],
    shard: int,
    *,
    world: str,
    directory: Directory,
    journal: Journal,
    ttl_s: float = math.inf,
) -> OwnedShard | None:
    """Acquire a shard and make it with its epoch; None while somebody else holds it.

    In a single process nobody contends, and `ttl_s` may be infinite: then a laptop that slept
    still owns its world.
    """
    lease = await directory.acquire(shard_lease_name(world, shard), b"", ttl_s)
    if lease is None:
        return None
    position = await journal.claim(shard, lease.epoch)
    return OwnedShard(make(lease.epoch), Writer(journal, shard, position), lease)


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

    def __init__(self, owned: Iterable[OwnedShard], schedule: Schedule, last_tick: int) -> None:
        self._keepers = {each.shard.id: _Keeper(each) for each in owned}
        self.schedule = schedule
        self._pace = Pace(schedule.hz)
        self._ticker = Ticker(schedule, last=last_tick)
        self._missed = 0
        self._stopping = trio.Event()

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

    def statistics(self) -> NodeStatistics:
        """How the node keeps up with its schedule."""
        pace = self._pace
        return NodeStatistics(self.tick, pace.cost_s * 1000, pace.load, pace.permille, self._missed)

    async def run(self, journal: Journal, on_tick: Callable[[int], None]) -> None:
        """Run until `stop`; see `run_node`."""
        async with trio.open_nursery() as background:
            for keeper in self._keepers.values():
                background.start_soon(self._keep, keeper, journal)
            await self._step(on_tick)
            for keeper in list(self._keepers.values()):
                await keeper.wait_durable()
            background.cancel_scope.cancel()

    async def _step(self, on_tick: Callable[[int], None]) -> None:
        while True:
            slot = self._ticker.next_slot(trio.current_time(), self._pace.permille)
            self._missed += slot.missed
            with trio.move_on_at(slot.begins_s):
                await self._stopping.wait()
            if self._stopping.is_set():
                return
            began = time.perf_counter()
            for keeper in self._keepers.values():
                keeper.step(slot.tick, self._pace.permille)
            self._pace.observe(time.perf_counter() - began, slot.missed)
            on_tick(slot.tick)

    async def _keep(self, keeper: "_Keeper", journal: Journal) -> None:
        try:
            await keeper.run(journal, 1 / self.schedule.hz)
        except* (Fenced, LeaseLost) as reasons:
            keeper.shard.retire()
            keeper.retired.set()
            del self._keepers[keeper.shard.id]
            _log.warning("shard retired", shard=keeper.shard.id, reason=str(reasons.exceptions[0]))


class _Keeper:
    """What runs beside the ticks of one shard."""

    def __init__(self, owned: OwnedShard) -> None:
        self.shard = owned.shard
        self.retired = trio.Event()
        self._writer = owned.writer
        self._lease = owned.lease
        # Unbounded, but the shard itself stalls at limits.COMMIT_LAG_TICKS.
        self._to_write, self._to_read = trio.open_memory_channel[Commit](math.inf)
        self._caught_up = trio.Event()

    def step(self, tick: int, dilation: int) -> None:
        """Step the shard, unless its journal is too far behind."""
        if self.shard.stalled:
            return
        self.shard.dilation = dilation
        self.shard.tick(tick)
        for commit in self.shard.take_commits():
            self._to_write.send_nowait(commit)

    async def wait_durable(self) -> None:
        """Wait until everything that was stepped is durable, or the shard is retired."""
        while self.shard.lag_ticks and not self.retired.is_set():
            self._caught_up = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_first, nursery.cancel_scope, self._caught_up)
                nursery.start_soon(_first, nursery.cancel_scope, self.retired)

    async def run(self, journal: Journal, patience_s: float) -> None:
        """Write commits, follow the other shards and keep the lease, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, journal)
            nursery.start_soon(self._renew)
            for source in self.shard.sources:
                nursery.start_soon(self._follow, journal, source, patience_s)

    async def _write(self, journal: Journal) -> None:
        async for commit in self._to_read:
            await self._writer.commit(commit)
            self.shard.committed(commit.tick)
            if not self.shard.lag_ticks:
                self._caught_up.set()
            upto = self._writer.trimmable(self.shard.acknowledged, None)
            if upto is not None:
                await journal.trim(self.shard.id, upto)

    async def _renew(self) -> None:
        while math.isfinite(self._lease.deadline):
            await trio.sleep(max(0.0, self._lease.deadline - trio.current_time()) / 4)
            await self._lease.renew()

    async def _follow(self, journal: Journal, source: int, patience_s: float) -> None:
        shard = self.shard
        async for record in journal.follow(source, shard.id, shard.followed(source)):
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
    task_status: trio.TaskStatus[Node] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Step `owned` shards at each slot of `schedule` until the node is stopped or cancelled.

    `schedule` is in trio's time. `on_tick` is called after all shards have stepped.
    """
    node = Node(owned, schedule, last_tick)
    task_status.started(node)
    await node.run(journal, on_tick)
