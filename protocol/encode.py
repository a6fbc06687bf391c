"""Parts as updates in bytes, from any retained tick or from nothing.

update = [key, head, sections...]: the head tells the age of the baseline (0: keyframe) and what
follows. `protocol/SPEC.md` gives the sections in order. The same state, tick and baseline always
give the same bytes, whoever holds the state (its owner, or a replica that saw every tick), and
however many parts are encoded at once.

Must not know: tables, shards, who receives.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from protocol import limits
from protocol.checksum import checksums, crc_due
from protocol.packing import ARRAY_HEADS, Sheet, array_heads, bytes_heads, concatenated_uints
from protocol.slab import BEFORE, ENTERED, FIELD, JUMPED, NEVER, SPEED, STEP0, TURNED, Slab, bits_of

__all__ = ["CRC", "ENTER", "FIELDS", "LEAVE", "SET", "TURN", "encode_parts"]

Ints = npt.NDArray[np.int64]

CRC, LEAVE, ENTER, TURN, SET, FIELDS = 1, 2, 4, 8, 16, 32

_HEAD_ITEMS: Final = 2
_SIGNED_32: Final = np.dtype("<i4")
_AGE: Final = np.dtype("<u2")

Column = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


def encode_parts(
    slab: Slab, places: Ints, *, tick: int, step: int, since: int | None
) -> tuple[bytes, Ints]:
    """The updates of the parts at `places`, back to back, and their offsets (one more than parts).

    An update of no bytes: there is nothing to say. `since` None is a keyframe for who holds nothing
    of a part; a tick before what is known of a part gives a keyframe for who may hold something.
    """
    return _Encoder(slab, places, tick, step, since).encode()


class _Encoder:
    """One batch. Rows are those of its parts that have news, ordered by part and slot."""

    def __init__(self, slab: Slab, places: Ints, tick: int, step: int, since: int | None) -> None:
        self._slab = slab
        self._places = places
        self._tick = tick
        self._step = step
        self._since = since
        if since is None:
            self._base = np.full(len(places), NEVER)
        else:
            self._base = np.where(slab.known[places] <= since, since, NEVER)
        self._contents = np.zeros(len(places), np.uint64)
        self._items = np.full(len(places), _HEAD_ITEMS)
        self._body = Sheet(len(places))
        of, rows = slab.rows_in(places)
        told = (slab.latest[rows] > self._base[of]).nonzero()[0]
        self._of, self._rows = of[told], rows[told]
        self._bits = bits_of(slab.slot[self._rows])

    def encode(self) -> tuple[bytes, Ints]:
        """All updates."""
        slab = self._slab
        newer = slab.ticks[self._rows] > self._base[self._of][:, None]
        entered = newer[:, ENTERED]
        stayed = ~entered
        self._leaves()
        self._enters(entered)
        heading = None
        if slab.kind.course is not None:
            heading = slab.kind.course.heading
            moved = newer[:, TURNED] & stayed
            unknown = newer[:, BEFORE] | newer[:, JUMPED]
            self._courses(TURN, moved & ~unknown)
            self._courses(SET, moved & unknown)
        for index in range(len(slab.kind.fields)):
            if heading is None or index != heading.field:
                self._changes(index, newer[:, FIELD + index] & stayed)
        return self._woven()

    # --- sections --------------------------------------------------------------------------------

    def _leaves(self) -> None:
        """The slots whose occupant at the baseline has left, with the reasons."""
        since = self._since
        stones = self._slab.tombstones
        if since is None or not len(stones):
            return
        place, slots, entered, left, codes = stones.after(since)
        if not len(place):
            return
        of_place = np.full(len(self._slab.key) + 1, -1)
        of_place[self._places] = np.arange(len(self._places))
        of = of_place[place]
        told = ((of >= 0) & (entered <= self._base[of]) & (self._base[of] < left)).nonzero()[0]
        if not len(told):
            return
        told = told[np.argsort(of[told] * limits.SLOTS + slots[told])]
        parts, firsts, counts = self._grouped(of[told])
        self._note(parts, LEAVE, 2)
        self._body.uints(np.bitwise_or.reduceat(bits_of(slots[told]), firsts), parts)
        self._body.piece(ARRAY_HEADS, *array_heads(counts), parts)
        source, offsets = concatenated_uints(codes[told].astype(np.uint64))
        starts = offsets[firsts]
        self._body.piece(source, starts, offsets[firsts + counts] - starts, parts)

    def _enters(self, mask: Mask) -> None:
        """Everything that is public of the rows in `mask`."""
        section = self._section(ENTER, mask)
        if section is None:
            return
        rows, firsts, counts, parts = section
        kind = self._slab.kind
        columns = [self._slab.ids[rows]]
        columns += [self._relative(index, rows) for index in range(len(kind.fields))]
        if kind.course is not None:
            course = self._slab.course[rows]
            columns += _columns(course[:, :SPEED], _SIGNED_32)
            if kind.course.heading is None:
                columns += _columns(course[:, SPEED:STEP0], kind.course.speed_dtype)
            columns.append(self._ages(course[:, STEP0]).astype(_AGE))
        self._string(columns, firsts, counts, parts)

    def _courses(self, bit: int, mask: Mask) -> None:
        """Courses that changed; ages only for parts where one is not 1."""
        section = self._section(bit, mask)
        if section is None:
            return
        rows, firsts, counts, parts = section
        form = self._slab.kind.course
        assert form is not None
        course = self._slab.course[rows]
        columns = _columns(course[:, :SPEED], _SIGNED_32) if bit == SET else []
        if form.heading is None:
            columns += _columns(course[:, SPEED:STEP0], form.speed_dtype)
        else:
            columns.append(self._relative(form.heading.field, rows))
        ages = self._ages(course[:, STEP0])
        aged = np.logical_or.reduceat(ages != 1, firsts)
        self._string(columns, firsts, counts, parts, ages.astype(_AGE), aged)

    def _changes(self, index: int, mask: Mask) -> None:
        """Values of a field that changed: as differences of one byte where all of a part fit."""
        section = self._section(FIELDS << index, mask)
        if section is None:
            return
        rows, firsts, counts, parts = section
        values = self._relative(index, rows)
        before = self._slab.before.get(index)
        if before is None or self._since != self._tick - 1:
            self._string([values], firsts, counts, parts)
            return
        now = self._slab.values[self._slab.kind.fields[index].name][rows]
        apart = (now - before[rows]).view(now.dtype.str.replace("u", "i"))
        short = apart.astype(np.int8)
        long = np.logical_or.reduceat(short != apart, firsts)
        self._heads(1, values.dtype.itemsize, counts, parts, long)
        self._body.column(short, firsts, np.where(long, 0, counts), parts)
        if long.any():
            self._body.column(values, firsts, np.where(long, counts, 0), parts)

    def _checksums(self) -> Sheet:
        """The CRC's piece, for due parts in which somebody is or of which somebody left."""
        sheet = Sheet(len(self._places))
        due = crc_due(self._tick, self._slab.key[self._places], self._since)
        if due.any():
            told = (self._slab.taken[self._places] > 0) | (self._contents > 0)
            parts = np.flatnonzero(due & told)
            if len(parts):
                self._note(parts, CRC, 1)
                crcs = checksums(self._slab, self._places[parts])
                sheet.uints(np.array(crcs, np.uint64), parts)
        return sheet

    def _woven(self) -> tuple[bytes, Ints]:
        """Heads before bodies, of the parts of which there is something to say."""
        crcs = self._checksums()
        keyframe = self._base == NEVER
        told = self._contents > 0
        if self._since is not None:
            told |= keyframe  # its receiver may hold somebody, even if nobody is there
        parts = None if told.all() else told.nonzero()[0]
        some: Any = slice(None) if parts is None else parts
        head = Sheet(len(self._places))
        usual = ~keyframe[some] & (self._since == self._tick - 1)
        head.piece(ARRAY_HEADS, *array_heads(self._items[some] + ~usual), parts)
        places, slab = self._places[some], self._slab
        starts = places * slab.key_items.shape[1]
        head.piece(slab.key_items.reshape(-1), starts, slab.key_lengths[places], parts)
        self._baselines(head, np.arange(len(self._places))[some], usual)
        head.before(crcs)
        head.before(self._body)
        return head.woven()

    def _baselines(self, head: Sheet, parts: Ints, usual: Mask) -> None:
        """What updates stand on, and their contents: in one number for those that are `usual`."""
        contents = self._contents[parts]
        if usual.any():
            head.negatives(contents[usual], parts[usual])
        other = ~usual
        if other.any():
            base = self._base[parts[other]]
            head.uints(np.where(base == NEVER, 0, self._tick - base), parts[other])
            head.uints(contents[other], parts[other])

    # --- pieces of sections ----------------------------------------------------------------------

    def _section(self, bit: int, mask: Mask) -> tuple[Ints, Ints, Ints, Ints] | None:
        """Begin a section with its bitmaps.

        Gives the rows in `mask`; and of each part that has some, the first of them, how many, and
        which part it is. None if there are no rows.
        """
        chosen = mask.nonzero()[0]
        if not len(chosen):
            return None
        parts, firsts, counts = self._grouped(self._of[chosen])
        self._note(parts, bit, 2)
        self._body.uints(np.bitwise_or.reduceat(self._bits[chosen], firsts), parts)
        return self._rows[chosen], firsts, counts, parts

    def _grouped(self, of: Ints) -> tuple[Ints, Ints, Ints]:
        """The parts in `of` (ascending), where each begins there, and how often it stands there."""
        counts = np.bincount(of, minlength=len(self._places))
        parts = counts.nonzero()[0]
        counts = counts[parts]
        return parts, np.cumsum(counts) - counts, counts

    def _note(self, parts: Ints, bit: int, items: int) -> None:
        self._contents[parts] |= np.uint64(bit)
        self._items[parts] += items

    def _relative(self, index: int, rows: Ints) -> Column:
        """A field's values as they travel: positions count from their cell's corner."""
        field = self._slab.kind.fields[index]
        values = self._slab.values[field.name][rows]
        if field.axis is not None:
            origins = self._slab.origin[self._slab.part[rows], field.axis]
            values -= origins.astype(values.dtype)
        return values

    def _string(
        self,
        columns: list[Column],
        firsts: Ints,
        counts: Ints,
        parts: Ints,
        last: Column | None = None,
        has_last: Mask | None = None,
    ) -> None:
        """A byte string for each of `parts`: columns end to end; `last` only where it is had."""
        size = sum(column.dtype.itemsize for column in columns)
        if last is None or has_last is None or not has_last.any():
            self._body.piece(*bytes_heads(size, counts), parts)
        else:
            self._heads(size, size + last.dtype.itemsize, counts, parts, has_last)
        for column in columns:
            self._body.column(column, firsts, counts, parts)
        if last is not None and has_last is not None and has_last.any():
            self._body.column(last, firsts, np.where(has_last, counts, 0), parts)

    def _heads(self, size: int, other: int, counts: Ints, parts: Ints, is_other: Mask) -> None:
        """Heads of byte strings of `size` bytes an element, or of the `other` size."""
        source, starts, lengths = bytes_heads(size, counts)
        others, other_starts, other_lengths = bytes_heads(other, counts)
        starts = np.where(is_other, other_starts + len(source), starts)
        lengths = np.where(is_other, other_lengths, lengths)
        self._body.piece(np.concatenate((source, others)), starts, lengths, parts)

    def _ages(self, step0: Ints) -> Ints:
        ages: Ints = self._step - step0
        assert not len(ages) or (ages.min() >= 0 and ages.max() < 1 << 16), "an age fits its type"
        return ages


def _columns(table: Ints, dtype: np.dtype[Any]) -> list[Column]:
    """The columns of a table, in the type in which they travel."""
    return list(table.T.astype(dtype, order="C"))
