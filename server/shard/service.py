"""A node: the trio services around shards, which are synchronous and know no clock.

One task steps all shards of the node at each slot of the schedule, so that between two slots every
shard has finished the same tick. After a dear step others have their turn, so that a shard's frame
does not wait for the steps of those behind it. Making ticks durable, following other shards'
outboxes and renewing leases each happen in tasks of their own, off the tick's path: a slow journal
holds up handoffs and promises, not the world.

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
from functools import partial
from typing import Final

import attrs
import structlog
import trio

from server.cluster.seams import (
    Directory,
    Fenced,
    Journal,
    LeaseLost,
)
from server.shard.host import Shard
from server.shard.keeper import FINISH_S, RELEASE_S, Keeper, OwnedShard
from server.shard.recovery import RecordsMissingError, Standby, recover
from server.shard.schedule import Pace, Schedule, Ticker
from server.shard.space import Partition

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


SAVED_S: Final = 0.4  # for a checkpoint, before a shard is followed
DEAR_S: Final = 0.002  # of a step: whose frame should not wait for the next one's
SENT_AFTER: Final = 3  # turns of everybody else: then a bus has written what it was given
STEPPED_S: Final = 0.25  # for the end of a tick, before a shard is handed over

MakeShard = Callable[[int, bytes | None], Shard]


def shard_lease_prefix(world: str) -> str:
    """What stands before a shard's number in the name of the right to it."""
    return f"{world}.shard."


def shard_lease_name(world: str, shard: int) -> str:
    """The directory's name for the right to a shard."""
    return f"{shard_lease_prefix(world)}{shard}"


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
        effort: Callable[[], float],
    ) -> None:
        self._stopwatch = stopwatch
        self._effort = effort
        self._keepers: dict[int, Keeper] = {}
        self._waiting = list(owned)
        self._background: trio.Nursery | None = None
        self._journal: Journal | None = None
        self.schedule = schedule
        self._pace = Pace(schedule.hz)
        self._ticker = Ticker(schedule, last=last_tick)
        self._missed = 0
        self.began_s = -math.inf  # when the newest tick began, in trio's time
        self._stopping = trio.Event()
        self._ended = trio.Event()
        self._stepped = trio.Event()
        self._partition: Partition | None = None
        self._sort_at = 0  # the tick at which the order of the shards is looked at again
        self._coming: list[Partition] = []

    def cut_anew(self, partition: Partition) -> None:
        """Have all shards, and those to come, take up a partition when its time has come."""
        self._coming.append(partition)

    def add(self, owned: OwnedShard) -> None:
        """Step one more shard from the next tick on."""
        if self._background is None or self._journal is None:
            self._waiting.append(owned)
            return
        keeper = self._keepers[owned.shard.id] = Keeper(owned, self._journal)
        self._background.start_soon(self._keep, keeper)

    async def begin_move(self, shard: int) -> None:
        """Keep a checkpoint of a shard before long, for who is about to follow it, and its records
        from there on, until it is given up or `end_move` is called.
        """
        keeper = self._keepers.get(shard)
        if keeper is not None:
            keeper.trims = False
            with trio.move_on_after(SAVED_S):
                await keeper.save_soon()

    def end_move(self, shard: int) -> None:
        """Nobody follows the shard any more; if it is still here, all is as it was."""
        keeper = self._keepers.get(shard)
        if keeper is not None:
            keeper.trims = True

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
    def soon_s(self) -> dict[int, float]:
        """What a step of each will cost before long, if it goes on getting dearer or cheaper."""
        return {number: keeper.soon_s for number, keeper in self._keepers.items()}

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
            self.began_s = trio.current_time()
            self._take_up(slot.tick)
            spent_s, step_s = 0.0, 0.0
            for keeper in self._in_turn(slot.tick):
                if step_s > DEAR_S:
                    await _let_send()
                if self._keepers.get(keeper.shard.id) is not keeper:
                    continue  # it was given up while another one stepped
                step_s = self._step_one(keeper, slot.tick)
                spent_s += step_s
            self._pace.observe(spent_s, missed)
            stepped, self._stepped = self._stepped, trio.Event()
            stepped.set()
            on_tick(slot.tick)

    def _in_turn(self, tick: int) -> list[Keeper]:
        """The shards in the order in which they step: the dearest first, in which most play.

        So its frame never waits for those of others. It is looked at once a second, since each
        change of it makes an interval longer.
        """
        if tick >= self._sort_at:
            self._sort_at = tick + self.schedule.hz
            dearest = sorted(self._keepers.items(), key=lambda each: -each[1].cost_s)
            self._keepers = dict(dearest)
        return list(self._keepers.values())

    def _step_one(self, keeper: Keeper, tick: int) -> float:
        """Step one shard; the time that it took."""
        began, started = self._stopwatch(), self._effort()
        if self._partition is not None:
            keeper.move(self._partition)
        keeper.step(tick, self._pace.permille, trio.current_time())
        keeper.note_cost(self._effort() - started)
        return self._stopwatch() - began

    def _take_up(self, tick: int) -> None:
        """Let the newest partition hold whose time has come."""
        for partition in [each for each in self._coming if each.since <= tick]:
            self._coming.remove(partition)
            if self._partition is None or partition.age > self._partition.age:
                self._partition = partition

    async def _keep(self, keeper: "Keeper") -> None:
        try:
            await keeper.run(1 / self.schedule.hz)
        except* (Fenced, LeaseLost) as reasons:
            keeper.shard.retire()
            keeper.retired.set()
            if self._keepers.get(keeper.shard.id) is keeper:
                del self._keepers[keeper.shard.id]
            _log.warning("shard retired", shard=keeper.shard.id, reason=str(reasons.exceptions[0]))


async def _let_send() -> None:
    """Have what was published go out before another shard steps, which may take a while."""
    for _ in range(SENT_AFTER):
        await trio.lowlevel.checkpoint()


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
    effort: Callable[[], float] | None = None,
    task_status: trio.TaskStatus[Node] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Step `owned` shards at each slot of `schedule` until the node is stopped or cancelled.

    `schedule` is in trio's time. `on_tick` is called after all shards have stepped. `stopwatch`
    tells how long a tick takes, in seconds, and `effort` how much of that is our own doing, which
    is what shards are said to cost (None: all of it); where time is virtual, both should be, too.
    """
    node = Node(owned, schedule, last_tick, stopwatch, effort or stopwatch)
    task_status.started(node)
    await node.run(journal, on_tick)
