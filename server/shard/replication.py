"""From a world's columns to the parts that a shard publishes.

Owned rows and guests are written to one table of parts, which finds out by itself who entered,
left, moved and changed. Rows keep their slots by handles: the world's ride along with its rows,
the guests' with their batch. Who takes a shard over may write on in a copy of what its former owner
published: then rows find their slots by their entities' ids.

Must not know: sessions, the bus, the journal.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from protocol.geometry import Geometry
from protocol.parts import CourseRows, KindRows, PartTable, Reason
from protocol.schema import Schema
from server.shard.guests import GuestBatch, Guests, course_positions
from sim.engine import Export

__all__ = ["Replication"]

Scalar = TypeVar("Scalar", bound=np.generic)
Reasons = Mapping[int, tuple[Reason, int]]


class Replication:
    """The table of parts of one shard, written once per tick."""

    def __init__(self, schema: Schema, geometry: Geometry, shard: int, epoch: int) -> None:
        self._schema = schema
        self._geometry = geometry
        self.table = PartTable(schema, geometry)
        self.table.shard = shard
        self.table.epoch = epoch
        self._handed: dict[int, tuple[Reason, int]] = {}

    def go_on_from(
        self, table: PartTable, exports: Sequence[Export], where: Callable[[int], int | None]
    ) -> None:
        """Write on in `table`, which is as the former owner of these `exports` published them.

        Whoever else is in it was a guest of that one's; `where` says what shard each went to.
        """
        self.table = table
        for kind, rows in enumerate(exports):
            rows.handles[:] = table.handles(kind, rows.ids)
            published = table.columns(kind)[0]
            for entity in published[~np.isin(published, rows.ids)].tolist():
                to = where(entity)
                if to is not None:
                    self._handed[entity] = Reason.HANDED, to

    def write(
        self,
        tick: int,
        step: int,
        exports: Sequence[Export],
        guests: Guests,
        released: Iterable[GuestBatch],
    ) -> None:
        """Bring the table to the state after `step`; `exports` are the kinds' rows in order.

        `released` are the guests that were published until now and are handed over.
        """
        handed, self._handed = self._handed, {}
        for batch in released:
            to = ((Reason.HANDED, shard) for shard in batch.to.tolist())
            handed.update(zip(batch.rows.ids.tolist(), to, strict=True))
        returned = np.array(guests.take_returned(), np.uint64)
        self.table.begin(tick, step)
        for kind, owned in enumerate(exports):
            self._write_kind(kind, owned, guests.of_kind(kind), handed, returned)
        self.table.finish()

    def _write_kind(
        self,
        kind: int,
        owned: Export,
        batches: list[GuestBatch],
        reasons: Reasons,
        returned: npt.NDArray[np.uint64],
    ) -> None:
        table = self.table
        sources = [owned, *(batch.rows for batch in batches)]
        cells = [self._geometry.cells_of(owned.x, owned.y)]
        if len(returned):  # they enter anew, since receivers go by the newest entry
            back = np.flatnonzero(np.isin(owned.ids, returned))
            places = zip(owned.ids[back].tolist(), cells[0][back].tolist(), strict=True)
            reasons = {**reasons, **{entity: (Reason.MOVED, cell) for entity, cell in places}}
        cells += [self._guest_cells(kind, batch.rows) for batch in batches]
        rows = KindRows(
            handles=_joined([source.handles for source in sources]),
            ids=_joined([source.ids for source in sources]),
            cells=_joined(cells),
            fields={
                name: _joined([source.fields[name] for source in sources]) for name in owned.fields
            },
            course=_joined_courses(sources),
        )
        table.write(table.tick, table.step, kind, rows, reasons)
        start = 0
        for source in sources:  # new rows were given a slot
            source.handles[:] = rows.handles[start : start + len(source.handles)]
            start += len(source.handles)

    def _guest_cells(self, kind: int, rows: Export) -> npt.NDArray[np.int32]:
        form = self._schema.kinds[kind].course
        if form is None or rows.course is None:
            return self._geometry.cells_of(rows.x, rows.y)
        return self._geometry.cells_of(*course_positions(rows.course, form, self.table.step))


def _joined(columns: Sequence[npt.NDArray[Scalar]]) -> npt.NDArray[Scalar]:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _joined_courses(sources: Sequence[Export]) -> CourseRows | None:
    courses = [source.course for source in sources if source.course is not None]
    if not courses:
        return None
    return CourseRows(*(_joined(columns) for columns in zip(*courses, strict=True)))
