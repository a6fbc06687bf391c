"""A recording: of which world it is, where each shard began, and what its ticks consumed.

It holds no state but the beginning: everything after that follows from the records. It is read
piece by piece, as often as needed, and never as a whole; one in memory is read in the same way.

Error handling: RecordingDamaged, and RecordingError for what is no recording at all.
Must not know: shards, trio.
"""

import heapq
import io
import json
import shutil
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import attrs

from protocol.errors import ProtocolError
from protocol.geometry import Geometry
from server.recording.pieces import (
    Kind,
    Piece,
    Pieces,
    PieceWriter,
    RecordingDamaged,
    RecordingError,
)

__all__ = ["About", "Kept", "Recording", "RecordingWriter", "write_all"]

_ROW: Final = struct.Struct("<II")  # shard, length
_SHARD: Final = struct.Struct("<I")
_PIECE_BYTES_MAX: Final = 1 << 30  # of a piece's data when it is unpacked; more is no recording
_PIECE_RECORDS: Final = 64  # records in a piece, where they are all there already
_LEVEL: Final = 1  # of compression: nearly as small as the best, in a tenth of the time


@attrs.frozen
class About:
    """Of which world a recording is.

    `module` names its game as `module:variable`, "" if that is not known; `code` is the code that
    ran (`Game.code`); `identity` describes the world as a store does.
    """

    module: str
    code: str
    identity: Mapping[str, Any]

    @property
    def world(self) -> str:
        """The world's name."""
        return str(self.identity["world"])

    @property
    def game(self) -> str:
        """The game's own name."""
        return str(self.identity["game"])

    @property
    def seed(self) -> int:
        """The seed of the world's chance."""
        return int(self.identity["seed"])

    @property
    def hz(self) -> int:
        """Ticks in a second."""
        return int(self.identity["hz"])

    @property
    def geometry(self) -> Geometry:
        """How the world is cut. Raises RecordingDamaged if that makes no sense."""
        try:
            return Geometry.from_data(self.identity["geometry"])
        except ProtocolError as error:
            raise RecordingDamaged(str(error)) from None

    def encode(self) -> bytes:
        """The whole as JSON."""
        told = {"module": self.module, "code": self.code, "identity": dict(self.identity)}
        return json.dumps(told).encode()

    @classmethod
    def decode(cls, data: bytes) -> "About":
        """What `encode` gave; RecordingDamaged if it is something else."""
        try:
            told = json.loads(data)
            about = cls(str(told["module"]), str(told["code"]), dict(told["identity"]))
            _ = about.world, about.game, about.seed, about.hz, about.identity["geometry"]
        except (ValueError, TypeError, LookupError):
            raise RecordingDamaged("it does not say of which world it is") from None
        return about


@attrs.frozen
class Kept:
    """What one tick of a shard consumed: its record, as bytes."""

    shard: int
    tick: int
    data: bytes


class RecordingWriter:
    """Writes a recording into a file. OSError as it comes.

    `starts` are the checkpoints of those shards that do not begin from the world's seed.
    """

    def __init__(self, file: BinaryIO, about: About, starts: Mapping[int, bytes]) -> None:
        self._pieces = PieceWriter(file)
        self._pieces.write(Kind.ABOUT, about.encode())
        for shard, checkpoint in starts.items():
            data = zlib.compress(checkpoint, _LEVEL)
            self._pieces.write(Kind.START, _SHARD.pack(shard) + data)

    def write(self, kept: Sequence[Kept]) -> None:
        """Write records as one piece; those of a shard in the order of its ticks."""
        if not kept:
            return
        rows = b"".join(_ROW.pack(each.shard, len(each.data)) + each.data for each in kept)
        ticks = [each.tick for each in kept]
        data = zlib.compress(rows, _LEVEL)
        self._pieces.write(Kind.RECORDS, data, first=min(ticks), last=max(ticks))

    def end(self) -> None:
        """Say that this is all."""
        self._pieces.write(Kind.END, b"")


def write_all(writer: RecordingWriter, shards: Iterable[Iterable[Kept]]) -> None:
    """Write all records of some shards, each in the order of its ticks, and end."""
    piece: list[Kept] = []
    for kept in heapq.merge(*shards, key=lambda each: each.tick):
        piece.append(kept)
        if len(piece) >= _PIECE_RECORDS:
            writer.write(piece)
            piece = []
    writer.write(piece)
    writer.end()


class Recording:
    """A recording to read. `shortfall` says why its end is missing, "" if it is not.

    `first` and `last` are the ticks of its first and last record, 0 if there are none. `starts` are
    the checkpoints of those shards that do not begin from the world's seed.
    """

    def __init__(self, name: str, opened: Callable[[], BinaryIO]) -> None:
        self.name = name
        self._opened = opened
        with _naming(self.name), opened() as file:
            pieces = Pieces(file)
            self.about, self.starts = _beginning(pieces)
            kinds = list(pieces.skim())
        spans = [piece for piece in kinds if piece.kind is Kind.RECORDS]
        self.first = min((piece.first for piece in spans), default=0)
        self.last = max((piece.last for piece in spans), default=0)
        self.shortfall = ""
        if pieces.torn_at is not None:
            self.shortfall = (
                f"{name} is cut short at byte {pieces.torn_at}, within a piece; it is replayed up "
                f"to the last whole one, tick {self.last}"
            )
        elif kinds[-1].kind is not Kind.END:
            self.shortfall = (
                f"{name} was not ended (a crash, or it is still being written); it is replayed up "
                f"to tick {self.last}"
            )

    @classmethod
    def open(cls, path: Path) -> Self:
        """The recording in a file. RecordingError also when there is no such file."""
        try:
            return cls(path.name, lambda: path.open("rb"))
        except OSError as error:
            raise RecordingError(f"{str(path)!r} cannot be read: {error.strerror}") from None

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "the recording") -> Self:
        """A recording in memory."""
        return cls(name, lambda: io.BytesIO(data))

    def pieces(self) -> Iterator[list[tuple[int, bytes]]]:
        """The records in the order in which they were written, as (shard, record), a piece each."""
        with _naming(self.name), self._opened() as file:
            for piece in Pieces(file):
                if piece.kind is Kind.RECORDS:
                    yield _records(piece)

    def copy(self, target: BinaryIO) -> None:
        """Write all of it into another file."""
        with self._opened() as file:
            shutil.copyfileobj(file, target)

    def save(self, path: Path) -> None:
        """Write all of it into a file of that name."""
        with path.open("wb") as target:
            self.copy(target)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Errors within say of which recording they are."""
    try:
        yield
    except RecordingError as error:
        raise type(error)(f"{name}: {error}") from error


def _beginning(pieces: Pieces) -> tuple[About, dict[int, bytes]]:
    about: About | None = None
    starts: dict[int, bytes] = {}
    for piece in pieces:
        assert piece.data is not None
        if (piece.kind is Kind.ABOUT) != (about is None):
            raise RecordingDamaged(f"the piece at byte {piece.at} does not belong there")
        if piece.kind is Kind.ABOUT:
            about = About.decode(piece.data)
        elif piece.kind is Kind.START:
            if len(piece.data) < _SHARD.size:
                raise RecordingDamaged(f"the piece at byte {piece.at} makes no sense")
            (shard,) = _SHARD.unpack_from(piece.data)
            starts[shard] = _unpacked(piece, piece.data[_SHARD.size :])
        else:
            break
    if about is None:
        raise RecordingDamaged("it is cut short before anything was recorded")
    return about, starts


def _records(piece: Piece) -> list[tuple[int, bytes]]:
    assert piece.data is not None
    rows = _unpacked(piece, piece.data)
    found, at = [], 0
    while at < len(rows):
        if at + _ROW.size > len(rows):
            raise RecordingDamaged(f"the piece at byte {piece.at} makes no sense")
        shard, length = _ROW.unpack_from(rows, at)
        at += _ROW.size + length
        if at > len(rows):
            raise RecordingDamaged(f"the piece at byte {piece.at} makes no sense")
        found.append((shard, rows[at - length : at]))
    return found


def _unpacked(piece: Piece, data: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    try:
        found = unpacking.decompress(data, _PIECE_BYTES_MAX)
    except zlib.error:
        found = b""
    if not unpacking.eof:
        raise RecordingDamaged(f"the piece at byte {piece.at} makes no sense")
    return found
