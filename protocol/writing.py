"""The owner's side of a table of parts: bringing it to the state after a step.

Rows know their slots by handles, so finding what changed is work on columns; only rows that enter
or leave a slot are looked at one by one.

Must not know: bytes, receivers.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from protocol import courses, limits
from protocol.slab import Slab

__all__ = ["CourseRows", "KindRows", "Reason", "reason_code", "write_kind"]

Ints = npt.NDArray[np.int64]


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

    def stacked(self) -> Ints:
        """All five as one int64[5, N]."""
        return np.stack((self.x0, self.y0, self.vx, self.vy, self.step0)).astype(np.int64)


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


@attrs.frozen
class Keys:
    """How a part's key is made: ordinal * (cells * kinds) + cell * kinds + kind."""

    cells: int
    kinds: int

    def key(self, cell: int, kind: int, ordinal: int) -> int:
        """The key of the `ordinal`-th part of a kind in a cell."""
        return ordinal * self.cells * self.kinds + cell * self.kinds + kind

    def cell(self, key: int) -> int:
        """The cell of a part."""
        return key // self.kinds % self.cells

    def kind(self, key: int) -> int:
        """The kind of a part."""
        return key % self.kinds


def write_kind(
    slab: Slab,
    keys: Keys,
    kind: int,
    rows: KindRows,
    reasons: Mapping[int, tuple[Reason, int]],
    *,
    tick: int,
    step: int,
) -> None:
    """Bring `slab` to `rows`: leaves, moves, entries, then changes of those that stayed."""
    handles, new = rows.handles, rows.handles < 0
    if len(handles) != len(rows.ids) or len(np.unique(rows.ids)) != len(rows.ids):
        raise ValueError("an entity stands in two rows, or the columns differ in length")
    _leave(slab, handles[~new], reasons, tick)
    moved = ~new
    moved[~new] = slab.cell[handles[~new] // limits.SLOTS] != rows.cells[~new]
    for place in np.flatnonzero(moved).tolist():
        code = reason_code(Reason.MOVED, int(rows.cells[place]))
        slab.leave(int(handles[place]), tick, code)
    stayed = np.flatnonzero(~new & ~moved)
    entering = np.flatnonzero(new | moved)
    _change(slab, rows, stayed, tick, step)
    for place in entering.tolist():
        handles[place] = _enter(
            slab, keys, kind, int(rows.cells[place]), int(rows.ids[place]), tick
        )
    _fill(slab, rows, entering)


def _leave(slab: Slab, kept: Ints, reasons: Mapping[int, tuple[Reason, int]], tick: int) -> None:
    absent = slab.occupied.copy()
    absent[kept] = False
    for row in np.flatnonzero(absent).tolist():
        reason = reasons.get(int(slab.ids[row]), (Reason.GONE, 0))
        slab.leave(row, tick, reason_code(*reason))


def _enter(slab: Slab, keys: Keys, kind: int, cell: int, entity: int, tick: int) -> int:
    ordinal = 0
    while True:
        place = slab.part(keys.key(cell, kind, ordinal), cell)
        if slab.count[place] < limits.SLOTS:
            row = slab.vacancy(place, tick)
            slab.enter(row, entity, tick)
            return row
        ordinal += 1


def _fill(slab: Slab, rows: KindRows, entering: Ints) -> None:
    if not len(entering):
        return
    handles = rows.handles[entering]
    for name, column in slab.values.items():
        column[handles] = rows.fields[name][entering]
    if rows.course is not None:
        slab.course[:, handles] = rows.course.stacked()[:, entering]


def _change(slab: Slab, rows: KindRows, stayed: Ints, tick: int, step: int) -> None:
    if not len(stayed):
        return
    handles = rows.handles[stayed]
    for name, column in slab.values.items():
        new = rows.fields[name][stayed]
        different = column[handles] != new
        if different.any():
            changed = handles[different]
            column[changed] = new[different]
            slab.changed[name][changed] = tick
            slab.touched[changed // limits.SLOTS] = tick
    if rows.course is not None:
        _change_courses(slab, rows.course.stacked()[:, stayed], handles, tick, step)


def _change_courses(slab: Slab, new: Ints, handles: Ints, tick: int, step: int) -> None:
    different = (slab.course[:, handles] != new).any(axis=0)
    if not different.any():
        return
    changed, new = handles[different], new[:, different]
    old = slab.course[:, changed]
    form = slab.kind.course
    assert form is not None
    age = step - 1 - old[4]
    turned = (
        (new[4] == step - 1)
        & (new[0] == courses.evaluate(old[0], old[2], age, form.num, form.den))
        & (new[1] == courses.evaluate(old[1], old[3], age, form.num, form.den))
    )
    slab.course[:, changed] = new
    slab.before[changed] = slab.turned[changed]
    slab.turned[changed] = tick
    slab.jumped[changed[~turned]] = tick
    slab.touched[changed // limits.SLOTS] = tick
