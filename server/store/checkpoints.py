"""Checkpoints on a disk: each in a file of its own, the newest two of a shard.

The older one stays, since the newest may turn out to be damaged; so must the records behind it.

Must not know: what a checkpoint holds.
"""

import struct
import zlib
from collections.abc import Callable
from typing import Final

import attrs

from server.cluster.seams import Checkpoint
from server.store.disk import Disk

__all__ = ["Checkpoints"]

_MAGIC: Final = b"shc\x01"
_HEAD: Final = struct.Struct("<4sIQQQI")  # and shard, revision, position, length, checksum
_PREFIX: Final = "checkpoint-"
_KEPT: Final = 2


@attrs.define
class _Shelf:
    """One shard's checkpoints, oldest first."""

    kept: list[Checkpoint] = attrs.field(factory=list)


class Checkpoints:
    """All shards' checkpoints on one disk. `report` is told of those that are damaged."""

    def __init__(self, disk: Disk, report: Callable[[str], None]) -> None:
        self._disk = disk
        self._shelves: dict[int, _Shelf] = {}
        self._damaged: set[str] = set()
        for name in disk.names():
            if not name.startswith(_PREFIX):
                continue
            shard, checkpoint = _decode(disk.read(name))
            if checkpoint is None or name != _name(shard, checkpoint.revision):
                self._damaged.add(name)
                report(f"{name} is damaged and is not used; an older one and the journal are")
            else:
                self._shelf(shard).kept.append(checkpoint)
        for shelf in self._shelves.values():
            shelf.kept.sort(key=lambda each: each.revision)

    def newest(self, shard: int) -> Checkpoint | None:
        """The newest one that is whole, if any."""
        kept = self._shelf(shard).kept
        return kept[-1] if kept else None

    def lacks(self, shard: int, revision: int | None = None) -> bool:
        """Whether a shard's checkpoint, or with None any of them, is damaged: that is told."""
        if revision is not None:
            return _name(shard, revision) in self._damaged
        return any(name.startswith(f"{_PREFIX}{shard}-") for name in self._damaged)

    def kept(self, shard: int) -> list[Checkpoint]:
        """All that are whole, oldest first."""
        return list(self._shelf(shard).kept)

    def covered(self, shard: int) -> int | None:
        """The position up to which a shard's records are in all checkpoints that are kept.

        None while there are fewer than are kept: the records are needed if one is damaged.
        """
        kept = self._shelf(shard).kept
        return kept[0].position if len(kept) >= _KEPT else None

    async def save(self, shard: int, checkpoint: Checkpoint) -> None:
        """Add one, durably, and forget all but the newest two."""
        await self._disk.replace(_name(shard, checkpoint.revision), _encode(shard, checkpoint))
        kept = self._shelf(shard).kept
        kept.append(checkpoint)
        old = kept[:-_KEPT]
        del kept[:-_KEPT]
        if old:
            await self._disk.remove([_name(shard, each.revision) for each in old])

    def _shelf(self, shard: int) -> _Shelf:
        return self._shelves.setdefault(shard, _Shelf())


def _name(shard: int, revision: int) -> str:
    return f"{_PREFIX}{shard}-{revision:010d}"


def _encode(shard: int, checkpoint: Checkpoint) -> bytes:
    data = checkpoint.data
    numbers = (shard, checkpoint.revision, checkpoint.position, len(data))
    check = zlib.crc32(data, zlib.crc32(repr(numbers).encode()))
    return _HEAD.pack(_MAGIC, *numbers, check) + data


def _decode(content: bytes) -> tuple[int, Checkpoint | None]:
    if len(content) < _HEAD.size:
        return 0, None
    magic, *numbers, check = _HEAD.unpack_from(content)
    shard, revision, position, length = numbers
    data = content[_HEAD.size :]
    right = zlib.crc32(data, zlib.crc32(repr(tuple(numbers)).encode()))
    if magic != _MAGIC or len(data) != length or check != right:
        return shard, None
    return shard, Checkpoint(data, position, revision)
