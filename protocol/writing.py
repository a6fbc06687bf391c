"""The owner's side of a table of parts: bringing it to the state after a step.

Rows know their slots by handles, so finding who came, went, moved or changed is work on columns,
however many do.

Must not know: bytes, receivers.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from protocol import courses, limits
from protocol.keys import Keys
from protocol.slab import FIELD, JUMPED, NEVER, SPEED, STEP0, X0, Slab

__all__ = ["CourseRows", "KindRows", "Reason", "Writer", "reason_code"]

Ints = npt.NDArray[np.int64]
Reasons = Mapping[int, tuple["Reason", int]]


class Reason(IntEnum):
    """Why an entity left its slot: gone for good, to another cell, or to another shard."""

    GONE = 0
    MOVED = 1
    HANDED = 2


def reason_code(reason: Reason, target: int = 0) -> int:
    """A reason as it travels: 0 gone, 2 * cell + 1 moved, 2 * shard + 2 handed."""
    return 0 if reason is Reason.GONE else 2 * target + int(reason)


@attrs.frozen(eq=False)
class CourseRows:
    """Courses of N rows, in the units of the kind's course; int64[N] each."""

    x0: Ints
    y0: Ints
    vx: Ints
    vy: Ints
    step0: Ints

    def columns(self) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """All five, in this order."""
        return self.x0, self.y0, self.vx, self.vy, self.step0


@attrs.frozen(eq=False)
class KindRows:
    """All entities of one kind that a shard publishes.

    `handles` int64[N] are slots of the table, -1 for new rows; they are updated in place. `ids`
    uint64[N], `cells` int32[N], `fields` wire integers by name, `course` None for kinds without.
    """

    handles: Ints
    ids: npt.NDArray[np.uint64]
    cells: npt.NDArray[np.int32]
    fields: Mapping[str, npt.NDArray[Any]]
    course: CourseRows | None


class Writer:
    """Writes one kind of a table. It knows since when each slot is empty."""

    def __init__(self, slab: Slab, keys: Keys, kind: int) -> None:
        self._slab = slab
        self._keys = keys
        self._kind = kind
        self._vacated = np.full((len(slab.key), limits.SLOTS), NEVER, np.int64)

    def write(self, rows: KindRows, reasons: Reasons, *, tick: int, step: int) -> None:
        """Bring the slab to `rows`: leaves, moves, entries, then changes of those that stayed.

        Raises ValueError, and has changed nothing, when the rows make no sense.
        """
        slab, handles = self._slab, rows.handles
        new = handles < 0
        here = self._check(rows, new)
        moved = np.zeros(len(handles), bool)
        moved[~new] = slab.cell[slab.part[handles[~new]]] != rows.cells[~new]
        gone = (~here & (slab.part >= 0)).nonzero()[0]
        if len(gone):
            codes = [reason_code(*reasons.get(i, _GONE)) for i in slab.ids[gone].tolist()]
            self._leave(gone, tick, np.array(codes, np.int64))
        if moved.any():
            self._leave(handles[moved], tick, 2 * rows.cells[moved].astype(np.int64) + Reason.MOVED)
        entering = (new | moved).nonzero()[0]
        if len(entering):
            self._enter(rows, entering, tick)
        for index, field in enumerate(slab.kind.fields):
            self._change(index, field.name, rows, tick)
        if rows.course is not None:
            self._change_courses(rows.course, handles, tick, step)

    def _check(self, rows: KindRows, new: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Which rows of the slab are among `rows`. Raises ValueError."""
        slab, count = self._slab, len(rows.ids)
        here = np.zeros(len(slab.ids), bool)
        if len(rows.handles) != count or len(rows.cells) != count:
            raise ValueError("columns that differ in length")
        known = rows.handles[~new] if new.any() else rows.handles
        if len(known) and known.max() >= len(slab.ids):
            raise ValueError("a handle that was never given")
        here[known] = True
        if np.count_nonzero(here) != len(known) or (slab.part[known] < 0).any():
            raise ValueError("a handle that stands for two rows, or for none")
        if len(known) == count:
            same = np.array_equal(slab.ids[known], rows.ids)
        else:
            same = np.array_equal(slab.ids[known], rows.ids[~new])
            fresh = np.unique(rows.ids[new])
            if len(fresh) + len(known) != count or np.isin(fresh, rows.ids[~new]).any():
                raise ValueError("an entity that stands in two rows")
        if not same:
            raise ValueError("a handle that is another entity's")
        return here

    def _leave(self, gone: Ints, tick: int, codes: Ints) -> None:
        slab = self._slab
        self._widen()
        self._vacated[slab.part[gone], slab.slot[gone]] = tick
        slab.leave(gone, tick, codes)

    def _enter(self, rows: KindRows, entering: Ints, tick: int) -> None:
        """Give rows to who is new or moved, and fill them."""
        slab = self._slab
        entering = entering[np.argsort(rows.cells[entering], kind="stable")]
        places, counts = self._room(rows.cells[entering])
        slots = self._vacancies(places, counts, tick)
        handles = slab.enter(np.repeat(places, counts), slots, rows.ids[entering], tick)
        rows.handles[entering] = handles
        for name, column in slab.values.items():
            column[handles] = rows.fields[name][entering]
        if rows.course is not None:
            for index, values in enumerate(rows.course.columns()):
                slab.course[handles, index] = values[entering]

    def _room(self, cells: npt.NDArray[np.int32]) -> tuple[Ints, Ints]:
        """Parts for newcomers to `cells` (ascending): places, and how many go to each."""
        places, counts = [], []
        found, wanted = np.unique(cells, return_counts=True)
        for cell, newcomers in zip(found.tolist(), wanted.tolist(), strict=True):
            ordinal, left = 0, newcomers
            while left:
                place = self._slab.make(self._keys.key(cell, self._kind, ordinal), cell)
                count = min(left, limits.SLOTS - int(self._slab.taken[place]).bit_count())
                if count:
                    places.append(place)
                    counts.append(count)
                    left -= count
                ordinal += 1
        return np.array(places, np.int64), np.array(counts, np.int64)

    def _vacancies(self, places: Ints, counts: Ints, tick: int) -> Ints:
        """The slots to use next in parts that have room for `counts`.

        First the lowest of those that no retained tick has seen used, so that bitmaps stay short;
        then those that were left the longest ago.
        """
        self._widen()
        order = np.maximum(self._vacated[places], tick - limits.RETAINED_TICKS)
        order[self._slab.row_at[places] >= 0] = np.iinfo(np.int64).max
        order = np.argsort(order, axis=1, kind="stable")
        slots: Ints = order[np.arange(limits.SLOTS) < counts[:, None]]
        return slots

    def _widen(self) -> None:
        more = len(self._slab.key) - len(self._vacated)
        if more:
            unused = np.full((more, limits.SLOTS), NEVER, np.int64)
            self._vacated = np.concatenate((self._vacated, unused))

    def _change(self, index: int, name: str, rows: KindRows, tick: int) -> None:
        slab, handles = self._slab, rows.handles
        column, new = slab.values[name], rows.fields[name]
        if new.dtype != column.dtype:
            new = new.astype(column.dtype)
        different = (column[handles] != new).nonzero()[0]
        if len(different):
            changed = handles[different]
            column[changed] = new[different]
            slab.ticks[changed, FIELD + index] = tick
            self._touch(changed, tick)

    def _change_courses(self, rows: CourseRows, handles: Ints, tick: int, step: int) -> None:
        slab = self._slab
        known = slab.course[handles]
        different = np.zeros(len(handles), bool)
        for index, values in enumerate(rows.columns()):
            different |= known[:, index] != values
        found = different.nonzero()[0]
        if not len(found):
            return
        changed, old = handles[found], known[found]
        new = np.stack([values[found] for values in rows.columns()], axis=1)
        form = slab.kind.course
        assert form is not None
        age = step - 1 - old[:, STEP0 : STEP0 + 1]
        ends = courses.evaluate(old[:, :SPEED], old[:, SPEED:STEP0], age, form.num, form.den)
        jumped = (new[:, STEP0] != step - 1) | (new[:, X0:SPEED] != ends).any(axis=1)
        slab.course[changed] = new
        slab.stamp_courses(changed, tick)
        slab.ticks[changed[jumped], JUMPED] = tick
        self._touch(changed, tick)

    def _touch(self, changed: Ints, tick: int) -> None:
        self._slab.latest[changed] = tick
        self._slab.touched[self._slab.part[changed]] = tick


_GONE = (Reason.GONE, 0)
