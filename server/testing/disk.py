"""A disk in memory that forgets what a real one may forget in a crash, and damages at will.

What was appended and not synced is lost from some byte on, or torn: some of its sectors reached the
disk and others did not. Files that were never synced may not be there at all.

Must not know: what files hold.
"""

import errno
import random
from collections.abc import Iterable
from typing import Final

import attrs
import trio

__all__ = ["SimulatedDisk"]

_SECTOR: Final = 512


@attrs.define
class _File:
    content: bytearray = attrs.field(factory=bytearray)
    durable: int = 0  # bytes
    known: bool = False  # whether its name is durable
    writes: list[int] = attrs.field(factory=list)  # where each that may be lost began


class SimulatedDisk:
    """`server.store.disk.Disk` in memory. `sync_s` is how long a sync takes, in trio's time.

    `fails`: every sync raises from now on. `room`: bytes that it still takes, None for any number.
    """

    def __init__(self, *, sync_s: float = 0.0) -> None:
        self.sync_s = sync_s
        self.fails = False
        self.room: int | None = None
        self.syncs = 0
        self._files: dict[str, _File] = {}

    def names(self) -> list[str]:
        """The names of all files, sorted."""
        return sorted(self._files)

    def read(self, name: str) -> bytes:
        """All of a file."""
        if name not in self._files:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return bytes(self._files[name].content)

    def append(self, name: str, data: bytes) -> None:
        """Write at the end of a file."""
        if self.room is not None:
            if len(data) > self.room:
                raise OSError(errno.ENOSPC, "no space left", name)
            self.room -= len(data)
        file = self._files.setdefault(name, _File())
        file.writes.append(len(file.content))
        file.content += data

    async def sync(self, name: str) -> None:
        """Wait until what was appended is durable."""
        file = self._files.setdefault(name, _File())
        size = len(file.content)
        await trio.sleep(self.sync_s)
        if self.fails:
            raise OSError(errno.EIO, "input/output error", name)
        file.durable = max(file.durable, size)
        file.writes = [begins for begins in file.writes if begins >= file.durable]
        file.known = True
        self.syncs += 1

    async def replace(self, name: str, data: bytes) -> None:
        """Have a file with this content."""
        await trio.sleep(self.sync_s)
        if self.fails:
            raise OSError(errno.EIO, "input/output error", name)
        self._files[name] = _File(bytearray(data), len(data), known=True)

    async def cut(self, name: str, size: int) -> None:
        """Let a file end after `size` bytes."""
        await trio.sleep(self.sync_s)
        file = self._files[name]
        del file.content[size:]
        file.durable = min(file.durable, size)

    async def remove(self, names: Iterable[str]) -> None:
        """Delete files."""
        await trio.sleep(self.sync_s)
        for name in names:
            self._files.pop(name, None)

    # --- what disks do to people -----------------------------------------------------------------

    def crash(self, chance: random.Random) -> "SimulatedDisk":
        """The disk as it is found after a crash; this one is worth nothing any more."""
        found = SimulatedDisk(sync_s=self.sync_s)
        for name, file in self._files.items():
            if not file.known and chance.random() < 0.5:
                continue
            content = bytes(file.content[: file.durable]) + _torn(file, chance)
            found._files[name] = _File(bytearray(content), len(content), known=True)
        return found

    def copy(self) -> "SimulatedDisk":
        """Another disk with the same files, all of them durable."""
        twin = SimulatedDisk(sync_s=self.sync_s)
        for name, file in self._files.items():
            content = bytearray(file.content)
            twin._files[name] = _File(content, len(content), known=True)
        return twin

    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(file.content) for file in self._files.values())

    def flip(self, at: int, bits: int) -> str:
        """Change a byte of all that is there; the file that it is in."""
        for name in self.names():
            content = self._files[name].content
            if at < len(content):
                content[at] ^= bits
                return name
            at -= len(content)
        raise IndexError(at)


def _torn(file: _File, chance: random.Random) -> bytes:
    """What may be left of bytes that were not durable: up to a write, or torn anywhere."""
    tail = bytes(file.content[file.durable :])
    if file.writes and chance.random() < 0.5:
        return tail[: chance.choice(file.writes) - file.durable]
    left = bytearray(tail[: chance.randint(0, len(tail))])
    for begins in range(0, len(left), _SECTOR):
        if chance.random() < 0.2:
            ends = min(begins + _SECTOR, len(left))
            left[begins:ends] = bytes(ends - begins)
    return bytes(left)
