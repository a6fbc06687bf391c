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
from collections.abc import Awaitable, Callable, Iterable, Mapping

import attrs
import structlog
import trio

from server.cluster.seams import Directory, Fenced, Journal, Lease, LeaseLost
from server.shard import limits
from server.shard.commit import Writer
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
        self.shards: dict[int, Shard] = {}
        self._owned: dict[int, OwnedShard] = {}
        for each in owned:
            self.shards[each.shard.id] = each.shard
            self._owned[each.shard.id] = each
        self.schedule = schedule
        self._pace = Pace(schedule.hz)
        self._ticker = Ticker(schedule, last=last_tick)
        self._missed = 0
        self._stopping = trio.Event()

    @property
    def tick(self) -> int:
        """The newest tick that began."""
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

    # --- the tasks -------------------------------------------------------------------------------

    async def run(self, journal: Journal, on_tick: Callable[[int], None]) -> None:
        """Run until `stop`; see `run_node`."""
        async with trio.open_nursery() as background:
            for owned in list(self._owned.values()):
                background.start_soon(self._guard, owned, self._commit, owned)
                background.start_soon(self._guard, owned, self._renew, owned)
                for source in owned.shard.sources:
                    background.start_soon(self._follow, owned.shard, journal, source)
            await self._step(on_tick)
            await self._settle()
            background.cancel_scope.cancel()

    async def _step(self, on_tick: Callable[[int], None]) -> None:
        while not self._stopping.is_set():
            slot = self._ticker.next_slot(trio.current_time(), self._pace.permille)
            self._missed += slot.missed
            with trio.move_on_at(slot.begins_s):
                await self._stopping.wait()
            if self._stopping.is_set():
                return
            began = time.perf_counter()
            for shard in self.shards.values():
                shard.dilation = self._pace.permille
                shard.tick(slot.tick)
            self._pace.observe(time.perf_counter() - began, slot.missed)
            on_tick(slot.tick)

    async def _settle(self) -> None:
        """Wait until everything that was done is durable."""
        for shard in self.shards.values():
            await shard.wait_durable()

    async def _commit(self, owned: OwnedShard) -> None:
        shard, writer = owned.shard, owned.writer
        while True:
            commit = await shard.wait_commit()
            await writer.commit(commit)
            shard.committed(commit.tick)

    async def _renew(self, owned: OwnedShard) -> None:
        while math.isfinite(owned.lease.deadline):
            await trio.sleep(max(0.0, owned.lease.deadline - trio.current_time()) / 4)
            await owned.lease.renew()

    async def _follow(self, shard: Shard, journal: Journal, source: int) -> None:
        async for record in journal.follow(source, shard.id, shard.followed(source)):
            while not shard.deliver(source, record.position, record.data):
                await trio.sleep(1 / self.schedule.hz)  # its waiting room is full

    async def _guard(
        self, owned: OwnedShard, task: Callable[[OwnedShard], Awaitable[None]], _: object = None
    ) -> None:
        try:
            await task(owned)
        except (Fenced, LeaseLost) as reason:
            shard = owned.shard
            if self.shards.pop(shard.id, None) is not None:
                shard.retire()
                _log.warning("shard retired", shard=shard.id, reason=str(reason))


async def run_node(
    owned: Iterable[OwnedShard],
    *,
    journal: Journal,
    schedule: Schedule,
    last_tick: int = 0,
    on_tick: Callable[[int], None] = lambda tick: None,
    task_status: trio.TaskStatus[Node] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Step `owned` shards at each slot of `schedule` until the node is stopped or cancelled.

    `schedule` is in trio's time. `on_tick` is called after all shards have stepped.
    """
    node = Node(owned, schedule, last_tick)
    task_status.started(node)
    await node.run(journal, on_tick)
