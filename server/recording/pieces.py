"""How a recording lies in its file: a line that says what it is, and pieces behind it.

    magic, what it is, length of the data, the ticks that it is about (first and last), checksum of
    the data before, checksum of the data, checksum of all that; the data

The chain makes a piece that is missing, or that belongs elsewhere, as plain as one that is damaged.
A head has a checksum of its own, so that a damaged length is not taken for the end of a file that
was cut short: what a crash leaves is a file whose last piece is not all there, and nothing else.

Must not know: what the data of a piece says.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import BinaryIO, Final

import attrs

__all__ = ["Kind", "Piece", "PieceWriter", "Pieces", "RecordingDamaged", "RecordingError"]

_LINE: Final = b"shoal recording 1\n"
_MAGIC: Final = b"shr\x01"
_HEAD: Final = struct.Struct("<4sBIQQII")
_CHECK: Final = struct.Struct("<I")
_HEAD_BYTES: Final = _HEAD.size + _CHECK.size


class RecordingError(Exception):
    """A recording cannot be written, read or used; the message says why, for a person."""


class RecordingDamaged(RecordingError):  # noqa: N818 - reads as the fact that it is
    """A recording is not what was written; the message says where."""


class Kind(IntEnum):
    """What a piece is."""

    ABOUT = 1  # of which world this is; the first piece
    START = 2  # a shard's checkpoint, from which its records go on
    RECORDS = 3  # what ticks consumed
    END = 4  # the recording was ended well; the last piece


@attrs.frozen
class Piece:
    """One piece. `at` is where in the file it begins; `data` is None if it was passed over."""

    kind: Kind
    at: int
    first: int
    last: int
    data: bytes | None


class PieceWriter:
    """Writes pieces into a new file, one behind the other. OSError as it comes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._check = 0
        file.write(_LINE)

    def write(self, kind: Kind, data: bytes, *, first: int = 0, last: int = 0) -> None:
        """Write a piece about the ticks `first` to `last`, whole as far as the file knows."""
        check = zlib.crc32(data)
        head = _HEAD.pack(_MAGIC, kind, len(data), first, last, self._check, check)
        self._file.write(head + _CHECK.pack(zlib.crc32(head)) + data)
        self._file.flush()
        self._check = check


class Pieces:
    """Reads the pieces of a file, in order, as often as it is iterated.

    `torn_at` is where the last piece begins that is not all there, once that was read; None if
    there is none. Raises RecordingDamaged.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.torn_at: int | None = None
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        file.seek(0)
        line = file.read(len(_LINE))
        if line != _LINE:
            if line and _LINE.startswith(line):
                raise RecordingDamaged("it is cut short before anything was recorded")
            raise RecordingError("it is no recording of this version")

    def __iter__(self) -> Iterator[Piece]:
        return self._walk(passing_over=False)

    def skim(self) -> Iterator[Piece]:
        """The pieces without their data, which is not looked at."""
        return self._walk(passing_over=True)

    def _walk(self, *, passing_over: bool) -> Iterator[Piece]:
        at, previous, ended = len(_LINE), 0, False
        while at < self._size:
            if ended:
                raise RecordingDamaged(f"it goes on at byte {at} behind its end")
            self._file.seek(at)
            head = self._file.read(_HEAD_BYTES)
            if len(head) < _HEAD_BYTES:
                self.torn_at = at
                return
            kind, length, first, last, chain, check = _read_head(head, at)
            if chain != previous:
                raise RecordingDamaged(f"at byte {at} a piece is missing or out of place")
            if at + _HEAD_BYTES + length > self._size:
                self.torn_at = at
                return
            data = None if passing_over else self._file.read(length)
            if data is not None and zlib.crc32(data) != check:
                raise RecordingDamaged(f"it is damaged within the piece at byte {at}")
            yield Piece(kind, at, first, last, data)
            at += _HEAD_BYTES + length
            previous, ended = check, kind is Kind.END


def _read_head(head: bytes, at: int) -> tuple[Kind, int, int, int, int, int]:
    (check,) = _CHECK.unpack_from(head, _HEAD.size)
    magic, kind, *rest = _HEAD.unpack_from(head)
    known = {each.value for each in Kind}
    if magic != _MAGIC or zlib.crc32(head[: _HEAD.size]) != check or kind not in known:
        raise RecordingDamaged(f"it is damaged at byte {at}")
    length, first, last, chain, data_check = rest
    return Kind(kind), length, first, last, chain, data_check
