"""The engine: one machine with the journal, its disk and the leases, which others ask for things.

Whoever asks does so over a link that delays and loses: a request, or an answer, in which case what
was asked has been done and nobody knows. The machine can crash: then requests that it works on are
never answered, the disk forgets what was not synced, and a new journal is opened on what is left.
"""

import contextvars
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import attrs
import outcome
import trio

from server.cluster.directory import MemoryDirectory
from server.store.errors import StoreBroken, StoreDamaged
from server.store.journal import StoreJournal
from server.testing.disk import SimulatedDisk
from tests.simulation.history import History
from tests.simulation.network import Network
from tests.simulation.trace import Trace

__all__ = ["Engine", "Trouble", "Unanswered"]

ENGINE = "engine"
SEGMENT_BYTES = 96 * 1024  # so that a run fills several
GRID_S = 0.001
PATIENCE_S = 0.6

Operation = Callable[[StoreJournal], Awaitable[Any]]


class Unanswered(Exception):  # noqa: N818 - reads as the fact that it is
    """Nobody knows whether it was done."""


@attrs.frozen
class Trouble:
    """How bad the links to the engine are."""

    lose_request: float = 0.0
    lose_answer: float = 0.0
    delay_ms: tuple[int, int] = (1, 2)


class Engine:
    """The machine. `journal` is None while it is down."""

    def __init__(
        self, network: Network, history: History, chance: random.Random, trace: Trace
    ) -> None:
        self.trouble = Trouble()
        self.usual_sync_s = chance.choice((0.001, 0.004, 0.02))
        self.disk = SimulatedDisk(sync_s=self.usual_sync_s)
        self.directory = MemoryDirectory(trio.current_time)
        self.journal: StoreJournal | None = None
        self.reports: list[str] = []
        self.lives = 0
        self.lost_requests = self.lost_answers = 0
        self.leases_forgotten = 0
        self._network = network
        self._history = history
        self._chance = chance
        self._trace = trace
        self._context = contextvars.copy_context()
        self._broken = trio.Event()
        self._requests: trio.Nursery | None = None

    # --- its life --------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Open the journal and answer, until cancelled; crashes when the disk fails to sync."""
        async with trio.open_nursery() as nursery:
            self._requests = nursery
            await self._open()
            task_status.started()
            try:
                await self._die_of_broken_disks()
            finally:
                self._requests = None  # at the end of the run: nobody is answered any more

    async def _die_of_broken_disks(self) -> None:
        while True:
            await self._broken.wait()
            self._broken = trio.Event()
            if self.journal is not None:
                self.crash("it failed to sync")
                await trio.sleep(0.3)
                await self.reopen()

    def crash(self, why: str) -> None:
        """Die at once; `reopen` begins a new life on what the disk has kept."""
        self._trace.fault(f"the engine dies: {why}")
        self.journal = None
        self._network.up = False
        self._network.lose_all()
        room = self.disk.room
        self.disk = self.disk.crash(self._chance)
        self.disk.room = room

    async def reopen(self, *, forget_leases: bool = False) -> None:
        """Begin a new life."""
        if forget_leases:
            self.leases_forgotten += 1
            for lease in list(self.directory._held.values()):
                self.directory.end(lease)
        await self._open()
        self._network.up = True
        self._trace.tell(f"the engine lives again; {'; '.join(self.reports) or 'nothing was torn'}")
        self.reports.clear()

    async def _open(self) -> None:
        self.lives += 1
        try:
            journal = await StoreJournal.open(
                self.disk, self.reports.append, segment_bytes=SEGMENT_BYTES
            )
        except StoreDamaged as error:
            self._history.refused(str(error))
            return
        self._history.reopened(journal)
        self.journal = journal

    # --- its disk ---------------------------------------------------------------------------------

    @property
    def sync_s(self) -> float:
        """How long the disk takes to make something durable."""
        return self.disk.sync_s

    @sync_s.setter
    def sync_s(self, seconds: float) -> None:
        self.disk.sync_s = seconds

    @property
    def room(self) -> int | None:
        """How many bytes the disk still takes, None for any number."""
        return self.disk.room

    @room.setter
    def room(self, room: int | None) -> None:
        self.disk.room = room

    # --- requests --------------------------------------------------------------------------------

    async def ask(self, asker: str, operation: Operation, *, patience_s: float = PATIENCE_S) -> Any:
        """Have the engine do something, and give what it answers. Raises Unanswered."""
        deadline = trio.current_time() + patience_s
        await self._travel(asker, ENGINE, deadline, self.trouble.lose_request)
        if self.journal is None or self._requests is None:
            await trio.sleep_until(deadline)
            raise Unanswered
        answered: list[outcome.Outcome[Any]] = []
        news = trio.Event()
        work = partial(self._work, operation, self.journal, answered, news)
        self._context.copy().run(self._requests.start_soon, work)
        with trio.move_on_at(deadline):
            await news.wait()
        if not answered:
            raise Unanswered
        await self._travel(ENGINE, asker, deadline, self.trouble.lose_answer)
        return answered[0].unwrap()

    async def _work(
        self,
        operation: Operation,
        journal: StoreJournal,
        answered: list[outcome.Outcome[Any]],
        news: trio.Event,
    ) -> None:
        result: outcome.Outcome[Any] = await outcome.acapture(operation, journal)
        if self.journal is not journal:
            return  # it died meanwhile
        if isinstance(result, outcome.Error) and isinstance(result.error, StoreBroken):
            self._broken.set()
            return
        self._history.absorb(journal)
        answered.append(result)
        news.set()

    async def _travel(self, sender: str, receiver: str, deadline: float, loss: float) -> None:
        least, most = self.trouble.delay_ms
        now = round(trio.current_time() / GRID_S)
        await trio.sleep_until((now + self._chance.randint(least, most)) * GRID_S)
        lost = loss > 0 and self._chance.random() < loss
        if lost:
            self.lost_requests += receiver == ENGINE
            self.lost_answers += sender == ENGINE
        if lost or not self._network.passes(sender, receiver):
            await trio.sleep_until(deadline)
            raise Unanswered
