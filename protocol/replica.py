"""A receiver's whole copy of what it is told: the tables of several shards and where everybody is.

Used by clients, tests and recorders. An entity id appears once: while it changes hands two shards
may tell of it, and the one where it entered later counts. An entity that left by moving or by
being handed over is held on its course until it enters elsewhere, for at most `HELD_TICKS`.

Must not know: sockets, time, rendering.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from protocol import courses, limits
from protocol.apply import Report, Unsynced
from protocol.geometry import Geometry
from protocol.parts import PartTable
from protocol.schema import Kind, Schema
from protocol.vocabulary import Snapshot

__all__ = ["Changes", "EntityView", "Held", "Replica"]


@attrs.define
class Changes:
    """What one snapshot did, by entity id.

    `left` maps to the code of the reason (0 gone), `dropped` are out of interest. `resync` are
    cells whose parts failed their CRC or lost their footing, and must be asked for anew.
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


@attrs.frozen
class Held:
    """An entity between two places: its kind, shard, last fields and course, and until when."""

    kind: int
    shard: int
    fields: tuple[tuple[str, Any], ...]
    course: tuple[int, int, int, int, int] | None
    position: tuple[float, float]
    step: int
    tick: int


@attrs.frozen
class EntityView:
    """One entity as a replica has it now. `x`, `y`, `vx`, `vy` are in units (0 without a course).

    `fields` are in their own units; `course` is (x0, y0, vx, vy, step0) in integers, or None.
    """

    id: int
    kind: int
    shard: int
    x: float
    y: float
    vx: float
    vy: float
    fields: dict[str, Any]
    course: tuple[int, int, int, int, int] | None
    held: bool = False

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "fields")[name]
        except KeyError:
            raise AttributeError(name) from None


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
        self._where: dict[int, list[_Location]] = {}
        self._held: dict[int, Held] = {}

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
        places = self._where.get(entity)
        if places is not None:
            return self._view(entity, places[-1])
        held = self._held.get(entity)
        return None if held is None else self._held_view(entity, held)

    def locate(self, entity: int) -> _Location | None:
        """Shard, kind and row of an entity that is not merely held."""
        places = self._where.get(entity)
        return places[-1] if places else None

    # --- applying --------------------------------------------------------------------------------

    def apply(self, snapshot: Snapshot) -> Changes:
        """Apply a snapshot, whose updates are decoded CBOR.

        Raises RemoteProtocolError when an update is malformed. One that stands on a baseline that
        is not here is left out, and its cell is named in `resync`.
        """
        changes = Changes()
        if snapshot.dropped:
            self._drop(snapshot.dropped, changes)
        self.tick = max(self.tick, snapshot.tick)
        for group in snapshot.groups:
            self.apply_group(
                group.shard,
                group.epoch,
                snapshot.tick - group.age,
                group.step,
                group.updates,
                changes,
            )
        self._expire(changes)
        return changes

    def apply_group(
        self,
        shard: int,
        epoch: int,
        tick: int,
        step: int,
        updates: Iterable[Any],
        changes: Changes,
    ) -> None:
        """Apply one shard's updates of one tick."""
        table = self._table(shard, epoch, changes)
        table.advance(tick, step)
        for item in updates:
            report = Report()
            try:
                table.apply(item, tick, step, report)
            except Unsynced:
                changes.mismatches += 1
                changes.resync.append(table.keys.cell(table.key_of(item)))
                continue
            self._index(table, table.key_of(item), report, changes)

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
            for slab in table.slabs:
                for entity in slab.ids[slab.occupied].tolist():
                    self._forget(entity, shard)
                    if entity not in self._where:
                        changes.dropped.append(entity)
            table.reset(epoch)
        return table

    def _drop(self, cells: Iterable[int], changes: Changes) -> None:
        for shard, table in self.tables.items():
            for entity in table.drop_cells(cells):
                self._forget(entity, shard)
                if entity not in self._where:
                    changes.dropped.append(entity)

    def _index(self, table: PartTable, key: int, report: Report, changes: Changes) -> None:
        kind = table.keys.kind(key)
        slab = table.slabs[kind]
        for entity, code in report.left:
            self._leave(table, kind, entity, code, changes)
        if report.entered:
            rows = slab.rows(slab.place[key])
            first = rows.start
            occupied = slab.occupied[rows].nonzero()[0]
            place = dict(zip(slab.ids[rows][occupied].tolist(), occupied.tolist(), strict=True))
            for entity in report.entered:
                self._held.pop(entity, None)
                spots = self._where.setdefault(entity, [])
                spots[:] = [spot for spot in spots if spot[0] != table.shard]
                spots.append((table.shard, kind, first + place[entity]))
                changes.left.pop(entity, None)
                changes.entered.append(entity)
        changes.turned += report.turned
        changes.set += report.set
        changes.changed += report.changed
        changes.crc_checks += report.crc_checks
        self.crc_checks += report.crc_checks
        if report.crc_failed:
            changes.mismatches += 1
            self.mismatches += 1
            changes.resync.append(table.keys.cell(key))

    def _leave(self, table: PartTable, kind: int, entity: int, code: int, changes: Changes) -> None:
        spots = self._where.get(entity, [])
        here = [spot for spot in spots if spot[0] == table.shard and spot[1] == kind]
        # A moved entity may have entered its new cell before the old one's update was read.
        if not here or not self._stale(table, here[-1], entity):
            return
        held = None
        if code > 0 and len(spots) == 1:
            held = self._hold(table, here[-1])
        self._forget(entity, table.shard)
        if entity in self._where:
            return
        if held is not None:
            self._held[entity] = held
        changes.left[entity] = max(code, 0)

    @staticmethod
    def _stale(table: PartTable, spot: _Location, entity: int) -> bool:
        slab = table.slabs[spot[1]]
        return not slab.occupied[spot[2]] or int(slab.ids[spot[2]]) != entity

    def _hold(self, table: PartTable, spot: _Location) -> Held | None:
        slab = table.slabs[spot[1]]
        row = spot[2]
        if slab.occupied[row]:  # somebody else stands there by now: the columns are gone
            return None
        fields = tuple(
            (field.name, slab.values[field.name][row].item()) for field in slab.kind.fields
        )
        course = tuple(slab.course[:, row].tolist()) if slab.kind.course else None
        view = self._view(int(slab.ids[row]), spot)
        return Held(spot[1], table.shard, fields, course, (view.x, view.y), table.step, self.tick)

    def _forget(self, entity: int, shard: int) -> None:
        spots = self._where.get(entity)
        if spots is not None:
            spots[:] = [spot for spot in spots if spot[0] != shard]
            if not spots:
                del self._where[entity]

    def _expire(self, changes: Changes) -> None:
        for entity, held in list(self._held.items()):
            if self.tick - held.tick > limits.HELD_TICKS:
                del self._held[entity]
                changes.dropped.append(entity)

    def _view(self, entity: int, spot: _Location) -> EntityView:
        shard, kind, row = spot
        table = self.tables[shard]
        slab = table.slabs[kind]
        course = tuple(slab.course[:, row].tolist()) if slab.kind.course else None
        fields = _in_units(
            slab.kind, {field.name: slab.values[field.name][row] for field in slab.kind.fields}
        )
        return _make_view(entity, kind, shard, slab.kind, fields, course, table.step)

    def _held_view(self, entity: int, held: Held) -> EntityView:
        kind = self.schema.kinds[held.kind]
        step = held.step + self.tick - held.tick
        fields = _in_units(kind, dict(held.fields))
        view = _make_view(entity, held.kind, held.shard, kind, fields, held.course, step)
        return attrs.evolve(view, held=True)


def _in_units(kind: Kind, integers: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in kind.fields:
        value = integers[field.name]
        if field.is_text:
            values[field.name] = bytes(value).rstrip(b"\0").decode("utf-8", "replace")
        elif field.type == "u64":
            values[field.name] = int(value)
        else:
            values[field.name] = field.lo + int(value) * field.step
    return values


def _make_view(
    entity: int,
    kind: int,
    shard: int,
    form: Kind,
    fields: dict[str, Any],
    course: tuple[int, int, int, int, int] | None,
    step: int,
) -> EntityView:
    if course is None or form.course is None:
        x, y = float(fields.get("x", 0.0)), float(fields.get("y", 0.0))
        return EntityView(entity, kind, shard, x, y, 0.0, 0.0, fields, None)
    x0, y0, vx, vy, step0 = course
    motion = form.course
    return EntityView(
        entity,
        kind,
        shard,
        courses.evaluate(x0, vx, step - step0, motion.num, motion.den) * motion.step,
        courses.evaluate(y0, vy, step - step0, motion.num, motion.den) * motion.step,
        vx * motion.speed_step,
        vy * motion.speed_step,
        fields,
        course,
    )
