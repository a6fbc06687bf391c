"""A receiver's whole copy of what it is told: the tables of several shards and where everybody is.

Used by clients, tests and recorders. An entity id appears once: while it changes hands two shards
may tell of it, and the one where it entered later counts. An entity that left by moving or by
being handed over is held on its course until it enters elsewhere, for at most `HELD_TICKS`.

Must not know: sockets, time, rendering.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from protocol import courses, limits
from protocol.apply import Report
from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.parts import PartTable
from protocol.schema import Schema
from protocol.views import EntityView
from protocol.vocabulary import Snapshot

__all__ = ["Changes", "EntityView", "KindColumns", "Replica"]


@attrs.define
class Changes:
    """What one snapshot did, by entity id.

    `left` maps to the code of the reason (0 gone), `dropped` are out of interest; who is in either
    did not enter again. `resync` are cells whose parts failed their CRC or lost their footing, and
    must be asked for anew.
    """

    entered: list[int] = attrs.field(factory=list)
    left: dict[int, int] = attrs.field(factory=dict)
    dropped: list[int] = attrs.field(factory=list)
    turned: list[int] = attrs.field(factory=list)
    set: list[int] = attrs.field(factory=list)
    changed: list[int] = attrs.field(factory=list)
    crc_checks: int = 0
    mismatches: int = 0
    resync: list[int] = attrs.field(factory=list)


@attrs.frozen(eq=False)
class KindColumns:
    """Everybody of one kind at the newest steps of their shards: N rows in wire integers.

    `x`, `y`, `vx`, `vy` int64 in the steps of the kind's course; 0 for kinds without, whose plain
    positions are among the `fields`.
    """

    ids: npt.NDArray[np.uint64]
    cells: npt.NDArray[np.int32]
    fields: dict[str, npt.NDArray[Any]]
    x: npt.NDArray[np.int64]
    y: npt.NDArray[np.int64]
    vx: npt.NDArray[np.int64]
    vy: npt.NDArray[np.int64]


_Location = tuple[int, int, int]  # shard, kind, row


class Replica:
    """The copy of a world's parts that a receiver was sent."""

    def __init__(self, schema: Schema, geometry: Geometry) -> None:
        self.schema = schema
        self.geometry = geometry
        self.tick = 0
        self.tables: dict[int, PartTable] = {}
        self.crc_checks = 0
        self.mismatches = 0
        self._where: dict[int, _Location] = {}
        self._elsewhere: dict[int, list[_Location]] = {}  # older places of those who are in several
        self._held: dict[int, tuple[EntityView, int]] = {}  # and the tick at which they left

    # --- reading ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._where) + len(self._held)

    def __contains__(self, entity: object) -> bool:
        return entity in self._where or entity in self._held

    def __getitem__(self, entity: int) -> EntityView:
        view = self.entity(entity)
        if view is None:
            raise KeyError(entity)
        return view

    def ids(self) -> Iterator[int]:
        """Every entity, the held ones last."""
        yield from self._where
        yield from self._held

    def entity(self, entity: int) -> EntityView | None:
        """One entity at the newest step of its shard; None if it is not known."""
        place = self._where.get(entity)
        if place is not None:
            return self._view(entity, place)
        held = self._held.get(entity)
        if held is None:
            return None
        view, tick = held
        return attrs.evolve(view, step=view.step + self.tick - tick)

    def locate(self, entity: int) -> _Location | None:
        """Shard, kind and row of an entity that is not merely held."""
        return self._where.get(entity)

    def columns(self, kind_index: int, cells: Iterable[int] | None = None) -> KindColumns:
        """Everybody of a kind (in `cells`, if given) who is not merely held, each once."""
        wanted = None if cells is None else list(cells)
        parts = [self._columns_of(table, kind_index, wanted) for table in self.tables.values()]
        if len(parts) == 1:
            return parts[0]
        if not parts:
            empty = PartTable(self.schema, self.geometry)
            return self._columns_of(empty, kind_index, wanted)
        names = self.schema.kinds[kind_index].fields
        return KindColumns(
            ids=np.concatenate([part.ids for part in parts]),
            cells=np.concatenate([part.cells for part in parts]),
            fields={
                field.name: np.concatenate([part.fields[field.name] for part in parts])
                for field in names
            },
            x=np.concatenate([part.x for part in parts]),
            y=np.concatenate([part.y for part in parts]),
            vx=np.concatenate([part.vx for part in parts]),
            vy=np.concatenate([part.vy for part in parts]),
        )

    # --- applying --------------------------------------------------------------------------------

    def apply(self, snapshot: Snapshot) -> Changes:
        """Apply a snapshot, whose updates are decoded CBOR.

        Raises RemoteProtocolError when an update is malformed. One that stands on a baseline that
        is not here is left out, and its cell is named in `resync`.
        """
        changes = Changes()
        self.tick = max(self.tick, snapshot.tick)
        if snapshot.dropped:
            self._drop(snapshot.dropped, changes)
        for group in snapshot.groups:
            tick = snapshot.tick - group.age
            step = tick - group.lag
            self.apply_group(group.shard, group.epoch, tick, step, group.updates, changes)
        return self._settled(changes)

    def apply_frame(self, frame: Frame) -> Changes:
        """Apply what a shard published for one tick. Raises RemoteProtocolError."""
        changes = Changes()
        self.tick = max(self.tick, frame.tick)
        if frame.base == 0 and frame.shard in self.tables:
            self._reset(self.tables[frame.shard], frame.epoch, changes)
        known = self.tables.get(frame.shard)
        if known is not None and frame.stands_on(known.epoch, known.tick):
            known.epoch = frame.epoch  # another owner may go on with it
        table = self._table(frame.shard, frame.epoch, changes)
        report = Report()
        table.apply_frame(
            frame.blob, frame.offsets, frame.tick, frame.step, report, base=frame.base
        )
        self._take(table, report, changes)
        return self._settled(changes)

    def apply_group(
        self,
        shard: int,
        epoch: int,
        tick: int,
        step: int,
        updates: Iterable[Any],
        changes: Changes,
    ) -> None:
        """Apply one shard's updates of one tick. Raises RemoteProtocolError."""
        table = self._table(shard, epoch, changes)
        table.advance(tick, step)
        if updates:
            report = Report()
            table.apply_items(updates, tick, step, report)
            self._take(table, report, changes)

    def regeometry(self, geometry: Geometry) -> None:
        """The world was cut anew; cells and parts stay as they are."""
        self.geometry = geometry
        for table in self.tables.values():
            table.geometry = geometry

    # --- inside ----------------------------------------------------------------------------------

    def _table(self, shard: int, epoch: int, changes: Changes) -> PartTable:
        table = self.tables.get(shard)
        if table is None:
            table = self.tables[shard] = PartTable(self.schema, self.geometry)
            table.shard, table.epoch = shard, epoch
        elif table.epoch != epoch:
            self._reset(table, epoch, changes)
        return table

    def _reset(self, table: PartTable, epoch: int, changes: Changes) -> None:
        for slab in table.slabs:
            self._forget(table.shard, slab.ids[slab.part >= 0].tolist(), changes)
        table.reset(epoch)

    def _drop(self, cells: Iterable[int], changes: Changes) -> None:
        for shard, table in self.tables.items():
            self._forget(shard, table.drop_cells(cells), changes)

    def _forget(self, shard: int, entities: Iterable[int], changes: Changes) -> None:
        """These are no more told of by `shard`, without a reason."""
        for entity in entities:
            place = self._where.get(entity)
            if place is not None and not self._gone(entity, shard):
                changes.dropped.append(entity)

    def _take(self, table: PartTable, report: Report, changes: Changes) -> None:
        shard = table.shard
        for entity, kind, row in report.entered:
            self._enter(entity, (shard, kind, row))
        changes.entered += [entity for entity, _, _ in report.entered]
        for entity, kind, row, code in report.left:
            self._leave(entity, (shard, kind, row), code, changes)
        changes.turned += report.turned
        changes.set += report.set
        changes.changed += report.changed
        changes.crc_checks += report.crc_checks
        self.crc_checks += report.crc_checks
        if report.failed or report.unsynced:
            lost = report.failed + report.unsynced
            changes.mismatches += len(lost)
            self.mismatches += len(lost)
            changes.resync += [table.keys.cell(key) for key in lost]

    def _enter(self, entity: int, place: _Location) -> None:
        """The newest place counts; places in other shards are kept for when it leaves this one."""
        known = self._where.get(entity)
        if known is not None:
            others = [*self._elsewhere.pop(entity, ()), known]
            others = [other for other in others if other[0] != place[0]]
            if others:
                self._elsewhere[entity] = others
        self._where[entity] = place
        if self._held:
            self._held.pop(entity, None)

    def _leave(self, entity: int, place: _Location, code: int, changes: Changes) -> None:
        # It may have entered its new cell in the same updates.
        known = (self._where.get(entity), *self._elsewhere.get(entity, ()))
        if place not in known:
            return
        held = self._view(entity, place) if code > 0 and known[0] == place else None
        if self._gone(entity, place[0]):
            return
        if held is not None:
            self._held[entity] = attrs.evolve(held, held=True), self.tick
        if code < 0:
            changes.dropped.append(entity)
        else:
            changes.left[entity] = code

    def _gone(self, entity: int, shard: int) -> bool:
        """Forget where `shard` has an entity; gives whether it is still somewhere."""
        others = self._elsewhere.pop(entity, None)
        known = self._where[entity]
        if others is None:
            if known[0] == shard:
                del self._where[entity]
                return False
            return True
        left = [other for other in (*others, known) if other[0] != shard]
        if not left:
            del self._where[entity]
            return False
        self._where[entity] = left.pop()
        if left:
            self._elsewhere[entity] = left
        return True

    def _settled(self, changes: Changes) -> Changes:
        """Let go of who was held for too long; who came back did not leave."""
        if self._held:
            for entity, (_, tick) in list(self._held.items()):
                if self.tick - tick > limits.HELD_TICKS:
                    del self._held[entity]
                    changes.dropped.append(entity)
        where = self._where
        if changes.left:
            changes.left = {e: code for e, code in changes.left.items() if e not in where}
        if changes.dropped:
            changes.dropped = [entity for entity in changes.dropped if entity not in where]
        return changes

    def _view(self, entity: int, place: _Location) -> EntityView:
        shard, kind, row = place
        table = self.tables[shard]
        slab = table.slabs[kind]
        course = tuple(slab.course[row].tolist()) if slab.kind.course else None
        wire = tuple([column[row].item() for column in slab.values.values()])
        return EntityView(entity, kind, shard, slab.kind, wire, course, table.step)

    def _columns_of(self, table: PartTable, kind: int, cells: list[int] | None) -> KindColumns:
        ids, where, fields, course = table.columns(kind, cells)
        form = self.schema.kinds[kind].course
        x = y = vx = vy = np.zeros(len(ids), np.int64)
        if course is not None and form is not None:
            x0, y0, vx, vy, step0 = course
            age = table.step - step0
            x = courses.evaluate(x0, vx, age, form.num, form.den)
            y = courses.evaluate(y0, vy, age, form.num, form.den)
        columns = KindColumns(ids, where, fields, x, y, vx, vy)
        doubled = self._elsewhere
        if not doubled:
            return columns
        first = np.array(
            [e not in doubled or self._where[e][0] == table.shard for e in ids.tolist()], bool
        )
        return KindColumns(
            ids[first],
            where[first],
            {name: column[first] for name, column in fields.items()},
            *(column[first] for column in (x, y, vx, vy)),
        )
