"""The disk, as far as the journal needs one: files that grow, and files that are replaced whole.

Invariants that every implementation keeps: what `append` has taken can be read at once, and is
durable when a `sync` that began later has returned. `replace` is durable when it returns, and until
then the old content is. `cut` and `remove` are durable when they return.

Error handling: OSError, as it comes. A failed `sync` says nothing about what is durable.
Must not know: what files hold.
"""

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NoReturn, Protocol

import trio

__all__ = ["Disk", "FolderDisk", "FolderView"]

_ASIDE: Final = ".new"


class Disk(Protocol):
    """Files in one folder, by name."""

    def names(self) -> list[str]:
        """The names of all files, sorted."""

    def read(self, name: str) -> bytes:
        """All of a file. FileNotFoundError if there is none."""

    def append(self, name: str, data: bytes) -> None:
        """Write at the end of a file, which is made if need be. Not durable yet."""

    async def sync(self, name: str) -> None:
        """Wait until everything that was appended before is durable, and the file itself."""

    async def replace(self, name: str, data: bytes) -> None:
        """Have a file with this content, or still the former one."""

    async def cut(self, name: str, size: int) -> None:
        """Let a file end after `size` bytes."""

    async def remove(self, names: Iterable[str]) -> None:
        """Delete files; those that are gone already do not matter."""


class FolderDisk:
    """A folder of the operating system. It is made if it is not there.

    With `durable` false nothing waits for the disk: what is written survives the process, and not
    the machine.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder = folder
        self._durable = durable
        self._open: dict[str, int] = {}
        self._new: set[str] = set()  # whose entry in the folder is not known to be durable
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"*{_ASIDE}"):
            left.unlink()  # of a replacement that did not come to its end

    def names(self) -> list[str]:
        """The names of all files, sorted."""
        return sorted(entry.name for entry in os.scandir(self._folder) if entry.is_file())

    def read(self, name: str) -> bytes:
        """All of a file."""
        return (self._folder / name).read_bytes()

    def append(self, name: str, data: bytes) -> None:
        """Write at the end of a file."""
        handle = self._handle(name)
        size = os.fstat(handle).st_size
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(handle, view) :]
        except OSError:
            os.ftruncate(handle, size)  # a part of a record is worse than none
            raise

    async def sync(self, name: str) -> None:
        """Wait until what was appended is durable."""
        handle = self._handle(name)
        if not self._durable:
            await trio.lowlevel.checkpoint()
            return
        await trio.to_thread.run_sync(os.fdatasync, handle)
        if name in self._new:
            await trio.to_thread.run_sync(self._sync_folder)
            self._new.discard(name)

    async def replace(self, name: str, data: bytes) -> None:
        """Write aside, sync, rename, sync the folder."""

        def work() -> None:
            aside = self._folder / (name + _ASIDE)
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                if self._durable:
                    os.fsync(file.fileno())
            aside.replace(self._folder / name)
            self._sync_folder()

        await trio.to_thread.run_sync(work)

    async def cut(self, name: str, size: int) -> None:
        """Let a file end after `size` bytes."""
        handle = self._handle(name)
        os.ftruncate(handle, size)
        await trio.to_thread.run_sync(os.fsync, handle)

    async def remove(self, names: Iterable[str]) -> None:
        """Delete files."""
        for name in names:
            handle = self._open.pop(name, None)
            if handle is not None:
                os.close(handle)
            (self._folder / name).unlink(missing_ok=True)
        await trio.to_thread.run_sync(self._sync_folder)

    def close(self) -> None:
        """Let go of all files."""
        for handle in self._open.values():
            os.close(handle)
        self._open.clear()

    def _handle(self, name: str) -> int:
        handle = self._open.get(name)
        if handle is None:
            path = self._folder / name
            if not path.exists():
                self._new.add(name)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._open[name] = handle
        return handle

    def _sync_folder(self) -> None:
        if not self._durable:
            return
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class FolderView:
    """A folder to look at, which another process may be writing into: nothing in it is changed.

    What would be cut off or removed stays where it is; what would be written raises.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """The names of all files, sorted, without those that are being written aside."""
        names = (entry.name for entry in os.scandir(self._folder) if entry.is_file())
        return sorted(name for name in names if not name.endswith(_ASIDE))

    def read(self, name: str) -> bytes:
        """All of a file."""
        return (self._folder / name).read_bytes()

    def append(self, name: str, data: bytes) -> NoReturn:
        """Nothing is written here."""
        raise _read_only(name, data)

    async def sync(self, name: str) -> None:  # noqa: ARG002 - the protocol's
        """There is nothing to make durable."""
        await trio.lowlevel.checkpoint()

    async def replace(self, name: str, data: bytes) -> NoReturn:
        """Nothing is written here."""
        await trio.lowlevel.checkpoint()
        raise _read_only(name, data)

    async def cut(self, name: str, size: int) -> None:  # noqa: ARG002 - the protocol's
        """The file stays as it is."""
        await trio.lowlevel.checkpoint()

    async def remove(self, names: Iterable[str]) -> None:  # noqa: ARG002 - the protocol's
        """The files stay where they are."""
        await trio.lowlevel.checkpoint()


def _read_only(name: str, data: bytes) -> OSError:
    return OSError(errno.EROFS, f"{len(data)} bytes for a folder that is only looked at", name)
