"""Guests: entities that were cut out of this shard and are still published by it.

From the cut until the tick's record is durable nobody else may show an entity, so its source goes
on publishing it, along its course and otherwise unchanged. Guests are kept in batches, one for a
tick and kind, as columns like those of the world's export.

An entity may be back before this shard has heard that the record is durable: the journal's answer
to the source can be slower than two handoffs. Then it is a guest no more.

Must not know: the journal, sessions' rules.
"""

from collections.abc import Collection, Iterator

import attrs
import numpy as np
import numpy.typing as npt

from protocol import courses
from protocol.schema import Course
from sim.engine import Export

__all__ = ["GuestBatch", "Guests", "course_positions", "select"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
CourseColumns = tuple[Ints, Ints, Ints, Ints, Ints]


def course_positions(course: CourseColumns, form: Course, step: int) -> tuple[Floats, Floats]:
    """Where courses are at `step`, in units; `step` is of the clock that the courses' steps are."""
    x0, y0, vx, vy, step0 = course
    age = step - step0
    x = courses.evaluate(x0, vx, age, form.num, form.den)
    y = courses.evaluate(y0, vy, age, form.num, form.den)
    return x.astype(np.float64) * form.step, y.astype(np.float64) * form.step


def select(rows: Export, places: Ints) -> Export:
    """A copy of an export's rows at `places`."""
    course = rows.course
    return attrs.evolve(
        rows,
        ids=rows.ids[places],
        handles=rows.handles[places],
        x=rows.x[places],
        y=rows.y[places],
        fields={name: column[places] for name, column in rows.fields.items()},
        course=None if course is None else _selected(course, places),
    )


def _selected(course: CourseColumns, places: Ints) -> CourseColumns:
    x0, y0, vx, vy, step0 = course
    return x0[places], y0[places], vx[places], vy[places], step0[places]


@attrs.define
class GuestBatch:
    """The entities of one kind that were cut out at one tick; `to[i]` is to own `rows.ids[i]`."""

    tick: int
    kind: int
    to: Ints
    rows: Export

    def __len__(self) -> int:
        return len(self.to)


class Guests:
    """The guests of one shard, oldest first, and those that were handed over lately."""

    def __init__(self) -> None:
        self._batches: list[GuestBatch] = []
        self._returned: list[int] = []

    def __iter__(self) -> Iterator[GuestBatch]:
        return iter(self._batches)

    def __len__(self) -> int:
        return sum(map(len, self._batches))

    def add(self, batch: GuestBatch) -> None:
        """Publish a batch until it is released."""
        self._batches.append(batch)

    def of_kind(self, kind: int) -> list[GuestBatch]:
        """The batches of one kind, oldest first."""
        return [batch for batch in self._batches if batch.kind == kind]

    def take_back(self, entities: Collection[int]) -> None:
        """Guests no more are those of `entities` who were: they are owned again."""
        if not self._batches or not entities:
            return
        back = np.fromiter(entities, np.uint64, len(entities))
        kept = []
        for batch in self._batches:
            is_back = np.isin(batch.rows.ids, back)
            self._returned += batch.rows.ids[is_back].tolist()
            stay = np.flatnonzero(~is_back)
            if len(stay):
                kept.append(attrs.evolve(batch, to=batch.to[stay], rows=select(batch.rows, stay)))
        self._batches = kept

    def take_returned(self) -> list[int]:
        """Who was taken back since the last call."""
        returned, self._returned = self._returned, []
        return returned

    def release(self, durable_tick: int) -> list[GuestBatch]:
        """Drop and give the batches that were cut at `durable_tick` or before."""
        released = [batch for batch in self._batches if batch.tick <= durable_tick]
        self._batches = [batch for batch in self._batches if batch.tick > durable_tick]
        return released
