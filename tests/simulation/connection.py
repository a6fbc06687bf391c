"""What a node has of the engine: its journal and directory, over a link that is not to be trusted.

It does what any client of a remote engine has to do: while the outcome of a request is unknown it
asks again, under the same expectation, and the journal tells what was done already.

After `die` nothing is asked any more, and nothing is answered: the node has crashed.
"""

from collections.abc import Sequence
from typing import Any

import trio

from server.cluster.directory import MemoryLease, MemoryWatch
from server.cluster.seams import Checkpoint, Draft, JournalError, LeaseLost, Record
from server.store.journal import StoreJournal
from tests.simulation.engine import Engine, Operation, Unanswered
from tests.simulation.history import History

__all__ = ["NodeDirectory", "NodeJournal", "NodeLease"]

AGAIN_S = 0.05
POLL_S = 1.0  # how long the engine waits for something to answer


class Line:
    """The link of one node to the engine."""

    def __init__(self, engine: Engine, node: str) -> None:
        self.engine = engine
        self.node = node
        self.dead = False

    async def ask(self, operation: Operation, **patience: float) -> Any:
        """Ask once. Raises Unanswered."""
        self._check()
        answer = await self.engine.ask(self.node, operation, **patience)
        self._check()
        return answer

    async def insist(self, operation: Operation) -> Any:
        """Ask until there is an answer."""
        while True:
            try:
                return await self.ask(operation)
            except Unanswered:
                await trio.sleep(AGAIN_S)

    def _check(self) -> None:
        if self.dead:
            raise Unanswered


class NodeJournal:
    """A `seams.Journal` of one node."""

    def __init__(self, line: Line, history: History) -> None:
        self._line = line
        self._history = history
        self._epochs: dict[int, int] = {}

    async def claim(self, shard: int, epoch: int) -> int:
        """Become the writer. An unknown outcome is a failure: another epoch will do."""

        async def work(journal: StoreJournal) -> int:
            position = await journal.claim(shard, epoch)
            if self._line.engine.journal is journal:  # else it has died, and nobody will hear
                self._history.claimed(shard, epoch, self._line.node, position)
            return position

        try:
            position: int = await self._line.ask(work, patience_s=1.5)
        except Unanswered:
            raise JournalError("nobody knows whether the shard was claimed") from None
        self._epochs[shard] = epoch
        return position

    async def append(self, shard: int, drafts: Sequence[Draft], *, expect: int) -> int:
        """Append, as often as it takes."""
        epoch = self._epochs[shard]

        async def work(journal: StoreJournal) -> int:
            return await self._history.append(journal, shard, drafts, expect=expect, epoch=epoch)

        position: int = await self._line.insist(work)
        return position

    async def trim(self, shard: int, upto: int) -> None:
        """Forget records."""

        async def work(journal: StoreJournal) -> None:
            await journal.trim(shard, upto)

        await self._line.insist(work)

    async def read(self, shard: int, after: int) -> list[Record]:
        """All records above a position that are durable now."""

        async def work(journal: StoreJournal) -> list[Record]:
            return await journal.read(shard, after)

        records: list[Record] = await self._line.insist(work)
        return records

    def follow(self, source: int, to: int, after: int) -> "NodeFollower":
        """The outs of a source for a destination, those to come included."""
        return NodeFollower(self._line, source, to, after)

    async def save(self, shard: int, checkpoint: bytes, *, position: int, revision: int) -> int:
        """Store a checkpoint; if the outcome is unknown, see what is stored."""

        async def work(journal: StoreJournal) -> int:
            return await journal.save(shard, checkpoint, position=position, revision=revision)

        while True:
            try:
                saved: int = await self._line.ask(work)
            except Unanswered:
                await trio.sleep(AGAIN_S)
                stored = await self.load(shard)
                if stored == Checkpoint(checkpoint, position, revision + 1):
                    return stored.revision
            else:
                return saved

    async def load(self, shard: int) -> Checkpoint | None:
        """The newest checkpoint."""

        async def work(journal: StoreJournal) -> Checkpoint | None:
            return await journal.load(shard)

        checkpoint: Checkpoint | None = await self._line.insist(work)
        return checkpoint


class NodeFollower:
    """Iterates the outs of one source for one destination: asks, and is answered when some come.

    After trouble it begins a little before where it was, as a consumer does whose acknowledgement
    was lost.
    """

    def __init__(self, line: Line, source: int, to: int, after: int) -> None:
        self._line = line
        self._source = source
        self._to = to
        self._after = self._before = after
        self._here: list[Record] = []

    def __aiter__(self) -> "NodeFollower":
        return self

    async def __anext__(self) -> Record:
        while not self._here:
            try:
                self._here = await self._line.ask(self._work, patience_s=POLL_S + 0.2)
            except Unanswered:
                await trio.sleep(AGAIN_S)
                self._after, self._before = self._before, 0
        record = self._here.pop(0)
        self._before, self._after = self._after, max(self._after, record.position)
        return record

    async def _work(self, journal: StoreJournal) -> list[Record]:
        with trio.move_on_after(POLL_S):
            while not (here := journal.outs(self._source, self._to, self._after)):
                await journal.wait_for_outs(self._source)
            return here
        return []


class NodeDirectory:
    """A `seams.Directory` of one node; whoever watches hears of everything at once."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def acquire(self, name: str, meta: bytes, ttl_s: float) -> "NodeLease | None":
        """A lease, or None while somebody holds it, or nobody answers."""
        asked = trio.current_time()

        async def work(_: StoreJournal) -> MemoryLease | None:
            return self._line.engine.directory.acquire_nowait(name, meta, ttl_s)

        try:
            lease = await self._line.ask(work)
        except Unanswered:
            return None
        return None if lease is None else NodeLease(self._line, lease, asked)

    def watch(self, prefix: str) -> MemoryWatch:
        """Watch all names that start with `prefix`."""
        return self._line.engine.directory.watch(prefix)


class NodeLease:
    """A `seams.Lease` as its holder knows it: its deadline counts from when it asked."""

    def __init__(self, line: Line, lease: MemoryLease, asked: float) -> None:
        self._line = line
        self._lease = lease
        self.deadline = asked + lease.ttl_s

    @property
    def name(self) -> str:
        """The name that is held."""
        return self._lease.name

    @property
    def epoch(self) -> int:
        """The lease's token."""
        return self._lease.epoch

    async def renew(self, meta: bytes | None = None) -> None:
        """Move the deadline, as soon as the engine answers."""
        while True:
            asked = trio.current_time()

            async def work(_: StoreJournal) -> None:
                self._lease.renew_nowait(meta)

            try:
                await self._line.ask(work, patience_s=0.3)
            except Unanswered:
                if trio.current_time() > self.deadline + self._lease.ttl_s:
                    raise LeaseLost(f"nobody has renewed {self.name} for long") from None
                await trio.sleep(AGAIN_S)
            else:
                self.deadline = max(self.deadline, asked + self._lease.ttl_s)
                return

    async def release(self) -> None:
        """Give the name back, if that can be said."""

        async def work(_: StoreJournal) -> None:
            self._lease.release_nowait()

        try:
            await self._line.ask(work)
        except Unanswered:
            return
