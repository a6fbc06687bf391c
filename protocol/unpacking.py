"""Whole frames of updates from their bytes into batches, without looking at each update alone.

All updates of a kind are read in lockstep: a cursor for each, and one operation on columns for the
next item of all that have it. This only reads what `protocol.encode` writes (shortest heads, typed
arrays of the right types and lengths). Anything else gives None, and then the strict reader of
single updates judges it; so nothing wrong can be read here, and nothing right is lost.

Must not know: slabs, what is held.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from protocol import cbor, limits
from protocol.batch import Batch, Section
from protocol.encode import CRC, ENTER, FIELDS, LEAVE, SET, TURN
from protocol.updates import REASON_MAX, KindForm

__all__ = ["unpack"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_PADDING: Final = 16  # so that reading at the very end stays inside the buffer
_BYTES_AFTER: Final = np.zeros(256, np.int64)  # by a whole number's head; -1: no such head
_BYTES_AFTER[24:28] = 1, 2, 4, 8
_BYTES_AFTER[28:] = -1
_NULL: Final = 0xF6
_U16, _I32 = np.dtype("<u2"), np.dtype("<i4")


class _Strange(Exception):  # noqa: N818 - it never leaves this module
    """The bytes are not what `protocol.encode` writes."""


def unpack(
    forms: Sequence[KindForm], blob: bytes, offsets: npt.NDArray[Any]
) -> list[tuple[int, Batch]] | None:
    """Batches with their kinds; None if a strict reader must judge the updates.

    `offsets` (one more than updates, ascending) say where in `blob` each update lies.
    """
    try:
        return _Frame(blob, offsets).batches(forms)
    except _Strange:
        return None


class _Frame:
    def __init__(self, blob: bytes, offsets: npt.NDArray[Any]) -> None:
        self.data = np.frombuffer(blob + bytes(_PADDING), np.uint8)
        self.cursor = offsets[:-1].astype(np.int64)
        self.ends = offsets[1:].astype(np.int64)

    def batches(self, forms: Sequence[KindForm]) -> list[tuple[int, Batch]]:
        """One batch for each kind that occurs."""
        everyone = np.arange(len(self.cursor))
        items = self._array_heads(everyone)
        keys, ages, contents = (self.uints(everyone).astype(np.int64) for _ in range(3))
        if len(np.unique(keys)) != len(keys):
            raise _Strange  # a part that is told of twice: one after the other
        _require((keys >= 0) & (keys < limits.PART_KEY_MAX))
        found = []
        for kind in np.unique(keys % len(forms)).tolist():
            of = (keys % len(forms) == kind).nonzero()[0]
            reader = _KindReader(self, forms[kind], of)
            found.append((kind, reader.batch(keys[of], ages[of], contents[of], items[of])))
        _require(self.cursor == self.ends)
        return found

    def _array_heads(self, of: Ints) -> Ints:
        """The lengths of arrays, as far as updates go."""
        first = self.data[self.cursor[of]]
        long = first == 0x98
        _require(long | ((first >= 0x80) & (first < 0x98)))
        counts = np.where(long, self.data[self.cursor[of] + 1], first & 0x1F).astype(np.int64)
        _require(~long | (counts >= 24))
        self._move(of, 1 + long)
        return counts

    def uints(self, of: Ints) -> npt.NDArray[np.uint64]:
        """The next item of the updates `of`: a whole number in its shortest form."""
        at = self.cursor[of]
        first = self.data[at]
        after = _BYTES_AFTER[first]
        values = first.astype(np.uint64)
        long = after.nonzero()[0]
        if len(long):
            widths = after[long]
            _require(widths > 0)
            eight = self.data[(at[long] + 1)[:, None] + np.arange(8)].view(">u8")[:, 0]
            shifted = eight.astype(np.uint64) >> (64 - 8 * widths).astype(np.uint64)
            least = np.where(widths == 1, 24, 1 << 4 * np.minimum(widths, 8))
            _require(shifted >= least.astype(np.uint64))
            values[long] = shifted
        self._move(of, 1 + after)
        return values

    def column(self, of: Ints, dtype: np.dtype[Any], counts: Ints) -> npt.NDArray[Any]:
        """The next item of the updates `of`: a typed array of `counts` elements each."""
        tag = cbor.typed(np.zeros(0, np.uint8 if dtype.kind == "S" else dtype))[1]
        at, sizes = self.cursor[of], counts * dtype.itemsize
        data = self.data
        _require((data[at] == 0xD8) & (data[at + 1] == tag))
        short, middle = sizes < 24, sizes < 256
        head = np.where(short, 0x40 | sizes, np.where(middle, 0x58, 0x59))
        _require(data[at + 2] == head)
        second = np.where(middle, sizes, sizes >> 8)
        _require(short | (data[at + 3] == second))
        _require(middle | (data[at + 4] == sizes & 0xFF))
        heads = 3 + ~short + ~middle
        self._move(of, heads + sizes)
        ends = np.cumsum(counts)
        starts = np.repeat(at + heads - (ends - counts) * dtype.itemsize, counts)
        starts += np.arange(0, len(starts) * dtype.itemsize, dtype.itemsize)
        octets = data[starts[:, None] + np.arange(dtype.itemsize)]
        column: npt.NDArray[Any] = octets.view(dtype)[:, 0]
        return column

    def nulls(self, of: Ints) -> Mask:
        """Whether the next item of the updates `of` is null; such nulls are passed."""
        null: Mask = self.data[self.cursor[of]] == _NULL
        self._move(of, null)
        return null

    def reasons(self, of: Ints, counts: Ints) -> Ints:
        """The next item of the updates `of`: arrays of `counts` reasons."""
        _require(self._array_heads(of) == counts)
        firsts = np.cumsum(counts) - counts
        reasons = np.zeros(int(counts.sum()), np.uint64)
        for index in range(int(counts.max())):
            some = (counts > index).nonzero()[0]
            reasons[firsts[some] + index] = self.uints(of[some])
        _require(reasons <= REASON_MAX)
        return reasons.astype(np.int64)

    def _move(self, of: Ints, by: npt.NDArray[Any]) -> None:
        """Go on, but never beyond the update."""
        ahead = self.cursor[of] + by
        _require(ahead <= self.ends[of])
        self.cursor[of] = ahead


class _KindReader:
    """Reads the sections of the updates `of`, all of one kind."""

    def __init__(self, frame: _Frame, form: KindForm, of: Ints) -> None:
        self._frame = frame
        self._form = form
        self._of = of

    def batch(self, keys: Ints, ages: Ints, contents: Ints, items: Ints) -> Batch:
        form, frame = self._form, self._frame
        _require(contents & form.forbidden == 0)
        _require((ages >= 0) & (ages <= limits.TICK_MAX))
        _require((ages > 0) | (contents & ~(CRC | ENTER) == 0))
        _require(items == self._expected(contents))
        due = (contents & CRC).nonzero()[0]
        crcs = frame.uints(self._of[due]).tolist() if len(due) else []
        batch = Batch(
            keys=keys.tolist(),
            ages=ages,
            keyframes=not ages.all(),
            crc=list(zip(due.tolist(), crcs, strict=True)),
        )
        batch.leave = self._section(contents & LEAVE, ())
        if batch.leave is not None:
            counts = np.bitwise_count(batch.leave.bitmaps).astype(np.int64)
            batch.leave.columns.append(frame.reasons(self._of[batch.leave.of], counts))
        batch.enter = self._section(contents & ENTER, form.enter)
        batch.turn = self._courses(contents & TURN, form.turn)
        batch.set = self._courses(contents & SET, form.set)
        for index, dtype in enumerate(form.fields):
            section = self._section(contents & FIELDS << index, (dtype,))
            if section is not None:
                batch.fields[index] = section
        return batch

    def _expected(self, contents: Ints) -> Ints:
        """How many items updates of such contents have."""
        count = np.full(len(contents), 3)
        for place, items in enumerate(self._form.items):
            count += items * (contents >> place & 1)
        return count

    def _section(self, has: Ints, dtypes: tuple[np.dtype[Any], ...]) -> Section | None:
        of = has.nonzero()[0]
        if not len(of):
            return None
        bitmaps = self._frame.uints(self._of[of])
        _require(bitmaps > 0)
        counts = np.bitwise_count(bitmaps).astype(np.int64)
        columns = [self._frame.column(self._of[of], dtype, counts) for dtype in dtypes]
        return Section(of, bitmaps, columns)

    def _courses(self, has: Ints, dtypes: tuple[np.dtype[Any], ...]) -> Section | None:
        section = self._section(has, dtypes)
        if section is None:
            return None
        counts = np.bitwise_count(section.bitmaps).astype(np.int64)
        plain = self._frame.nulls(self._of[section.of])
        ages = np.ones(int(counts.sum()), np.uint16)
        if not plain.all():
            aged = section.of[~plain]
            told = self._frame.column(self._of[aged], _U16, counts[~plain])
            ages[np.repeat(~plain, counts)] = told
        section.columns.append(ages)
        return section


def _require(condition: Mask) -> None:
    if not condition.all():
        raise _Strange
