"""A world's store in a folder: whose it is, that nobody else has it open, and its journal.

The file `world.json` says for which world the store was made. A world that is cut otherwise, or has
another size, cannot go on from these records, so that is refused before anything is read.

Error handling: StoreMismatch and StoreBusy say what a person can do; StoreDamaged as the journal.
Must not know: records, shards' insides.
"""

import errno
import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import trio

from server.store.disk import Disk, FolderDisk, FolderView
from server.store.errors import StoreBusy, StoreDamaged, StoreMismatch
from server.store.journal import StoreJournal
from server.store.log import SEGMENT_BYTES

__all__ = ["look_into_store", "open_store"]

_WORLD: Final = "world.json"
_LOCK: Final = "lock"
_SHOWN: Final = 60  # characters of a value; longer ones are not for reading
_CLOSE_S: Final = 5.0
LOOKS: Final = 5  # at a store that a running server changes, until one sees all of a moment


@asynccontextmanager
async def open_store(
    folder: Path,
    world: Mapping[str, object],
    report: Callable[[str], None],
    *,
    durable: bool = True,
    segment_bytes: int = SEGMENT_BYTES,
) -> AsyncIterator[StoreJournal]:
    """The journal in `folder`, which is made if it is not there, for as long as the block runs.

    `world` describes the world by plain data; a store of another one is refused. With `durable`
    false, what the operating system has taken counts as durable: that survives the process, and
    not the machine. `report` is told of what was cut or passed over.
    """
    with _locked(folder):
        disk = FolderDisk(folder, durable=durable)
        try:
            journal = await _open(disk, folder, world, report, segment_bytes)
            yield journal
            with trio.CancelScope(shield=True), trio.move_on_after(_CLOSE_S):
                await journal.close()
        finally:
            disk.close()


async def _open(
    disk: FolderDisk,
    folder: Path,
    world: Mapping[str, object],
    report: Callable[[str], None],
    segment_bytes: int,
) -> StoreJournal:
    try:
        await _check_world(disk, folder, world)
        return await StoreJournal.open(disk, report, segment_bytes=segment_bytes)
    except StoreDamaged as error:
        raise StoreDamaged(
            f"the store {str(folder)!r} is not used: {error}. Nothing in it was changed; put a "
            "copy of it back, or begin anew in another folder"
        ) from error
    except OSError as error:
        raise _cannot_be_had(folder, error) from error


async def look_into_store(
    folder: Path, report: Callable[[str], None]
) -> tuple[Mapping[str, object], StoreJournal]:
    """What a store says of its world, and its journal to read from, as it is at this moment.

    Nothing is changed and nobody is kept out: a server may be running on it. Raises StoreMismatch
    when there is no store in `folder`.
    """
    disk = FolderView(folder)
    for attempts_left in reversed(range(LOOKS)):
        try:
            if _WORLD not in disk.names():
                break
            return _read_world(disk, folder), await StoreJournal.open(disk, report)
        except FileNotFoundError:  # a running server has just deleted what it does not need
            if not attempts_left:
                raise StoreMismatch(f"the store {str(folder)!r} changes all the time") from None
        except OSError as error:
            name = str(folder)
            raise StoreMismatch(f"the store {name!r} cannot be read: {error.strerror}") from error
    raise StoreMismatch(f"{str(folder)!r} is no store: there is no {_WORLD} in it")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes out; the lock ends with the process, however that ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _cannot_be_had(folder, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise StoreBusy(f"the store {str(folder)!r} is in use by another process") from None
        yield
    finally:
        os.close(handle)


async def _check_world(disk: FolderDisk, folder: Path, world: Mapping[str, object]) -> None:
    wanted = json.loads(json.dumps(world))  # as it would be read
    if _WORLD not in disk.names():
        await disk.replace(_WORLD, json.dumps(wanted, indent=1).encode() + b"\n")
        return
    kept = _read_world(disk, folder)
    names = [name for name in {**wanted, **kept} if wanted.get(name) != kept.get(name)]
    if names:
        differences = "; ".join(_difference(name, kept, wanted) for name in names)
        raise StoreMismatch(f"the store {str(folder)!r} is of another world: {differences}")


def _cannot_be_had(folder: Path, error: OSError) -> StoreMismatch:
    return StoreMismatch(f"the store {str(folder)!r} cannot be had: {error.strerror}")


def _difference(name: str, kept: Mapping[str, object], wanted: Mapping[str, object]) -> str:
    was, now = repr(kept.get(name)), repr(wanted.get(name))
    if max(len(was), len(now)) > _SHOWN:
        return f"{name} is another"
    return f"{name} was {was} and is {now}"


def _read_world(disk: Disk, folder: Path) -> Mapping[str, object]:
    try:
        kept = json.loads(disk.read(_WORLD))
    except ValueError as error:
        raise StoreDamaged(f"{_WORLD} in {str(folder)!r} is damaged: {error}") from None
    if not isinstance(kept, dict):
        raise StoreDamaged(f"{_WORLD} in {str(folder)!r} is damaged: it is no table")
    return kept
