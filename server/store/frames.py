"""How a record lies in the log: a head, an id, the data, under a checksum that chains them.

    magic, length of id and data, shard, position, epoch, destination, what it is, length of the
    id, checksum of the frame before, how much of the log was durable when this was written,
    checksum of all that and of id and data

The chain makes a frame that is missing, or that belongs elsewhere, as plain as one that is damaged.
That each frame says how much was durable before it tells damage from a torn tail: what a crash may
have taken was not durable yet.

Must not know: files, who owns a shard.
"""

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

import attrs

__all__ = ["DATA_MAX", "Frame", "What", "decode", "encode", "search"]

_MAGIC: Final = b"shj\x01"
_HEAD: Final = struct.Struct("<4sIIQQqBBIQ")
_CHECK: Final = struct.Struct("<I")
_NOBODY: Final = -1
DATA_MAX: Final = 64 * 1024 * 1024  # of a record; a longer one is refused
ID_BYTES_MAX: Final = 255


class What(IntEnum):
    """What a frame is."""

    RECORD = 0
    CLAIM = 1
    TRIM = 2  # records up to this position are not needed any more
    CLOSE = 3  # the store was closed well
    STATE = 4  # where a shard stood when a segment began: its newest position, id and epoch
    SAVED = 5  # a checkpoint of this position is kept; the epoch is its revision


@attrs.frozen
class Frame:
    """One entry of the log. `durable`: log bytes that were known to be durable when it was made."""

    what: What
    shard: int = 0
    position: int = 0
    epoch: int = 0
    id: str = ""
    to: int | None = None
    data: bytes = b""
    durable: int = 0


def encode(frame: Frame, previous: int) -> tuple[bytes, int]:
    """The bytes of a frame that follows one with the checksum `previous`; and its own checksum.

    ValueError for data or an id that is too long.
    """
    name = frame.id.encode()
    if len(frame.data) > DATA_MAX or len(name) > ID_BYTES_MAX:
        raise ValueError(f"a record of {len(frame.data)} bytes, an id of {len(name)}")
    head = _HEAD.pack(
        _MAGIC,
        len(name) + len(frame.data),
        frame.shard,
        frame.position,
        frame.epoch,
        _NOBODY if frame.to is None else frame.to,
        frame.what,
        len(name),
        previous,
        frame.durable,
    )
    check = zlib.crc32(frame.data, zlib.crc32(name, zlib.crc32(head)))
    return head + _CHECK.pack(check) + name + frame.data, check


def decode(log: bytes, at: int, previous: int | None) -> tuple[Frame, int, int] | None:
    """The frame at `at`, where it ends, and its checksum; None if there is no whole, right one.

    It must follow a frame with the checksum `previous`; None: whatever was before.
    """
    body = at + _HEAD.size + _CHECK.size
    if body > len(log):
        return None
    magic, length, shard, position, epoch, to, what, named, chain, durable = _HEAD.unpack_from(
        log, at
    )
    ends = body + length
    if magic != _MAGIC or ends > len(log) or named > length or length > DATA_MAX + ID_BYTES_MAX:
        return None
    (check,) = _CHECK.unpack_from(log, at + _HEAD.size)
    view = memoryview(log)
    if zlib.crc32(view[body:ends], zlib.crc32(view[at : at + _HEAD.size])) != check:
        return None
    if previous is not None and chain != previous:
        return None
    try:
        frame = Frame(
            what=What(what),
            shard=shard,
            position=position,
            epoch=epoch,
            id=str(view[body : body + named], "utf-8"),
            to=None if to == _NOBODY else to,
            data=bytes(view[body + named : ends]),
            durable=durable,
        )
    except ValueError:
        return None
    return frame, ends, check


def search(log: bytes, after: int) -> Iterator[Frame]:
    """Whole frames anywhere behind `after`, whatever lies between."""
    at = log.find(_MAGIC, after)
    while at >= 0:
        found = decode(log, at, None)
        if found is None:
            at = log.find(_MAGIC, at + 1)
        else:
            yield found[0]
            at = log.find(_MAGIC, found[1])
