"""The log: segment files, one behind the other, to which frames of all shards are appended.

A segment is named by the place in the log at which it begins. One sync makes durable what all
shards appended before it, so a tick of many shards costs one.

Error handling: opening raises StoreDamaged when something durable is missing or wrong; a tail that
a crash tore is cut and told. Writing raises StoreFull, after which it may be tried again, and
StoreBroken, after which nothing can be.
Must not know: what records say, which shards there are.
"""

import errno
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NoReturn

import attrs
import trio

from server.store import frames
from server.store.disk import Disk
from server.store.errors import StoreBroken, StoreDamaged, StoreFull
from server.store.frames import Frame

__all__ = ["SEGMENT_BYTES", "Log", "Placed"]

SEGMENT_BYTES: Final = 16 * 1024 * 1024  # a longer segment is followed by another one
_PREFIX: Final = "journal-"
_SUFFIX: Final = ".log"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@attrs.frozen
class Placed:
    """A frame, and the place in the log behind it."""

    frame: Frame
    ends: int


@attrs.define
class _Segment:
    begins: int
    ends: int

    @property
    def name(self) -> str:
        return f"{_PREFIX}{self.begins:016x}{_SUFFIX}"


class Log:
    """Frames in order, durable in order. Made by `open`; `cut_tail` comes before what is written.

    `heading` gives the frames with which each further segment begins, so that older ones can go.
    """

    def __init__(self, disk: Disk, segment_bytes: int) -> None:
        self._disk = disk
        self._segment_bytes = segment_bytes
        self._segments: list[_Segment] = []
        self._check = 0
        self._durable = 0
        self._syncing: trio.Event | None = None
        self._broken: str | None = None
        self._torn: dict[str, int] = {}  # how much of a file stays
        self.heading: Callable[[], Iterable[Frame]] = tuple
        self.syncs = 0

    @classmethod
    def open(
        cls,
        disk: Disk,
        report: Callable[[str], None],
        *,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> tuple["Log", list[Placed]]:
        """The log that lies on a disk, and its frames; `report` is told of a torn tail.

        Nothing is changed on the disk. Raises StoreDamaged.
        """
        log = cls(disk, segment_bytes)
        placed = log._recover(report)
        return log, placed

    async def cut_tail(self) -> None:
        """Take what a crash tore off the disk, if there is any."""
        if not self._torn:
            return
        for name, size in self._torn.items():
            if size:
                await self._disk.cut(name, size)
        await self._disk.remove([name for name, size in self._torn.items() if not size])
        self._torn.clear()

    @property
    def ends(self) -> int:
        """The place behind the newest frame."""
        return self._segments[-1].ends if self._segments else 0

    @property
    def durable(self) -> int:
        """The place up to which everything is durable."""
        return self._durable

    def append(self, frame: Frame) -> int:
        """Write a frame; the place behind it, for `wait_durable`."""
        self._check_sound()
        segment = self._segments[-1] if self._segments else None
        # A segment is not left before all of it is durable: the next one cannot outlive its tail.
        if segment is None or (
            segment.ends - segment.begins >= self._segment_bytes and self._durable == segment.ends
        ):
            segment = _Segment(self.ends, self.ends)
            self._write(segment, self.heading())  # all of it or nothing
            self._segments.append(segment)
        self._write(segment, [frame])
        return self.ends

    def _write(self, segment: _Segment, entries: Iterable[Frame]) -> None:
        written, check = b"", self._check
        for frame in entries:
            data, check = frames.encode(attrs.evolve(frame, durable=self._durable), check)
            written += data
        if not written:
            return
        try:
            self._disk.append(segment.name, written)
        except OSError as error:
            self.raise_for(error, "the journal cannot be written")
        segment.ends += len(written)
        self._check = check

    async def wait_durable(self, place: int) -> None:
        """Wait until everything up to `place` is durable; who comes first syncs for all."""
        while self._durable < place:
            self._check_sound()
            if self._syncing is not None:
                await self._syncing.wait()
            else:
                await self._sync()

    def raise_for(self, error: OSError, what: str) -> NoReturn:
        """Raise StoreFull if that is all that is wrong; else nothing is promised any more."""
        if error.errno in _FULL:
            raise StoreFull(f"the disk takes no more: {error}") from error
        self._broken = str(error)
        raise StoreBroken(f"{what}: {error}") from error

    async def forget(self, place: int) -> None:
        """Delete the segments that end at or before `place`; the newest one stays."""
        old = [each for each in self._segments[:-1] if each.ends <= place]
        if old:
            del self._segments[: len(old)]
            await self._disk.remove([segment.name for segment in old])

    # --- inside ----------------------------------------------------------------------------------

    async def _sync(self) -> None:
        self._syncing = trio.Event()
        segment = self._segments[-1]
        name, ends = segment.name, segment.ends
        try:
            with trio.CancelScope(shield=True):  # others wait for it, too
                await self._disk.sync(name)
            self._durable = max(self._durable, ends)
            self.syncs += 1
        except OSError as error:  # a full disk too: nobody knows what is on it
            self._broken = str(error)
            raise StoreBroken(f"the journal cannot be made durable: {error}") from error
        finally:
            self._syncing.set()
            self._syncing = None

    def _check_sound(self) -> None:
        if self._broken is not None:
            raise StoreBroken(f"the journal broke before: {self._broken}")

    def _recover(self, report: Callable[[str], None]) -> list[Placed]:
        names = [
            name
            for name in self._disk.names()
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX)
        ]
        contents = [(_begins(name), name, self._disk.read(name)) for name in names]
        placed: list[Placed] = []
        previous: int | None = None
        for index, (begins, _, content) in enumerate(contents):
            if self._segments and begins != self._segments[-1].ends:
                self._find_torn(contents, index, 0, report)
                break
            segment = _Segment(begins, begins)
            self._segments.append(segment)
            at = 0
            while at < len(content):
                found = frames.decode(content, at, previous)
                if found is None:
                    break
                frame, at, previous = found
                segment.ends = begins + at
                placed.append(Placed(frame, segment.ends))
            if at < len(content):
                self._find_torn(contents, index, at, report)
                break
        self._check = previous or 0
        self._durable = self.ends
        return placed

    def _find_torn(
        self,
        contents: list[tuple[int, str, bytes]],
        index: int,
        at: int,
        report: Callable[[str], None],
    ) -> None:
        """What follows is wrong: a tail that need not be durable is torn, anything else damage."""
        begins, name, content = contents[index]
        place = self._segments[-1].ends if self._segments else begins
        for frame in _behind(contents, index, at):
            if frame.durable > place:
                raise StoreDamaged(
                    f"{name} is damaged at byte {at}: what stood there was durable before the "
                    f"record {frame.id or frame.what.name} of shard {frame.shard} behind it"
                )
        lost = len(content) - at + sum(len(later) for _, _, later in contents[index + 1 :])
        report(f"{name}: cut a torn tail of {lost} bytes; nothing behind says it was durable")
        self._torn[name] = at
        self._torn |= {later: 0 for _, later, _ in contents[index + 1 :]}
        if not at and self._segments and self._segments[-1].name == name:
            self._segments.pop()


def _behind(contents: list[tuple[int, str, bytes]], index: int, at: int) -> Iterator[Frame]:
    """Whole frames behind a place that is wrong."""
    yield from frames.search(contents[index][2], at)
    for _, _, later in contents[index + 1 :]:
        yield from frames.search(later, 0)


def _begins(name: str) -> int:
    try:
        return int(name[len(_PREFIX) : -len(_SUFFIX)], 16)
    except ValueError:
        raise StoreDamaged(f"{name} is no segment of a journal") from None
