"""A part's update as bytes, from any retained tick or from nothing.

update = [key, age of the baseline (0: keyframe), contents, sections...]. `protocol/SPEC.md` gives
the sections in order. The same state, tick and baseline always give the same bytes, whoever holds
the state: its owner, or a replica that saw every tick.
"""

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from protocol import cbor, limits
from protocol.slab import Slab

__all__ = ["CRC", "ENTER", "FIELDS", "LEAVE", "SET", "TURN", "checksum", "crc_due", "encode_part"]

CRC, LEAVE, ENTER, TURN, SET, FIELDS = 1, 2, 4, 8, 16, 32
_WEIGHTS = np.uint64(1) << np.arange(limits.SLOTS, dtype=np.uint64)


def crc_due(tick: int, key: Any) -> Any:
    """Whether the updates of a part carry its CRC at `tick`."""
    return (tick + key) % limits.CRC_TICKS == 0


def checksum(slab: Slab, place: int | None) -> int:
    """CRC-32 of a part's occupied slots; an empty part's if `place` is None."""
    if place is None or not slab.count[place]:
        return zlib.crc32(bytes(8))
    rows = slab.rows(place)
    occupied = slab.occupied[rows]
    crc = zlib.crc32(int(_WEIGHTS[occupied].sum()).to_bytes(8, "little"))
    crc = zlib.crc32(slab.ids[rows][occupied].astype("<u8").tobytes(), crc)
    for field in slab.kind.fields:
        crc = zlib.crc32(slab.values[field.name][rows][occupied].tobytes(), crc)
    if slab.kind.course is not None:
        x0, y0, vx, vy, step0 = slab.course[:, rows][:, occupied]
        for column, dtype in ((x0, "<i8"), (y0, "<i8"), (vx, "<i4"), (vy, "<i4"), (step0, "<i8")):
            crc = zlib.crc32(column.astype(dtype).tobytes(), crc)
    return crc


def encode_part(
    slab: Slab,
    place: int,
    origin: tuple[int, int],
    *,
    tick: int,
    step: int,
    since: int | None,
) -> bytes | None:
    """The update of one part; None if there is nothing to say. `since` None is a keyframe.

    `origin` is the corner of the part's cell in wire steps of the kind's plain x and y.
    """
    key = int(slab.key[place])
    if since is not None and since < slab.known[place]:
        since = None
    rows = slab.rows(place)
    occupied = slab.occupied[rows]
    writer = _Writer(slab, place * limits.SLOTS, origin, step)
    if crc_due(tick, key) and slab.alive(place, tick):
        writer.section(CRC, cbor.uint(checksum(slab, place)))
    if since is None:
        if occupied.any():
            writer.enter(occupied)
    else:
        entered = slab.entered[rows] > since
        writer.leave(slab.tombstones.get(place, ()), since)
        if (enters := occupied & entered).any():
            writer.enter(enters)
        writer.changes(rows, occupied & ~entered, since)
        if not writer.contents:
            return None
    age = 0 if since is None else tick - since
    head = (cbor.uint(key), cbor.uint(age), cbor.uint(writer.contents))
    return b"".join((cbor.array_head(3 + writer.items), *head, *writer.pieces))


class _Writer:
    """Collects the sections of one update."""

    def __init__(self, slab: Slab, first: int, origin: tuple[int, int], step: int) -> None:
        self.contents = 0
        self.items = 0
        self.pieces: list[bytes] = []
        self._slab = slab
        self._first = first
        self._origin = origin
        self._step = step

    def section(self, bit: int, *items: bytes) -> None:
        """Add a section with its encoded items."""
        self.contents |= bit
        self.items += len(items)
        self.pieces += items

    def leave(self, stones: Any, since: int) -> None:
        """The slots whose occupant at `since` has left, with the reasons."""
        codes = {s.slot: s.code for s in stones if s.entered <= since < s.left}
        if codes:
            slots = sorted(codes)
            reasons = b"".join(cbor.uint(codes[slot]) for slot in slots)
            self.section(LEAVE, _bitmap(slots), cbor.array_head(len(slots)) + reasons)

    def enter(self, mask: npt.NDArray[np.bool_]) -> None:
        """Everything that is public of the rows in `mask`."""
        slab, slots = self._slab, np.flatnonzero(mask)
        rows = slots + self._first
        columns = [cbor.typed(slab.ids[rows])]
        columns += [self._column(index, rows) for index in range(len(slab.kind.fields))]
        if slab.kind.course is not None:
            columns += [*self._positions(rows), *self._speeds(rows), cbor.typed(self._ages(rows))]
        self.section(ENTER, _bitmap(slots.tolist()), *columns)

    def changes(self, rows: slice, stayed: npt.NDArray[np.bool_], since: int) -> None:
        """What changed after `since` of rows that were there before."""
        slab = self._slab
        if slab.kind.course is not None:
            moved = stayed & (slab.turned[rows] > since)
            if moved.any():
                known = (slab.before[rows] <= since) & (slab.jumped[rows] <= since)
                self._courses(TURN, moved & known)
                self._courses(SET, moved & ~known)
        for index, field in enumerate(slab.kind.fields):
            changed = stayed & (slab.changed[field.name][rows] > since)
            if changed.any():
                slots = np.flatnonzero(changed)
                column = self._column(index, slots + self._first)
                self.section(FIELDS << index, _bitmap(slots.tolist()), column)

    def _courses(self, bit: int, mask: npt.NDArray[np.bool_]) -> None:
        if not mask.any():
            return
        slots = np.flatnonzero(mask)
        rows = slots + self._first
        ages = self._ages(rows)
        age = b"\xf6" if (ages == 1).all() else cbor.typed(ages)
        positions = self._positions(rows) if bit == SET else ()
        self.section(bit, _bitmap(slots.tolist()), *positions, *self._speeds(rows), age)

    def _positions(self, rows: npt.NDArray[np.int64]) -> tuple[bytes, bytes]:
        x0, y0 = self._slab.course[:2, rows].astype("<i4")
        return cbor.typed(x0), cbor.typed(y0)

    def _speeds(self, rows: npt.NDArray[np.int64]) -> tuple[bytes, bytes]:
        course = self._slab.kind.course
        assert course is not None
        vx, vy = self._slab.course[2:4, rows].astype(course.speed_dtype)
        return cbor.typed(vx), cbor.typed(vy)

    def _ages(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
        ages: npt.NDArray[np.uint16] = (self._step - self._slab.course[4, rows]).astype("<u2")
        return ages

    def _column(self, index: int, rows: npt.NDArray[np.int64]) -> bytes:
        field = self._slab.kind.fields[index]
        values = self._slab.values[field.name][rows]
        if field.is_text:
            return cbor.typed(np.frombuffer(values.tobytes(), np.uint8))
        if field.axis is not None:
            values = (values - self._origin[field.axis]).astype(values.dtype)
        return cbor.typed(values)


def _bitmap(slots: list[int]) -> bytes:
    bits = 0
    for slot in slots:
        bits |= 1 << slot
    return cbor.uint(bits)
