"""Recording a world while it runs: what its journal has taken also goes into a file.

A journal stands before the real one and passes everything on. What was appended is handed to a task
that writes a piece of it now and then, in a thread: no tick waits for it, nor does the journal. The
memory that this may take is bounded. A recording that falls behind, or whose disk is full, ends
there and says so, and the world goes on.

Must not know: shards, what records say.
"""

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final

import structlog
import trio

from server.cluster.seams import Draft, Journal
from server.recording.pieces import RecordingError
from server.recording.recording import About, Kept, RecordingWriter
from server.shard.commit import tick_of

__all__ = ["RecordedJournal", "Recorder", "record_into"]

_log = structlog.get_logger(__name__)

PIECE_S: Final = 0.5  # what a crash may take: records wait so long for others, which packs better
WAITING_BYTES_MAX: Final = 64 * 1024 * 1024  # records in memory; at more the recording ends

Work = Callable[[], object]


class Recorder:
    """Writes what it is given into a file, in pieces. `failure` says why it ended early, or ""."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.failure = ""
        self.last = 0  # the newest tick that was given
        self._file = file
        self._name = name
        self._writer: RecordingWriter | None = None
        self._waiting: list[Kept] = []
        self._waiting_bytes = 0
        self._news = trio.Event()
        self._ending = trio.Event()

    def begin(self, about: About, starts: Mapping[int, bytes]) -> None:
        """Say of which world this is, and where its shards are; once, before anything is given."""
        try:
            self._writer = RecordingWriter(self._file, about, starts)
        except OSError as error:
            raise RecordingError(f"{self._name}: {error.strerror}") from error

    def give(self, kept: Sequence[Kept]) -> None:
        """Have records written, sooner or later."""
        if self.failure or not kept:
            return
        self._waiting += kept
        self._waiting_bytes += sum(len(each.data) for each in kept)
        self.last = max(self.last, *(each.tick for each in kept))
        if self._waiting_bytes > WAITING_BYTES_MAX:
            self._fail("the disk is too slow for it")
        self._news.set()

    async def run(self) -> None:
        """Write until `end`."""
        while not self._ending.is_set():
            await self._news.wait()
            with trio.move_on_after(PIECE_S):
                await self._ending.wait()
            self._news = trio.Event()
            await self._write()
        await self._write()
        if self._writer is not None and not self.failure:
            await self._try(self._writer.end)
            await self._try(self._sync)

    def end(self) -> None:
        """Nothing more is given: `run` writes what is left, and returns."""
        self._ending.set()
        self._news.set()

    # --- inside ----------------------------------------------------------------------------------

    async def _write(self) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        writer = self._writer
        if writer is not None and waiting and not self.failure:
            await self._try(lambda: writer.write(waiting))

    async def _try(self, work: Work) -> None:
        try:
            await trio.to_thread.run_sync(work)
        except OSError as error:
            self._fail(error.strerror or str(error))

    def _sync(self) -> None:
        os.fsync(self._file.fileno())

    def _fail(self, reason: str) -> None:
        self.failure = reason
        self._waiting = []
        _log.error("the recording ends, the world goes on", file=self._name, reason=reason)


class RecordedJournal:
    """A `seams.Journal` that passes everything on to another one, and records to a recorder."""

    def __init__(self, journal: Journal, recorder: Recorder) -> None:
        self._journal = journal
        self._recorder = recorder
        self.claim = journal.claim
        self.read = journal.read
        self.follow = journal.follow
        self.trim = journal.trim
        self.save = journal.save
        self.load = journal.load

    async def append(self, shard: int, drafts: Sequence[Draft], *, expect: int) -> int:
        """Append to the journal; what it has taken is recorded, once."""
        position = await self._journal.append(shard, drafts, expect=expect)
        ticks = [(tick_of(draft), draft.data) for draft in drafts]
        self._recorder.give([Kept(shard, tick, data) for tick, data in ticks if tick is not None])
        return position


@asynccontextmanager
async def record_into(path: Path) -> AsyncIterator[Recorder]:
    """A recorder into a new file for as long as the block runs; cancelling that loses nothing.

    A file into which no tick was recorded is deleted. RecordingError when it cannot be made, or is
    there already.
    """
    try:
        file = path.open("xb")
    except FileExistsError:
        raise RecordingError(f"{str(path)!r} is there already; nothing is overwritten") from None
    except OSError as error:
        raise RecordingError(f"{str(path)!r} cannot be written: {error.strerror}") from error
    recorder = Recorder(file, path.name)

    async def run() -> None:
        with trio.CancelScope(shield=True):
            await recorder.run()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            try:
                yield recorder
            finally:
                recorder.end()
    finally:
        file.close()
        if not recorder.last:
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - the world has ended
