"""Many updates of one tick applied on columns: the same state as `apply_update`, one by one.

A receiver of whole frames applies hundreds of updates each tick, most of which say one thing of
one row. So updates are read one by one, strictly, and each section is then done once for all parts
of a kind together.

Invariant: nothing has changed when an update does not fit; whoever wants to know which one it was
applies them singly.

Must not know: sockets, shards, entity indexes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from protocol import courses, limits
from protocol.apply import Report, Unsynced, Update, check_crc, clear_part
from protocol.slab import Slab

__all__ = ["apply_updates"]

Ints = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint64]

_SLOTS = limits.SLOTS


def apply_updates(
    slab: Slab,
    updates: Sequence[Update],
    cells: Sequence[int],
    origins: Ints,
    *,
    tick: int,
    step: int,
    report: Report,
) -> None:
    """Do what checked updates of different parts of one kind say.

    `cells` and `origins` int64[2, N] are those of the updates' parts. Raises Unsynced, before
    anything is done, if one of them stands on what is not there.
    """
    _Batch(slab, updates, cells, origins, tick, step, report).apply()


class _Batch:
    """Updates with the places of their parts, -1 for a part that is not there."""

    def __init__(
        self,
        slab: Slab,
        updates: Sequence[Update],
        cells: Sequence[int],
        origins: Ints,
        tick: int,
        step: int,
        report: Report,
    ) -> None:
        self._slab = slab
        self._updates = updates
        self._cells = cells
        self._origins = origins
        self._tick = tick
        self._step = step
        self._report = report
        self._places = np.array([slab.place.get(u.key, -1) for u in updates], np.int64)

    def apply(self) -> None:
        self._check_baselines()
        self._prepare_parts()
        self._leave()
        self._enter()
        self._turn()
        self._set()
        for index in range(len(self._slab.kind.fields)):
            self._change(index)
        for update, place in zip(self._updates, self._places.tolist(), strict=True):
            if update.crc is not None:
                check_crc(self._slab, place if place >= 0 else None, update, self._report)

    # --- before anything is done -----------------------------------------------------------------

    def _check_baselines(self) -> None:
        updates = self._updates
        occupied = self._occupancy()
        left = _bits([u.leave[0] if u.leave else 0 for u in updates])
        if (left & ~occupied).any():
            raise Unsynced("somebody leaves who is not there")
        occupied &= ~left
        if (_bits([u.enter[0] if u.enter else 0 for u in updates]) & occupied).any():
            raise Unsynced("somebody enters where another is")
        changed = _bits(
            [(u.turn[0] if u.turn else 0) | (u.set[0] if u.set else 0) for u in updates]
        )
        for place, update in enumerate(updates):
            for _, bitmap, _ in update.fields:
                changed[place] |= np.uint64(bitmap)
        if (changed & ~occupied).any():
            raise Unsynced("somebody changes who is not there")

    def _occupancy(self) -> Bits:
        """Which slots of each update's part are occupied in what the update stands on."""
        there = self._slab.occupied.reshape(-1, _SLOTS)[self._places]
        bits: Bits = np.packbits(there, axis=1, bitorder="little").view("<u8")[:, 0]
        nothing = [u.age == 0 for u in self._updates]
        bits[nothing | (self._places < 0)] = 0
        return bits

    # --- doing it --------------------------------------------------------------------------------

    def _prepare_parts(self) -> None:
        slab = self._slab
        for number, update in enumerate(self._updates):
            if self._places[number] < 0 and (update.enter is not None or update.age == 0):
                self._places[number] = slab.part(update.key, self._cells[number])
            if update.age == 0:
                clear_part(slab, int(self._places[number]), self._tick, self._report)

    def _leave(self) -> None:
        slab, report = self._slab, self._report
        for number, update in enumerate(self._updates):
            if update.leave is None:
                continue
            bitmap, codes = update.leave
            first = int(self._places[number]) * _SLOTS
            slots = [slot for slot in range(_SLOTS) if bitmap >> slot & 1]
            for slot, code in zip(slots, codes, strict=True):
                report.left.append((int(slab.ids[first + slot]), code))
                slab.leave(first + slot, self._tick, code)

    def _enter(self) -> None:
        rows, who, columns = self._gather(lambda update: update.enter)
        if rows is None:
            return
        slab, tick = self._slab, self._tick
        ids = np.concatenate(columns[0])
        slab.ids[rows] = ids
        slab.occupied[rows] = True
        for ticks in (slab.entered, slab.turned, slab.before, slab.jumped, *slab.changed.values()):
            ticks[rows] = tick
        slab.count += np.bincount(rows // _SLOTS, minlength=len(slab.count))
        slab.touched[rows // _SLOTS] = tick
        for index, field in enumerate(slab.kind.fields):
            values = np.concatenate(columns[1 + index])
            slab.values[field.name][rows] = self._absolute(index, values, who)
        if slab.kind.course is not None:
            for row, column in enumerate(columns[-5:-1]):
                slab.course[row, rows] = np.concatenate(column)
            slab.course[4, rows] = self._step - np.concatenate(columns[-1]).astype(np.int64)
        self._report.entered += ids.tolist()

    def _turn(self) -> None:
        rows, _, columns = self._gather(lambda update: update.turn)
        if rows is None:
            return
        slab = self._slab
        form = slab.kind.course
        assert form is not None
        course = slab.course
        begins = self._step - _ages(columns[2], columns[0])
        x0, y0, old_vx, old_vy, step0 = course[:, rows]
        course[0, rows] = courses.evaluate(x0, old_vx, begins - step0, form.num, form.den)
        course[1, rows] = courses.evaluate(y0, old_vy, begins - step0, form.num, form.den)
        course[2, rows] = np.concatenate(columns[0])
        course[3, rows] = np.concatenate(columns[1])
        course[4, rows] = begins
        self._turned(rows)
        self._report.turned += slab.ids[rows].tolist()

    def _set(self) -> None:
        rows, _, columns = self._gather(lambda update: update.set)
        if rows is None:
            return
        slab = self._slab
        for row, column in enumerate(columns[:4]):
            slab.course[row, rows] = np.concatenate(column)
        slab.course[4, rows] = self._step - _ages(columns[4], columns[0])
        self._turned(rows)
        slab.jumped[rows] = self._tick
        self._report.set += slab.ids[rows].tolist()

    def _turned(self, rows: Ints) -> None:
        slab = self._slab
        slab.before[rows] = slab.turned[rows]
        slab.turned[rows] = self._tick
        slab.touched[rows // _SLOTS] = self._tick

    def _change(self, index: int) -> None:
        def changes(update: Update) -> tuple[int, list[Any]] | None:
            for field, bitmap, column in update.fields:
                if field == index:
                    return bitmap, [column]
            return None

        rows, who, columns = self._gather(changes)
        if rows is None:
            return
        slab = self._slab
        name = slab.kind.fields[index].name
        slab.values[name][rows] = self._absolute(index, np.concatenate(columns[0]), who)
        slab.changed[name][rows] = self._tick
        slab.touched[rows // _SLOTS] = self._tick
        self._report.changed += slab.ids[rows].tolist()

    # --- columns ---------------------------------------------------------------------------------

    def _gather(
        self, section: Callable[[Update], tuple[int, list[Any]] | None]
    ) -> tuple[Ints | None, Ints, list[list[Any]]]:
        """The rows that a section names in all updates, whose they are, and its columns' pieces.

        Rows are None if no update has the section.
        """
        numbers, bitmaps, pieces = [], [], []
        for number, update in enumerate(self._updates):
            found = section(update)
            if found is not None:
                numbers.append(number)
                bitmaps.append(found[0])
                pieces.append(found[1])
        named = np.array(numbers, np.int64)
        if not numbers:
            return None, named, []
        octets = _bits(bitmaps).view(np.uint8).reshape(-1, 8)
        parts, slots = np.nonzero(np.unpackbits(octets, axis=1, bitorder="little"))
        who = named[parts]
        return self._places[who] * _SLOTS + slots, who, list(map(list, zip(*pieces, strict=True)))

    def _absolute(self, index: int, values: npt.NDArray[Any], who: Ints) -> npt.NDArray[Any]:
        axis = self._slab.kind.fields[index].axis
        if axis is None:
            return values
        absolute: npt.NDArray[Any] = (values + self._origins[axis, who]).astype(values.dtype)
        return absolute


def _bits(bitmaps: Sequence[int]) -> Bits:
    return np.array(bitmaps, "<u8")


def _ages(ages: Sequence[Any], beside: Sequence[npt.NDArray[Any]]) -> Ints:
    """Ages as one column; a piece that is all ones came as the number 1."""
    return np.concatenate(
        [
            np.ones(len(column), np.int64) if isinstance(age, int) else age
            for age, column in zip(ages, beside, strict=True)
        ]
    )
