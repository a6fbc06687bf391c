"""The owner's side of a table of parts: bringing it to the state after a step.

Rows know their slots by handles. The rows of the last time are remembered in the order in which
they were given, so that finding who came, went, moved or changed is comparing columns as they lie
in memory; only where they differ are slots looked up.

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
from protocol.slab import JUMPED, NEVER, SPEED, STEP0, X0, Slab

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
    """Courses of N rows, in the units of the kind's course; int64[N] each.

    A course that changed began anew since the last time: `step0` is another, or not before the step
    that was written last.
    """

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
    """Writes one kind of a table. It knows since when each slot is empty.

    Who stands in the slab already, after `step`, counts as written the last time.
    """

    def __init__(self, slab: Slab, keys: Keys, kind: int, step: int) -> None:
        self._slab = slab
        self._keys = keys
        self._kind = kind
        self._vacated = np.full((len(slab.key), limits.SLOTS), NEVER, np.int64)
        # By cell the place of its first part and one more: zeros are memory that nobody touched.
        self._first = np.zeros(keys.cells, np.int32)
        self._step = step
        course = slab.kind.course
        # The field that courses follow from is told with them, and not by itself.
        self._heading = course.heading.field if course and course.heading else None
        rows = (slab.part >= 0).nonzero()[0]
        self._before: dict[str, npt.NDArray[Any]] = {
            "handles": rows,
            "ids": slab.ids[rows],
            "cells": slab.cell[slab.part[rows]],
            "step0": slab.course[rows, STEP0] if course else np.zeros(len(rows), np.int64),
            **{_FIELD + name: column[rows] for name, column in slab.values.items()},
        }

    def write(self, rows: KindRows, reasons: Reasons, *, tick: int, step: int) -> None:
        """Bring the slab to `rows`: leaves, moves, entries, then changes of those that stayed.

        Raises ValueError, and has changed nothing, when the rows make no sense.
        """
        slab = self._slab
        placed = self._compare(rows)
        if len(placed.gone):
            why = [reason_code(*reasons.get(i, _GONE)) for i in slab.ids[placed.gone].tolist()]
            self._leave(placed.gone, tick, np.array(why, np.int64))
        moved = placed.moved
        if len(moved):
            codes = 2 * rows.cells[moved].astype(np.int64) + Reason.MOVED
            self._leave(rows.handles[moved], tick, codes)
        entering = np.concatenate((placed.new, moved)) if len(placed.new) else moved
        if len(entering):
            entering.sort()
            self._enter(rows, entering, tick)
        for index, field in enumerate(slab.kind.fields):
            if index != self._heading:
                self._change(index, field.name, rows, placed, entering, tick)
        if rows.course is not None:
            self._change_courses(rows, placed, entering, tick, step)
        elsewhere = entering if placed.alike else slice(None)
        self._remember("handles", rows.handles, elsewhere)
        self._remember("ids", rows.ids, elsewhere)
        self._remember("cells", rows.cells, elsewhere)
        self._step = step

    # --- who is where ----------------------------------------------------------------------------

    def _compare(self, rows: KindRows) -> "_Placed":
        """Who came, went, and moved since the last time. Raises ValueError."""
        slab, before, count = self._slab, self._before, len(rows.ids)
        if len(rows.handles) != count or len(rows.cells) != count:
            raise ValueError("columns that differ in length")
        known = min(count, len(before["ids"]))
        other = before["handles"][:known] != rows.handles[:known]
        other |= before["ids"][:known] != rows.ids[:known]
        moved = before["cells"][:known] != rows.cells[:known]
        others = other.nonzero()[0]
        if not len(others) and count == len(before["ids"]):
            return _Placed(_NO_ROWS, _NO_ROWS, _NO_ROWS, moved.nonzero()[0], alike=True)
        moved &= ~other
        absent = np.concatenate((before["handles"][others], before["handles"][known:]))
        others = np.concatenate((others, np.arange(known, count)))
        new = others[rows.handles[others] < 0]
        shifted = others[rows.handles[others] >= 0]
        self._check(rows, new, shifted, absent)
        handles = rows.handles[shifted]
        elsewhere = slab.cell[slab.part[handles]] != rows.cells[shifted]
        return _Placed(
            gone=np.setdiff1d(absent, handles, assume_unique=True),
            new=new,
            shifted=shifted,
            moved=np.concatenate((moved.nonzero()[0], shifted[elsewhere])),
            alike=False,
        )

    def _check(self, rows: KindRows, new: Ints, shifted: Ints, absent: Ints) -> None:
        """Whether `shifted` rows come from elsewhere, and `new` ones from nowhere."""
        handles = rows.handles[shifted]
        if len(handles) and handles.max() >= len(self._slab.ids):
            raise ValueError("a handle that was never given")
        if len(np.unique(handles)) != len(handles) or not np.isin(handles, absent).all():
            raise ValueError("a handle that stands for two rows, or for none")
        if not np.array_equal(self._slab.ids[handles], rows.ids[shifted]):
            raise ValueError("a handle that is another entity's")
        fresh = np.unique(rows.ids[new])
        if len(fresh) != len(new):
            raise ValueError("an entity that stands in two rows")
        if len(fresh):
            near = fresh[np.minimum(np.searchsorted(fresh, rows.ids), len(fresh) - 1)]
            if np.count_nonzero(near == rows.ids) != len(fresh):
                raise ValueError("an entity that stands in two rows")

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

    # --- room ------------------------------------------------------------------------------------

    def _room(self, cells: npt.NDArray[np.int32]) -> tuple[Ints, Ints]:
        """Parts for newcomers to `cells` (ascending): places, and how many go to each."""
        slab = self._slab
        found, wanted = np.unique(cells, return_counts=True)
        places = self._first[found].astype(np.int64) - 1
        free = limits.SLOTS - np.bitwise_count(slab.taken[places]).astype(np.int64)
        is_first = slab.key[places] == found.astype(np.int64) * self._keys.kinds + self._kind
        crowded = ((places < 0) | ~is_first | (free < wanted)).nonzero()[0]
        if not len(crowded):
            return places, wanted
        makes = [self._make_room(int(found[at]), int(wanted[at])) for at in crowded.tolist()]
        sizes = np.ones(len(found), np.int64)
        sizes[crowded] = list(map(len, makes))
        places, counts = np.repeat(places, sizes), np.repeat(wanted, sizes)
        made = np.array([part for parts in makes for part in parts], np.int64)
        at = np.isin(np.repeat(np.arange(len(found)), sizes), crowded)
        places[at], counts[at] = made.T
        return places, counts

    def _make_room(self, cell: int, newcomers: int) -> list[tuple[int, int]]:
        """The parts of a cell that have room, made as needed, and how many go to each."""
        parts: list[tuple[int, int]] = []
        ordinal, left = 0, newcomers
        while left:
            place = self._slab.make(self._keys.key(cell, self._kind, ordinal), cell)
            if ordinal == 0:
                self._first[cell] = place + 1
            count = min(left, limits.SLOTS - int(self._slab.taken[place]).bit_count())
            if count:
                parts.append((place, count))
                left -= count
            ordinal += 1
        return parts

    def _vacancies(self, places: Ints, counts: Ints, tick: int) -> Ints:
        """The slots to use next in parts that have room for `counts`.

        First the lowest of those that no retained tick has seen used, so that bitmaps stay short;
        then those that were left the longest ago.
        """
        self._widen()
        order = np.maximum(self._vacated[places], tick - limits.RETAINED_TICKS)
        order[self._slab.row_at[places] >= 0] = np.iinfo(np.int64).max
        slots: Ints = order.argmin(axis=1)
        if counts.max() == 1:
            return slots
        slots = np.repeat(slots, counts)
        several = counts > 1
        sorted_slots = np.argsort(order[several], axis=1, kind="stable")
        taken = np.arange(limits.SLOTS) < counts[several, None]
        slots[np.repeat(several, counts)] = sorted_slots[taken]
        return slots

    def _widen(self) -> None:
        more = len(self._slab.key) - len(self._vacated)
        if more:
            unused = np.full((more, limits.SLOTS), NEVER, np.int64)
            self._vacated = np.concatenate((self._vacated, unused))

    # --- what changed ----------------------------------------------------------------------------

    def _change(
        self, index: int, name: str, rows: KindRows, placed: "_Placed", entered: Ints, tick: int
    ) -> None:
        slab = self._slab
        column, new = slab.values[name], rows.fields[name]
        if new.dtype != column.dtype:
            new = new.astype(column.dtype)
        different = self._different(_FIELD + name, new, placed, entered)
        different = different[column[rows.handles[different]] != new[different]]
        if len(different):
            changed = rows.handles[different]
            slab.change(index, changed, new[different], tick)
            self._touch(changed, tick)
        self._remember(_FIELD + name, new)

    def _change_courses(
        self, rows: KindRows, placed: "_Placed", entered: Ints, tick: int, step: int
    ) -> None:
        slab, given = self._slab, rows.course
        assert given is not None
        begun = given.step0 >= self._step
        found = self._different("step0", given.step0, placed, entered, begun)
        self._remember("step0", given.step0)
        if self._heading is not None:
            found = self._steer(rows, placed, entered, found)
        if not len(found):
            return
        known = slab.course[rows.handles[found]]
        new = np.stack([values[found] for values in given.columns()], axis=1)
        different = (new != known).any(axis=1).nonzero()[0]
        if not len(different):
            return
        changed, old, new = rows.handles[found[different]], known[different], new[different]
        form = slab.kind.course
        assert form is not None
        age = step - 1 - old[:, STEP0 : STEP0 + 1]
        ends = courses.evaluate(old[:, :SPEED], old[:, SPEED:STEP0], age, form.num, form.den)
        jumped = (new[:, STEP0] != step - 1) | (new[:, X0:SPEED] != ends).any(axis=1)
        slab.course[changed] = new
        slab.stamp_courses(changed, tick)
        slab.ticks[changed[jumped], JUMPED] = tick
        self._touch(changed, tick)

    def _steer(self, rows: KindRows, placed: "_Placed", entered: Ints, found: Ints) -> Ints:
        """Note new headings. They come with courses, which begin anew for them; gives whose may."""
        slab = self._slab
        assert self._heading is not None
        name = slab.kind.fields[self._heading].name
        new = rows.fields[name].astype(slab.values[name].dtype, copy=False)
        turned = self._different(_FIELD + name, new, placed, entered)
        self._remember(_FIELD + name, new)
        slab.values[name][rows.handles[turned]] = new[turned]
        return np.union1d(found, turned)

    def _touch(self, changed: Ints, tick: int) -> None:
        self._slab.latest[changed] = tick
        self._slab.touched[self._slab.part[changed]] = tick

    # --- the last time ---------------------------------------------------------------------------

    def _different(
        self,
        name: str,
        now: npt.NDArray[Any],
        placed: "_Placed",
        entered: Ints,
        also: npt.NDArray[np.bool_] | None = None,
    ) -> Ints:
        """The rows whose slots may hold something else: those that have not just been filled."""
        before = self._before[name]
        known = min(len(before), len(now))
        different = np.zeros(len(now), np.bool_) if also is None else also
        different[:known] |= before[:known] != now[:known]
        different[placed.shifted] = True
        different[entered] = False
        return different.nonzero()[0]

    def _remember(
        self, name: str, column: npt.NDArray[Any], some: Ints | slice = slice(None)
    ) -> None:
        """Note a column, of which only `some` rows differ from the last time."""
        before = self._before[name]
        if len(before) == len(column):
            before[some] = column[some]
        else:
            self._before[name] = column.copy()


@attrs.frozen(eq=False)
class _Placed:
    """Rows of the slab that were left, and places in the columns: of who is new, of who stands in
    another row than the last time, and of who went to another cell. `alike`: every row is the same
    entity's as the last time.
    """

    gone: Ints
    new: Ints
    shifted: Ints
    moved: Ints
    alike: bool


_GONE = (Reason.GONE, 0)
_FIELD = "field."
_NO_ROWS = np.zeros(0, np.int64)
