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

from server.store.disk import FolderDisk
from server.store.errors import StoreBusy, StoreDamaged, StoreMismatch
from server.store.journal import StoreJournal

__all__ = ["open_store"]

_WORLD: Final = "world.json"
_LOCK: Final = "lock"
_CLOSE_S: Final = 5.0


@asynccontextmanager
async def open_store(
    folder: Path,
    world: Mapping[str, object],
    report: Callable[[str], None],
    *,
    durable: bool = True,
) -> AsyncIterator[StoreJournal]:
    """The journal in `folder`, which is made if it is not there, for as long as the block runs.

    `world` describes the world by plain data; a store of another one is refused. With `durable`
    false, what the operating system has taken counts as durable: that survives the process, and
    not the machine. `report` is told of what was cut or passed over.
    """
    with _locked(folder):
        disk = FolderDisk(folder, durable=durable)
        try:
            await _check_world(disk, folder, world)
            journal = await StoreJournal.open(disk, report)
            yield journal
            with trio.CancelScope(shield=True), trio.move_on_after(_CLOSE_S):
                await journal.close()
        finally:
            disk.close()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes out; the lock ends with the process, however that ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        name = str(folder)
        raise StoreMismatch(f"the store {name!r} cannot be had: {error.strerror}") from error
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
    try:
        kept = json.loads(disk.read(_WORLD))
    except ValueError as error:
        raise StoreDamaged(f"{_WORLD} in {str(folder)!r} is damaged: {error}") from None
    if not isinstance(kept, dict):
        raise StoreDamaged(f"{_WORLD} in {str(folder)!r} is damaged: it is no table")
    names = [name for name in {**wanted, **kept} if wanted.get(name) != kept.get(name)]
    if names:
        differences = "; ".join(
            f"{name} was {kept.get(name)!r} and is {wanted.get(name)!r}" for name in names
        )
        raise StoreMismatch(f"the store {str(folder)!r} is of another world: {differences}")
