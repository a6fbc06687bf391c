"""A node's part: be a member, run the shards that the beacon places here, let go of the others.

A shard that is placed here is followed in its journal, and taken as soon as its lease can be had:
at once if its former node let it go, or when the lease of a node that died has run out. A shard
that is placed elsewhere is given up after a tick, when its next owner is ready for it (`handover`).
What shards cost is reported once a second, and sooner when one of them gets dearer.
A node without a beacon goes on with what it has: each shard has a lease of its own.

Error handling: a shard that cannot be taken is tried again; one whose journal does not lead where
it did is reported and left alone, since trying again would not mend it.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog
import trio

from server.cluster.seams import Bus, Directory, Fenced, Journal, JournalError, LeaseLost
from server.placement.handover import Handovers
from server.placement.words import (
    NODE_PREFIX,
    Beacon,
    Report,
    WordError,
    beacon_subject,
    report_subject,
)
from server.shard.load import best_cut
from server.shard.recovery import Standby
from server.shard.service import MakeShard, Node, OwnedShard, own_shard
from server.shard.space import Partition
from sim.errors import EngineError

__all__ = ["BEACONS_BUFFERED", "Listener", "Reconciler"]

_log = structlog.get_logger(__name__)

TTL_S: Final = 2.5
REPORT_S: Final = 1.0
LOOK_S: Final = 0.2  # how often one looks whether there is something to report sooner
NEWS: Final = 0.02  # of a core: by so much another cost is worth a report
PLACED_S: Final = 3.0  # for the shards of a node that leaves to be placed elsewhere
TRY_AGAIN_S: Final = 0.25  # for a lease of which nobody has told us that it is over
BEACONS_BUFFERED: Final = 8


class Listener:
    """Hears beacons and keeps the newest; those of a former coordinator do not count."""

    def __init__(self, bus: Bus, world: str) -> None:
        self.newest: Beacon | None = None
        self.heard_at = -math.inf
        self._beacons = bus.subscribe(beacon_subject(world), buffer=BEACONS_BUFFERED)
        self._changed = trio.Event()

    async def run(self) -> None:
        """Hear until cancelled."""
        try:
            async for message in self._beacons:
                self.hear(message.data)
        finally:
            self._beacons.close()

    def hear(self, data: bytes) -> None:
        """Take one message."""
        try:
            beacon = Beacon.decode(data)
        except WordError:
            return
        newest = self.newest
        if newest is not None and (beacon.epoch, beacon.number) <= (newest.epoch, newest.number):
            return
        self.newest, self.heard_at = beacon, trio.current_time()
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def wait(self) -> Beacon:
        """The next beacon that is heard."""
        await self._changed.wait()
        assert self.newest is not None, "that is what changed"
        return self.newest

    async def first(self) -> Beacon:
        """The newest beacon, as soon as there is any."""
        return self.newest if self.newest is not None else await self.wait()


def _nothing(_: Partition) -> None:
    """Who makes shards does not ask how the world is cut."""


class Reconciler:
    """Has a node run what is placed on it. `make(shard)` makes a shard as `own_shard` wants it.

    `cut_anew` is told of every new partition before shards are made for it; cuts are looked for
    that leave `least_cells` on either side.
    """

    def __init__(
        self,
        node: Node,
        name: str,
        make: Callable[[int], MakeShard],
        *,
        world: str,
        listener: Listener,
        bus: Bus,
        directory: Directory,
        journal: Journal,
        cut_anew: Callable[[Partition], None] = _nothing,
        least_cells: int = 1,
    ) -> None:
        self._node = node
        self._name = name
        self._make = make
        self._world = world
        self._listener = listener
        self._bus = bus
        self._directory = directory
        self._journal = journal
        self._cut_anew = cut_anew
        self._least_cells = least_cells
        self._geometry: object = None  # as the newest beacon that was looked at told it
        self._handovers = Handovers(name, world, bus, directory)
        self._busy: set[int] = set()
        self._giving: set[int] = set()
        self._gave = trio.Event()
        self._broken: set[int] = set()
        self._membership = trio.CancelScope()
        self._leaving = False
        self.member = False  # whether the coordinator may place shards here

    async def run(self) -> None:
        """Be a member of the world until cancelled; then nothing is left running."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._be_member)
            nursery.start_soon(self._report)
            nursery.start_soon(self._handovers.run)
            await self._follow(nursery)

    async def leave(self) -> None:
        """Be no member any more, and hand over every shard as it is placed elsewhere.

        What nobody takes in time is given up all the same. Returns when all of it is let go: who
        ends before leaves shards without a checkpoint, and leases that have to run out.
        """
        self._leaving = True
        self.member = False
        self._membership.cancel()
        with trio.move_on_after(PLACED_S):
            while self._node.shards:
                await self._listener.wait()
        for shard in sorted(self._node.shards.keys() - self._busy):
            self._busy.add(shard)
            await self._give(shard)
        while self._giving:
            await self._gave.wait()

    async def _be_member(self) -> None:
        """Hold the lease by which the coordinator knows this node."""
        with self._membership:
            await self._hold_membership()

    async def _hold_membership(self) -> None:
        lease_name = f"{self._world}.{NODE_PREFIX}{self._name}"
        while True:
            lease = await self._directory.acquire(lease_name, b"", TTL_S)
            if lease is None:
                await trio.sleep(TRY_AGAIN_S)
                continue
            self.member = not self._leaving
            try:
                while True:
                    await trio.sleep(TTL_S / 4)
                    await lease.renew()
            except LeaseLost as error:
                _log.warning("membership lost", node=self._name, reason=str(error))
            finally:
                self.member = False
                with trio.CancelScope(shield=True), trio.move_on_after(1):
                    await lease.release()

    async def _follow(self, nursery: trio.Nursery) -> None:
        beacon = await self._listener.first()
        while True:
            self._take_up(beacon)
            mine = beacon.plan.of(self._name)
            wanted = frozenset[int]() if self._leaving else mine
            for shard in sorted(wanted - self._node.shards.keys() - self._busy - self._broken):
                self._busy.add(shard)
                nursery.start_soon(self._take, shard)
            for shard in sorted(self._node.shards.keys() - mine - self._busy):
                self._busy.add(shard)
                nursery.start_soon(self._give, shard)
            beacon = await self._listener.wait()

    def _take_up(self, beacon: Beacon) -> None:
        """If the world is cut otherwise than before, have shards made and stepped accordingly."""
        if beacon.geometry == self._geometry:
            return
        self._geometry = beacon.geometry
        try:
            partition = beacon.partition()
        except WordError as error:
            _log.error("a beacon that cannot be followed", reason=str(error))
            return
        self._cut_anew(partition)
        self._node.cut_anew(partition)

    def _is_mine(self, shard: int) -> bool:
        newest = self._listener.newest
        if self._leaving:
            return False
        return newest is not None and newest.plan.nodes.get(shard) == self._name

    async def _take(self, shard: int) -> None:
        began = trio.current_time()
        try:
            owned = await self._wait_owned(shard)
            if owned is not None:
                self._node.add(owned)
                waited = round(trio.current_time() - began, 3)
                _log.info("shard taken", shard=shard, epoch=owned.lease.epoch, waited_s=waited)
        except (Fenced, JournalError) as error:
            _log.warning("shard not taken", shard=shard, reason=str(error))
        except (EngineError, ValueError) as error:
            self._broken.add(shard)
            _log.error("shard cannot be recovered here", shard=shard, reason=str(error))
        finally:
            self._handovers.took(shard)
            self._busy.discard(shard)

    async def _wait_owned(self, shard: int) -> OwnedShard | None:
        """The shard, as soon as its lease can be had; None if it is placed elsewhere by then."""
        standby: Standby | None = None
        behind = False
        owned: OwnedShard | None = None
        try:
            while self._is_mine(shard):
                let_go = self._handovers.await_lease(shard)
                owned = await own_shard(
                    self._make(shard),
                    shard,
                    world=self._world,
                    directory=self._directory,
                    journal=self._journal,
                    ttl_s=TTL_S,
                    owner=self._name,
                    standby=standby,
                )
                if owned is not None:
                    return owned
                if not behind:
                    if standby is None:
                        await self._handovers.wait_saved(shard)
                    standby = await self._stand_by(shard, standby)
                    behind = standby is None
                self._handovers.tell_ready(shard, standby)
                with trio.move_on_after(TRY_AGAIN_S):
                    await let_go.wait()
            return None
        finally:
            if standby is not None and owned is None:
                standby.close()

    async def _stand_by(self, shard: int, standby: Standby | None) -> Standby | None:
        """One that has followed the shard's journal so far; None if that cannot be done exactly.

        Then a checkpoint is better, which its owner keeps when it gives the shard up.
        """
        made = standby or Standby(partial(self._make(shard), 0), shard, self._journal, self._bus)
        try:
            if standby is None:
                await made.begin()
            else:
                await made.follow()
        except (JournalError, EngineError, ValueError) as error:
            _log.warning("shard cannot be followed", shard=shard, reason=str(error))
            made.close()
            return None
        if not made.exact:  # the records are of other code
            made.close()
            return None
        made.skip_mail()
        return made

    async def _give(self, shard: int) -> None:
        going: Callable[[], None] | None = None
        self._giving.add(shard)
        try:
            target = self._target(shard)
            if target is not None:
                await self._node.begin_move(shard)
                self._handovers.tell_saved(shard)
                if await self._handovers.is_awaited(shard, target):
                    going = partial(self._handovers.tell_going, shard)
            if not self._is_mine(shard):
                await self._node.give_up(shard, going=going)
                _log.info("shard given up", shard=shard, followed=going is not None)
        finally:
            self._node.end_move(shard)
            self._busy.discard(shard)
            self._giving.discard(shard)
            gave, self._gave = self._gave, trio.Event()
            gave.set()

    def _target(self, shard: int) -> str | None:
        """The other node that a shard is placed on."""
        newest = self._listener.newest
        home = None if newest is None else newest.plan.nodes.get(shard)
        return None if home == self._name else home

    async def _report(self) -> None:
        """Tell what shards cost every so often, and at once who they are or if one gets dearer."""
        told, told_at = dict[int, float](), -math.inf
        while True:
            hz = self._node.schedule.hz
            soon = {shard: cost * hz for shard, cost in self._node.soon_s.items()}
            news = soon.keys() != told.keys() or any(soon[s] > told[s] + NEWS for s in soon)
            now = trio.current_time()
            if news or now - told_at >= REPORT_S - LOOK_S / 2:
                told, told_at = soon, now
                self._tell_load(soon)
            await trio.sleep(min(LOOK_S, REPORT_S))

    def _tell_load(self, soon: dict[int, float]) -> None:
        node = self._node
        costs = {shard: cost * node.schedule.hz for shard, cost in node.costs_s.items()}
        cuts = {s: best_cut(shard, self._least_cells) for s, shard in node.shards.items()}
        report = Report(
            node=self._name,
            tick=node.tick,
            costs=costs,
            cuts={shard: cut for shard, cut in cuts.items() if cut is not None},
            soon=soon,
        )
        self._bus.publish(report_subject(self._world, self._name), report.encode())
