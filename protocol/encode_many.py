"""Many parts of one kind as updates, on columns: the same bytes as `encode_part`, part by part.

A shard tells of hundreds of parts each tick, most of which changed in one or two rows. So each
section is worked out once for all parts together; what is left to do for each part is cutting its
bytes out and putting a head before them.

Invariant: `encode_parts` gives exactly what `encode_part` gives, which the tests compare.

Must not know: who receives.
"""

from functools import lru_cache
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from protocol import cbor, limits
from protocol.encode import CRC, ENTER, FIELDS, LEAVE, SET, TURN, checksum, crc_due
from protocol.slab import Slab

__all__ = ["encode_parts"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]  # a row for each part, a column for each slot

_SLOTS = limits.SLOTS
_NULL = b"\xf6"


@attrs.frozen(eq=False)
class _Column:
    """Values of all rows of a section, back to back; `size` bytes a row."""

    code: np.dtype[Any]
    size: int
    data: bytes

    def cut(self, start: int, end: int) -> bytes:
        """The encoded typed array of the rows `start` to `end`."""
        first, last = start * self.size, end * self.size
        return _typed_head(self.code, last - first) + self.data[first:last]


def encode_parts(
    slab: Slab, places: Ints, origins: Ints, *, tick: int, step: int, since: int | None
) -> list[bytes | None]:
    """The updates of the parts at `places`; None for those of which there is nothing to say.

    `origins` int64[2, parts] are the corners of their cells in wire steps of plain x and y.
    """
    return _Encoder(slab, places, origins, tick, step, since).encode()


class _Encoder:
    """Collects the sections of many updates, in the order of the wire."""

    def __init__(
        self, slab: Slab, places: Ints, origins: Ints, tick: int, step: int, since: int | None
    ) -> None:
        self._slab = slab
        self._places = places
        self._origins = origins
        self._tick = tick
        self._step = step
        # Without a baseline everything is newer than it, so one comparison serves both.
        self._since = -2 if since is None else since
        self._keyframe = slab.known[places] > self._since
        if since is None:
            self._keyframe[:] = True
        self._contents = [0] * len(places)
        self._items = [3] * len(places)
        self._pieces: list[list[bytes]] = [[] for _ in range(len(places))]

    def encode(self) -> list[bytes | None]:
        slab, since = self._slab, self._since
        occupied = self._of(slab.occupied)
        entered = self._of(slab.entered) > since
        entered |= self._keyframe[:, None]
        self._checksums()
        self._leaves()
        self._enters(occupied & entered)
        stayed = occupied & ~entered
        if slab.kind.course is not None:
            moved = stayed & (self._of(slab.turned) > since)
            if moved.any():
                known = (self._of(slab.before) <= since) & (self._of(slab.jumped) <= since)
                self._courses(TURN, moved & known)
                self._courses(SET, moved & ~known)
        for index, field in enumerate(slab.kind.fields):
            changed = stayed & (self._of(slab.changed[field.name]) > since)
            if changed.any():
                self._section(FIELDS << index, changed, [self._column(index, *self._rows(changed))])
        return self._updates()

    # --- sections --------------------------------------------------------------------------------

    def _checksums(self) -> None:
        slab = self._slab
        for part in np.flatnonzero(crc_due(self._tick, slab.key[self._places])).tolist():
            place = int(self._places[part])
            if slab.alive(place, self._tick):
                self._add(part, CRC, cbor.uint(checksum(slab, place)))

    def _leaves(self) -> None:
        stones_of, since = self._slab.tombstones, self._since
        for part, place in enumerate(self._places.tolist()):
            stones = stones_of.get(place)
            if stones is None or stones[-1].left <= since or self._keyframe[part]:
                continue
            codes = {s.slot: s.code for s in stones if s.entered <= since < s.left}
            if codes:
                slots = sorted(codes)
                bitmap = sum(1 << slot for slot in slots)
                reasons = b"".join(cbor.uint(codes[slot]) for slot in slots)
                self._add(part, LEAVE, cbor.uint(bitmap), cbor.array_head(len(slots)) + reasons)

    def _enters(self, mask: Mask) -> None:
        if not mask.any():
            return
        slab = self._slab
        parts, rows = self._rows(mask)
        columns = [_column(slab.ids[rows])]
        columns += [self._column(index, parts, rows) for index in range(len(slab.kind.fields))]
        if slab.kind.course is not None:
            columns += [*self._positions(rows), *self._speeds(rows), _column(self._ages(rows))]
        self._section(ENTER, mask, columns)

    def _courses(self, bit: int, mask: Mask) -> None:
        if not mask.any():
            return
        parts, rows = self._rows(mask)
        positions = self._positions(rows) if bit == SET else []
        ages = self._ages(rows)
        old = np.zeros(len(mask), bool)
        old[parts[ages != 1]] = True
        self._section(bit, mask, [*positions, *self._speeds(rows)], _column(ages), old.tolist())

    def _section(
        self,
        bit: int,
        mask: Mask,
        columns: list[_Column],
        ages: _Column | None = None,
        aged: list[bool] | None = None,
    ) -> None:
        """Add a section to every part with rows in `mask`; `ages` only to those that are `aged`."""
        counts = mask.sum(axis=1)
        parts = np.flatnonzero(counts)
        ends = np.cumsum(counts[parts]).tolist()
        bitmaps = np.packbits(mask[parts], axis=1, bitorder="little").view("<u8")[:, 0].tolist()
        start = 0
        for part, end, bitmap in zip(parts.tolist(), ends, bitmaps, strict=True):
            pieces = self._pieces[part]
            pieces.append(cbor.uint(bitmap))
            for column in columns:
                pieces.append(column.cut(start, end))
            if ages is not None and aged is not None:
                pieces.append(ages.cut(start, end) if aged[part] else _NULL)
            self._contents[part] |= bit
            self._items[part] += 1 + len(columns) + (ages is not None)
            start = end

    def _add(self, part: int, bit: int, *items: bytes) -> None:
        self._contents[part] |= bit
        self._items[part] += len(items)
        self._pieces[part] += items

    def _updates(self) -> list[bytes | None]:
        updates: list[bytes | None] = []
        age = cbor.uint(max(self._tick - self._since, 0))
        keys = self._slab.key[self._places].tolist()
        keyframe = self._keyframe.tolist()
        for part, contents in enumerate(self._contents):
            if not contents and not keyframe[part]:
                updates.append(None)
                continue
            head = (
                cbor.array_head(self._items[part]),
                cbor.uint(keys[part]),
                b"\0" if keyframe[part] else age,
                cbor.uint(contents),
            )
            updates.append(b"".join((*head, *self._pieces[part])))
        return updates

    # --- columns ---------------------------------------------------------------------------------

    def _of(self, column: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A column of the slab as a table: a row for each part."""
        of: npt.NDArray[Any] = column.reshape(-1, _SLOTS)[self._places]
        return of

    def _rows(self, mask: Mask) -> tuple[Ints, Ints]:
        """Of each set place in `mask`, in order: which part it is in, and its row of the slab."""
        parts, slots = np.nonzero(mask)
        return parts, self._places[parts] * _SLOTS + slots

    def _column(self, index: int, parts: Ints, rows: Ints) -> _Column:
        field = self._slab.kind.fields[index]
        values = self._slab.values[field.name][rows]
        if field.is_text:
            return _Column(np.dtype(np.uint8), field.text_bytes, values.tobytes())
        if field.axis is not None:
            values = (values - self._origins[field.axis, parts]).astype(values.dtype)
        return _column(values)

    def _positions(self, rows: Ints) -> list[_Column]:
        return [_column(column) for column in self._slab.course[:2, rows].astype("<i4")]

    def _speeds(self, rows: Ints) -> list[_Column]:
        course = self._slab.kind.course
        assert course is not None
        speeds = self._slab.course[2:4, rows].astype(course.speed_dtype)
        return [_column(column) for column in speeds]

    def _ages(self, rows: Ints) -> npt.NDArray[np.uint16]:
        ages: npt.NDArray[np.uint16] = (self._step - self._slab.course[4, rows]).astype("<u2")
        return ages


def _column(values: npt.NDArray[Any]) -> _Column:
    return _Column(values.dtype, values.dtype.itemsize, values.tobytes())


@lru_cache(maxsize=1 << 12)
def _typed_head(code: np.dtype[Any], length: int) -> bytes:
    """The head of a typed array of `length` bytes."""
    return cbor.typed(np.zeros(0, code))[:2] + cbor.bytes_head(length)
