"""The coordinator: the one of many candidates that decides where shards run, and tells everybody.

To coordinate is a lease like any other, so a coordinator that dies or is cut off is followed by
another candidate. What must outlive all of them (when the world began, how it is cut, the plan) is
the world's record. One that was followed without knowing cannot write it, and how the world is cut
is told only when it is kept there.

If nobody coordinated for longer than an election takes, the whole cluster was down. Then the
world's start moves, so that ticks go on about where they ended instead of jumping over the pause.

Error handling: losing the lease, or the record, ends a term, not the candidate. While the journal
is unavailable the term goes on with what is known.
"""

import math
from collections.abc import Callable
from typing import Final

import structlog
import trio

from server.cluster.seams import (
    Bus,
    Directory,
    Fenced,
    Journal,
    JournalUnavailable,
    Lease,
    LeaseLost,
    Subscription,
    Watch,
)
from server.placement.cutter import Change, Cutter, Load
from server.placement.plan import Planner
from server.placement.record import RECORD, Founding, RecordError, WorldRecord
from server.placement.words import (
    COORDINATOR,
    NODE_PREFIX,
    Beacon,
    Report,
    WordError,
    beacon_subject,
    geometry_data,
    report_subject,
)

__all__ = ["RECORD", "Founding", "RecordError", "run_coordinator"]

_log = structlog.get_logger(__name__)

TTL_S: Final = 2.5
BEACON_S: Final = 0.25
DECIDE_S: Final = 1.0  # who runs what; how the world is cut is looked at with each beacon
SAVE_S: Final = 5.0  # how stale the record's idea of the present may be
AWAY_S: Final = 20.0  # longer than any election, so the world itself was down
LISTEN_S: Final = 2.0  # longer than nodes need between two reports
LEAD_S: Final = 0.5  # before a new tree holds: two beacons or three tell everybody of it
REPORTED_S: Final = 3.0  # a shard of which nobody has reported for longer may not be running
CANDIDATE_S: Final = 0.5  # how often a candidate looks whether somebody is needed
REPORTS_BUFFERED: Final = 1024


async def run_coordinator(
    name: str,
    founding: Founding,
    *,
    world: str,
    bus: Bus,
    directory: Directory,
    journal: Journal,
    wall: Callable[[], float],
) -> None:
    """Stand by, and coordinate whenever nobody else does, until cancelled.

    `wall` gives seconds since 1970. Raises RecordError when the kept world is another one.
    """
    while True:
        lease = await _candidate(name, directory, world)
        try:
            term = _Term(founding, lease, world, bus, directory, journal, wall)
            await term.run()
        except (LeaseLost, Fenced) as error:
            _log.warning("no longer the coordinator", name=name, reason=str(error))
        except JournalUnavailable as error:
            _log.warning("the world's record cannot be had", reason=str(error))
            await lease.release()
            await trio.sleep(CANDIDATE_S)
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(1):
                await lease.release()


async def _candidate(name: str, directory: Directory, world: str) -> Lease:
    while True:
        lease = await directory.acquire(f"{world}.{COORDINATOR}", name.encode(), TTL_S)
        if lease is not None:
            return lease
        await trio.sleep(CANDIDATE_S)


class _Term:
    """One candidate's time as the coordinator."""

    def __init__(
        self,
        founding: Founding,
        lease: Lease,
        world: str,
        bus: Bus,
        directory: Directory,
        journal: Journal,
        wall: Callable[[], float],
    ) -> None:
        self._founding = founding
        self._lease = lease
        self._world = world
        self._bus = bus
        self._directory = directory
        self._journal = journal
        self._wall = wall
        self._nodes: dict[str, int] = {}  # and the epoch of each one's lease
        self._costs: dict[int, float] = {}
        self._loads: dict[int, tuple[float, Load]] = {}  # when it was reported, and what
        self._cutter = None if founding.budget is None else Cutter(founding.budget)
        self._space = founding.space

    async def run(self) -> None:
        """Coordinate until the lease is lost."""
        record = await self._load()
        planner = Planner(record.plan)
        reports = self._bus.subscribe(report_subject(self._world, "*"), buffer=REPORTS_BUFFERED)
        watch = self._directory.watch(f"{self._world}.{NODE_PREFIX}")
        _log.info("coordinating", epoch=self._lease.epoch, tick=self._tick(record))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._renew)
                nursery.start_soon(self._keep, record)
                await self._coordinate(record, planner, reports, watch)
        except* (LeaseLost, Fenced) as reasons:
            error: BaseException = reasons
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            raise error from None
        finally:
            reports.close()
            watch.close()

    async def _coordinate(
        self, record: WorldRecord, planner: Planner, reports: Subscription, watch: Watch
    ) -> None:
        number, decide_at = 0, -math.inf
        while True:
            for event in watch.take_nowait():
                node = event.entry.name.removeprefix(f"{self._world}.{NODE_PREFIX}")
                if event.kind == "put":
                    self._nodes[node] = event.entry.epoch
                elif self._nodes.get(node) == event.entry.epoch:
                    del self._nodes[node]
                    decide_at = -math.inf
            for message in reports.take_nowait():
                self._take_report(message.data)
            now = trio.current_time()
            held = await self._cut_anew(record, planner, now)
            fresh = self._nodes.keys() - set(planner.plan.nodes.values())
            if now >= decide_at or fresh:
                decide_at = now + DECIDE_S
                shards = range(record.tree.count)
                planner.decide(shards, self._nodes, self._costs, now, held)
            if record.plan.version != planner.plan.version:
                record.plan = planner.plan
                _log.info("placed", version=record.plan.version, moves=planner.moves)
            if now < self._lease.deadline:
                number += 1
                self._bus.publish(beacon_subject(self._world), self._beacon(record, number))
            await trio.sleep(BEACON_S)

    async def _cut_anew(self, record: WorldRecord, planner: Planner, now: float) -> frozenset[int]:
        """Have the world cut otherwise if that is worth it. It is told when it is kept.

        Gives the shards that are to stay where they are meanwhile.
        """
        if self._cutter is None:
            return frozenset()
        loads = {s: load for s, (at, load) in self._loads.items() if now - at <= REPORTED_S}
        since = self._tick(record) + math.ceil(LEAD_S * self._founding.hz)
        before = record.tree
        change = self._cutter.decide(before, loads, self._nodes.keys(), now, since)
        if change.tree is not before:
            record.tree = change.tree
            try:
                await record.save(self._journal, self._wall())
            except JournalUnavailable as error:
                record.tree = before
                _log.warning("the world is not cut anew", reason=str(error))
                return change.held
            self._note_change(planner, change, now)
        for shard, node in change.place.items():
            planner.place(shard, node)
        return change.held

    def _note_change(self, planner: Planner, change: Change, now: float) -> None:
        for shard, cost in change.moved.items():
            self._costs[shard] = cost
            planner.stay(shard, now)
        tree, moved = change.tree, sorted(change.moved)
        what = "cut anew" if moved else "shard opened"
        _log.info(what, version=tree.version, leaves=len(tree.leaves), shards=moved)

    def _beacon(self, record: WorldRecord, number: int) -> bytes:
        return Beacon(
            epoch=self._lease.epoch,
            number=number,
            now_s=self._wall(),
            start_s=record.start_s,
            hz=self._founding.hz,
            identity=record.identity,
            geometry=geometry_data(record.tree.partition(self._space)),
            plan=record.plan,
        ).encode()

    def _take_report(self, data: bytes) -> None:
        try:
            report = Report.decode(data)
        except WordError:
            return
        if report.node in self._nodes:
            self._costs.update(report.costs)
            now = trio.current_time()
            for shard, cost in report.costs.items():
                self._loads[shard] = (
                    now,
                    Load(report.node, cost, report.soon.get(shard, cost), report.cuts.get(shard)),
                )

    # --- the record ------------------------------------------------------------------------------

    async def _load(self) -> WorldRecord:
        now, founding = self._wall(), self._founding
        kept = await self._journal.load(RECORD)
        if kept is None:
            record = WorldRecord.new(founding, now)
        else:
            record = WorldRecord.decode(kept.data, kept.revision)
            if record.identity != founding.identity:
                raise RecordError(
                    f"the world {self._world!r} on this engine is another one: "
                    f"it is {record.identity!r}, and this is {founding.identity!r}"
                )
            away_s = now - record.seen_s
            if away_s > AWAY_S and not await self._anybody_ticks():
                # Not by all of it: the record may be older than the newest tick.
                record.start_s += away_s - SAVE_S - 1
                _log.info("the world was down", seconds=round(away_s, 1))
        await record.save(self._journal, self._wall())
        return record

    async def _anybody_ticks(self) -> bool:
        """Whether a node goes on by the present start, although nobody coordinates.

        Such a node reports; one that has just started knows no tick and has nothing to report.
        """
        reports = self._bus.subscribe(report_subject(self._world, "*"), buffer=1)
        try:
            with trio.move_on_after(LISTEN_S):
                async for _ in reports:
                    return True
        finally:
            reports.close()
        return False

    async def _keep(self, record: WorldRecord) -> None:
        while True:
            await trio.sleep(SAVE_S)
            try:
                await record.save(self._journal, self._wall())
            except JournalUnavailable as error:
                _log.warning("the world's record is not kept", reason=str(error))

    async def _renew(self) -> None:
        while True:
            await trio.sleep(TTL_S / 4)
            await self._lease.renew()

    def _tick(self, record: WorldRecord) -> int:
        return int((self._wall() - record.start_s) * self._founding.hz)
