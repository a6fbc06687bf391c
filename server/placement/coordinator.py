"""The coordinator: the one of many candidates that decides where shards run, and tells everybody.

To coordinate is a lease like any other, so a coordinator that dies or is cut off is followed by
another candidate. What must outlive all of them (when the world began, how it is cut, the plan) is
the world's record, kept as a checkpoint under a number that no shard has: only who replaces the
revision that it has read may write it, so one that was followed without knowing cannot.

If nobody coordinated for longer than an election takes, the whole cluster was down. Then the
world's start moves, so that ticks go on about where they ended instead of jumping over the pause.

Error handling: losing the lease, or the record, ends a term, not the candidate. While the journal
is unavailable the term goes on with what is known.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import attrs
import structlog
import trio

from protocol import cbor
from protocol.errors import ProtocolError
from server.cluster.seams import (
    Bus,
    Directory,
    Fenced,
    Journal,
    JournalError,
    JournalUnavailable,
    Lease,
    LeaseLost,
    Subscription,
    Watch,
)
from server.placement.plan import Plan, Planner
from server.placement.words import (
    COORDINATOR,
    NODE_PREFIX,
    Beacon,
    Report,
    WordError,
    beacon_subject,
    report_subject,
)

__all__ = ["Founding", "RecordError", "run_coordinator"]

_log = structlog.get_logger(__name__)

RECORD: Final = (1 << 31) - 1  # the world's record, where shards have their checkpoints
TTL_S: Final = 2.5
BEACON_S: Final = 0.25
DECIDE_S: Final = 1.0
SAVE_S: Final = 5.0  # how stale the record's idea of the present may be
AWAY_S: Final = 20.0  # longer than any election, so the world itself was down
LISTEN_S: Final = 2.0  # longer than nodes need between two reports
CANDIDATE_S: Final = 0.5  # how often a candidate looks whether somebody is needed
REPORTS_BUFFERED: Final = 1024


class RecordError(JournalError):
    """The world that is kept is another one than this process would run."""


@attrs.frozen(kw_only=True)
class Founding:
    """A world as its first coordinator makes it. `identity` and `geometry` are plain data."""

    identity: Any
    geometry: Any
    hz: int
    shards: tuple[int, ...]


@attrs.define
class _Record:
    """What outlives coordinators. `seen_s` is when one was last alive."""

    start_s: float
    seen_s: float
    identity: Any
    geometry: Any
    plan: Plan
    revision: int = 0

    def encode(self) -> bytes:
        plan = [self.plan.version, [[shard, node] for shard, node in self.plan.nodes.items()]]
        times = [float(self.start_s), float(self.seen_s)]
        return cbor.dumps([*times, self.identity, self.geometry, plan])

    @classmethod
    def decode(cls, data: bytes, revision: int) -> "_Record":
        try:
            body: Any = cbor.loads(data)
            start_s, seen_s, identity, geometry, (version, nodes) = body
            plan = Plan(version, {int(shard): str(node) for shard, node in nodes})
        except (ProtocolError, TypeError, ValueError) as error:
            raise RecordError(f"the world's record is damaged: {error}") from error
        return cls(start_s, seen_s, identity, geometry, plan, revision)


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
        self, record: _Record, planner: Planner, reports: Subscription, watch: Watch
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
            fresh = self._nodes.keys() - set(planner.plan.nodes.values())
            if now >= decide_at or fresh:
                decide_at = now + DECIDE_S
                before = planner.plan.version
                record.plan = planner.decide(self._founding.shards, self._nodes, self._costs, now)
                if record.plan.version != before:
                    _log.info("placed", version=record.plan.version, moves=planner.moves)
            if now < self._lease.deadline:
                number += 1
                self._bus.publish(beacon_subject(self._world), self._beacon(record, number))
            await trio.sleep(BEACON_S)

    def _beacon(self, record: _Record, number: int) -> bytes:
        return Beacon(
            epoch=self._lease.epoch,
            number=number,
            now_s=self._wall(),
            start_s=record.start_s,
            hz=self._founding.hz,
            identity=record.identity,
            geometry=record.geometry,
            plan=record.plan,
        ).encode()

    def _take_report(self, data: bytes) -> None:
        try:
            report = Report.decode(data)
        except WordError:
            return
        if report.node in self._nodes:
            self._costs.update(report.costs)

    # --- the record ------------------------------------------------------------------------------

    async def _load(self) -> _Record:
        now, founding = self._wall(), self._founding
        kept = await self._journal.load(RECORD)
        if kept is None:
            record = _Record(now, now, founding.identity, founding.geometry, Plan())
        else:
            record = _Record.decode(kept.data, kept.revision)
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
        await self._save(record)
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

    async def _save(self, record: _Record) -> None:
        record.seen_s = self._wall()
        record.revision = await self._journal.save(
            RECORD, record.encode(), position=0, revision=record.revision
        )

    async def _keep(self, record: _Record) -> None:
        while True:
            await trio.sleep(SAVE_S)
            try:
                await self._save(record)
            except JournalUnavailable as error:
                _log.warning("the world's record is not kept", reason=str(error))

    async def _renew(self) -> None:
        while True:
            await trio.sleep(TTL_S / 4)
            await self._lease.renew()

    def _tick(self, record: _Record) -> int:
        return int((self._wall() - record.start_s) * self._founding.hz)
