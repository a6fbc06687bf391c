"""Whole frames of updates from their bytes into batches, without looking at each update alone.

All updates of a kind are read in lockstep: a cursor for each, and one operation on columns for the
next item of all that have it. This only reads what `protocol.encode` writes (shortest heads, byte
strings of the right lengths). Anything else gives None, and then the strict reader of single
updates judges it; so nothing wrong can be read here, and nothing right is lost.

Must not know: slabs, what is held.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from protocol import limits
from protocol.batch import Batch, Section
from protocol.encode import CRC, ENTER, FIELDS, LEAVE, SET, TURN
from protocol.errors import RemoteProtocolError
from protocol.updates import REASON_MAX, KindForm, SectionForm

__all__ = ["unpack"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_PADDING: Final = 16  # so that reading at the very end stays inside the buffer
_BYTES_AFTER: Final = np.zeros(256, np.int64)  # by a whole number's head; -1: no such head
_BYTES_AFTER[24:28] = 1, 2, 4, 8
_BYTES_AFTER[28:] = -1
_NEGATIVE: Final = 0x20  # in the first byte of an item
_STRING: Final = 0x40
_MAJOR: Final = 0xE0
_DIFFERENCE: Final = np.dtype("i1")


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
    except (_Strange, RemoteProtocolError):
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
        keys = self.uints(everyone).astype(np.int64)
        ages, contents, heads = self._heads(everyone)
        if len(np.unique(keys)) != len(keys):
            raise _Strange  # a part that is told of twice: one after the other
        _require((keys >= 0) & (keys < limits.PART_KEY_MAX))
        found = []
        for kind in np.unique(keys % len(forms)).tolist():
            of = (keys % len(forms) == kind).nonzero()[0]
            reader = _KindReader(self, forms[kind], of)
            rest = items[of] - heads[of]
            found.append((kind, reader.batch(keys[of], ages[of], contents[of], rest)))
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

    def _heads(self, of: Ints) -> tuple[Ints, Ints, Ints]:
        """What updates stand on, what they contain, and how many items have been read then."""
        usual = self.data[self.cursor[of]] & _MAJOR == _NEGATIVE
        ages, contents = np.ones(len(of), np.int64), np.zeros(len(of), np.int64)
        contents[usual] = self.uints(of[usual], _NEGATIVE).astype(np.int64)
        other = ~usual
        if other.any():
            ages[other] = self.uints(of[other]).astype(np.int64)
            _require(ages[other] != 1)
            contents[other] = self.uints(of[other]).astype(np.int64)
        return ages, contents, np.where(usual, 2, 3)

    def uints(self, of: Ints, major: int = 0) -> npt.NDArray[np.uint64]:
        """The number in the heads of the next items of the updates `of`, in their shortest form.

        `major` says what items these must be: whole numbers, unless it is given.
        """
        at = self.cursor[of]
        first = self.data[at] ^ major
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

    def strings(self, of: Ints) -> tuple[Ints, Ints]:
        """The next item of the updates `of`, byte strings: where they begin, and their lengths."""
        lengths = self.uints(of, _STRING).astype(np.int64)
        starts = self.cursor[of]
        self._move(of, lengths)
        return starts, lengths

    def column(self, starts: Ints, dtype: np.dtype[Any], counts: Ints) -> npt.NDArray[Any]:
        """`counts` elements each that lie from `starts` on."""
        size = dtype.itemsize
        ends = np.cumsum(counts)
        firsts = np.repeat(starts - (ends - counts) * size, counts)
        firsts += np.arange(0, len(firsts) * size, size)
        octets = self.data[firsts[:, None] + np.arange(size)]
        column: npt.NDArray[Any] = octets.view(dtype)[:, 0]
        return column

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
        _require((contents >= 0) & (contents & form.forbidden == 0))
        _require((ages >= 0) & (ages <= limits.TICK_MAX))
        _require((ages > 0) | (contents & ~(CRC | ENTER) == 0))
        _require(items == 2 * np.bitwise_count(contents) - (contents & CRC))
        due = (contents & CRC).nonzero()[0]
        crcs = frame.uints(self._of[due]).tolist() if len(due) else []
        batch = Batch(
            keys=keys.tolist(),
            ages=ages,
            keyframes=not ages.all(),
            crc=list(zip(due.tolist(), crcs, strict=True)),
        )
        batch.leave = self._leaves(contents & LEAVE)
        enter = self._columns(contents & ENTER, form.enter)
        if enter is not None:
            batch.enter, _, _ = enter
            batch.enter.columns = form.entered(batch.enter.columns)
        batch.turn = self._courses(contents & TURN, form.turn)
        batch.set = self._courses(contents & SET, form.set)
        for index in range(len(form.fields)):
            section = self._field(contents & FIELDS << index, index)
            if section is not None:
                batch.fields[index] = section
        return batch

    def _leaves(self, has: Ints) -> Section | None:
        found = self._bitmaps(has)
        if found is None:
            return None
        of, bitmaps, counts = found
        return Section(of, bitmaps, [self._frame.reasons(self._of[of], counts)])

    def _columns(
        self, has: Ints, form: SectionForm, other: SectionForm | None = None
    ) -> tuple[Section, Ints, Mask] | None:
        """A section, where its strings go on after that, and whose are of the `other` form."""
        found = self._bitmaps(has)
        if found is None:
            return None
        of, bitmaps, counts = found
        starts, lengths = self._frame.strings(self._of[of])
        is_other = lengths != form.size * counts
        if other is None:
            _require(~is_other)
        else:
            _require(~is_other | (lengths == other.size * counts))
        columns = []
        for dtype in form.columns:
            columns.append(self._frame.column(starts, dtype, counts))
            starts = starts + dtype.itemsize * counts
        return Section(of, bitmaps, columns), starts, is_other

    def _courses(self, has: Ints, form: SectionForm) -> Section | None:
        assert form.last is not None
        with_ages = SectionForm((*form.columns, form.last))
        found = self._columns(has, form, with_ages)
        if found is None:
            return None
        section, rest, aged = found
        counts = np.bitwise_count(section.bitmaps).astype(np.int64)
        ages = np.ones(int(counts.sum()), form.last)
        if aged.any():
            told = self._frame.column(rest[aged], form.last, counts[aged])
            ages[np.repeat(aged, counts)] = told
        section.columns = self._form.steered([*section.columns, ages])
        return section

    def _field(self, has: Ints, index: int) -> Section | None:
        form = self._form.fields[index]
        if not self._form.wide[index]:
            found = self._columns(has, form)
            return None if found is None else found[0]
        bitmaps = self._bitmaps(has)
        if bitmaps is None:
            return None
        of, bits, counts = bitmaps
        starts, lengths = self._frame.strings(self._of[of])
        long = lengths == form.size * counts
        _require(long | (lengths == counts))
        (dtype,) = form.columns
        if long.all():
            return Section(of, bits, [self._frame.column(starts, dtype, counts)])
        short = ~long
        differs = np.repeat(short, counts)
        column = np.zeros(len(differs), dtype)
        told = self._frame.column(starts[short], _DIFFERENCE, counts[short])
        column[differs] = told.astype(dtype)
        if long.any():
            column[~differs] = self._frame.column(starts[long], dtype, counts[long])
        return Section(of, bits, [column, differs])

    def _bitmaps(self, has: Ints) -> tuple[Ints, npt.NDArray[np.uint64], Ints] | None:
        """The updates that have a section, their bitmaps, and how many slots are in each."""
        of = has.nonzero()[0]
        if not len(of):
            return None
        bitmaps = self._frame.uints(self._of[of])
        _require(bitmaps > 0)
        return of, bitmaps, np.bitwise_count(bitmaps).astype(np.int64)


def _require(condition: Mask) -> None:
    if not condition.all():
        raise _Strange
