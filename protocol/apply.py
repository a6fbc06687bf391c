"""A receiver's side of a table of parts: doing what updates say.

Updates were checked for what cannot be when they were read. What remains can happen on a link that
lost its footing: an update stands on what is not here. It is left out whole, and reported, so that
the part is asked for anew.

Must not know: bytes, shards, entity indexes.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from protocol import courses
from protocol.batch import Batch, Section, bits
from protocol.checksum import EMPTY_CRC, checksums
from protocol.keys import Keys
from protocol.slab import JUMPED, NEVER, SPEED, STEP0, Slab

__all__ = ["Report", "Unsynced", "apply_batch"]

Ints = npt.NDArray[np.int64]
Column = npt.NDArray[Any]


class Unsynced(Exception):  # noqa: N818 - a state of the replica, which the caller mends
    """The update stands on a baseline that this receiver does not hold."""


@attrs.define
class Report:
    """What updates did.

    `entered` are (entity, kind, row), `left` (entity, kind, row, code; -1: emptied by a keyframe),
    `turned`, `set` and `changed` entities; a row that was left can be read until the next tick. All
    five stay empty when `names` is False, for who need not know. `failed` are the keys of parts
    whose CRC differs, `unsynced` of those whose update stands on what is not here.
    """

    names: bool = True
    entered: list[tuple[int, int, int]] = attrs.field(factory=list)
    left: list[tuple[int, int, int, int]] = attrs.field(factory=list)
    turned: list[int] = attrs.field(factory=list)
    set: list[int] = attrs.field(factory=list)
    changed: list[int] = attrs.field(factory=list)
    crc_checks: int = 0
    failed: list[int] = attrs.field(factory=list)
    unsynced: list[int] = attrs.field(factory=list)

    @property
    def crc_failed(self) -> bool:
        """Whether any CRC differs."""
        return bool(self.failed)


def apply_batch(
    slab: Slab, keys: Keys, kind: int, batch: Batch, *, tick: int, step: int, report: Report
) -> None:
    """Do what `batch` says, but for updates that do not fit."""
    place_of = slab.place.get
    places = np.array([place_of(key, -1) for key in batch.keys], np.int64)
    applier = _Applier(slab, keys, kind, places, tick, step, report)
    if applier.apply_changes(batch):
        return
    refused = _misfits(slab, places, batch)
    if refused is not None:
        bad = refused.tolist()
        report.unsynced += [key for key, is_bad in zip(batch.keys, bad, strict=True) if is_bad]
        batch = batch.without(refused)
        applier = _Applier(slab, keys, kind, places[~refused], tick, step, report)
    applier.apply(batch)


def _misfits(slab: Slab, places: Ints, batch: Batch) -> npt.NDArray[np.bool_] | None:
    """Which updates leave or change who is not there, or enter where another is; None: none."""
    taken = slab.taken[places]
    taken[(places < 0) | (batch.ages == 0)] = 0
    wrong = np.zeros(len(places), np.uint64)
    if batch.leave is not None:
        of, left = batch.leave.of, batch.leave.bitmaps
        wrong[of] |= left & ~taken[of]
        taken[of] &= ~left
    if batch.enter is not None:
        wrong[batch.enter.of] |= batch.enter.bitmaps & taken[batch.enter.of]
    for section in batch.changes():
        wrong[section.of] |= section.bitmaps & ~taken[section.of]
    return wrong > 0 if wrong.any() else None


class _Applier:
    """One batch, as a whole or not at all."""

    def __init__(
        self,
        slab: Slab,
        keys: Keys,
        kind: int,
        places: Ints,
        tick: int,
        step: int,
        report: Report,
    ) -> None:
        self._slab = slab
        self._keys = keys
        self._kind = kind
        self._places = places
        self._tick = tick
        self._step = step
        self._report = report

    def apply_changes(self, batch: Batch) -> bool:
        """Apply the usual batch: nobody comes or goes, and whoever changes is there.

        False, and nothing was done, if it is not like that.
        """
        if batch.keyframes or batch.enter is not None or batch.leave is not None:
            return False
        sections = batch.changes()
        if sections:
            if self._places.min() < 0:
                return False
            rows = self._rows(sections)
            if rows.min() < 0:
                return False
            self._change(batch, rows)
        if batch.crc:
            self._check(batch)
        return True

    def apply(self, batch: Batch) -> None:
        """Apply a batch whose updates fit: the sections in their order, the CRC last."""
        if batch.keyframes:
            self._clear(batch.ages == 0)
        if batch.leave is not None:
            rows, codes = self._rows([batch.leave]), batch.leave.columns[0]
            self._tell_left(rows, codes.tolist())
            self._slab.leave(rows, self._tick, codes)
        if batch.enter is not None:
            self._make(batch, batch.enter)
            self._enter(batch.enter)
        sections = batch.changes()
        if sections:
            self._change(batch, self._rows(sections))
        if batch.crc:
            self._check(batch)

    # --- sections --------------------------------------------------------------------------------

    def _clear(self, keyframes: npt.NDArray[np.bool_]) -> None:
        cleared = self._places[keyframes & (self._places >= 0)]
        rows = self._slab.clear(cleared)
        self._tell_left(rows, [-1] * len(rows))
        self._slab.known[cleared] = self._slab.touched[cleared] = self._tick

    def _make(self, batch: Batch, section: Section) -> None:
        for of in section.of[self._places[section.of] < 0].tolist():
            key = batch.keys[of]
            place = self._places[of] = self._slab.make(key, self._keys.cell(key))
            self._slab.known[place] = NEVER if batch.ages[of] else self._tick

    def _enter(self, section: Section) -> None:
        slab = self._slab
        of, slots = bits([section])
        ids, *columns = section.columns
        rows = slab.enter(self._places[of], slots, ids, self._tick)
        if self._report.names:
            self._report.entered += zip(ids.tolist(), repeat(self._kind), rows.tolist())
        for index, field in enumerate(slab.kind.fields):
            slab.values[field.name][rows] = self._absolute(index, rows, columns[index])
        if slab.kind.course is not None:
            self._set(rows, columns[-5:])

    def _change(self, batch: Batch, rows: Ints) -> None:
        """The sections about who stays; `rows` are those of all of them, in their order."""
        slab, report = self._slab, self._report
        ids = slab.ids[rows].tolist() if report.names else []
        slab.latest[rows] = self._tick
        slab.touched[self._places[self._places >= 0]] = self._tick
        end = 0
        if batch.turn is not None:
            start, end = end, end + len(batch.turn.columns[0])
            vx, vy, ages, *heading = batch.turn.columns
            self._turn(rows[start:end], vx, vy, ages)
            self._steer(rows[start:end], heading)
            report.turned += ids[start:end]
        if batch.set is not None:
            start, end = end, end + len(batch.set.columns[0])
            self._set(rows[start:end], batch.set.columns[:5])
            self._steer(rows[start:end], batch.set.columns[5:])
            slab.stamp_courses(rows[start:end], self._tick)
            slab.ticks[rows[start:end], JUMPED] = self._tick
            report.set += ids[start:end]
        for index, section in batch.fields.items():
            start, end = end, end + len(section.columns[0])
            self._store(index, rows[start:end], *section.columns)
            report.changed += ids[start:end]

    def _turn(self, rows: Ints, vx: Column, vy: Column, ages: Column) -> None:
        """The old course leads to where the new one begins."""
        slab = self._slab
        form = slab.kind.course
        assert form is not None
        course = slab.course[rows]
        speeds = course[:, SPEED:STEP0]
        begins = self._step - ages.astype(np.int64)
        age = (begins - course[:, STEP0])[:, None]
        course[:, :SPEED] = courses.evaluate(course[:, :SPEED], speeds, age, form.num, form.den)
        speeds[:, 0], speeds[:, 1], course[:, STEP0] = vx, vy, begins
        slab.course[rows] = course
        slab.stamp_courses(rows, self._tick)

    def _set(self, rows: Ints, columns: list[Column]) -> None:
        course = np.empty((len(rows), 5), np.int64)
        for index, column in enumerate(columns):
            course[:, index] = column
        course[:, STEP0] = self._step - course[:, STEP0]
        self._slab.course[rows] = course

    def _steer(self, rows: Ints, heading: list[Column]) -> None:
        """What the course follows from, if there is such a field."""
        form = self._slab.kind.course
        if heading:
            assert form is not None, "only then it is told"
            assert form.heading is not None, "only then it is told"
            field = self._slab.kind.fields[form.heading.field]
            self._slab.values[field.name][rows] = heading[0]

    def _store(
        self, index: int, rows: Ints, column: Column, differs: npt.NDArray[np.bool_] | None = None
    ) -> None:
        """Values of a field that changed; differences where `differs`."""
        values = self._absolute(index, rows, column)
        if differs is not None:
            held = self._slab.values[self._slab.kind.fields[index].name][rows]
            values = np.where(differs, held + column, values)
        self._slab.change(index, rows, values, self._tick)

    def _absolute(self, index: int, rows: Ints, column: Column) -> Column:
        """Positions count from their cell's corner while they travel."""
        slab = self._slab
        axis = slab.kind.fields[index].axis
        if axis is not None:
            column = column + slab.origin[slab.part[rows], axis].astype(column.dtype)
        return column

    def _check(self, batch: Batch) -> None:
        self._report.crc_checks += len(batch.crc)
        due = self._places[[of for of, _ in batch.crc]]
        here = due[due >= 0]
        own = np.full(len(due), EMPTY_CRC, np.int64)
        if len(here):
            own[due >= 0] = checksums(self._slab, here)
        for crc, (of, told) in zip(own.tolist(), batch.crc, strict=True):
            if crc != told:
                self._report.failed.append(batch.keys[of])

    # --- inside ----------------------------------------------------------------------------------

    def _rows(self, sections: Sequence[Section]) -> Ints:
        """The rows of each element of the columns of `sections`; -1 where nobody is."""
        of, slots = bits(sections)
        rows: Ints = self._slab.row_at[self._places[of], slots].astype(np.int64)
        return rows

    def _tell_left(self, rows: Ints, codes: list[int]) -> None:
        if self._report.names:
            ids = self._slab.ids[rows].tolist()
            self._report.left += zip(ids, repeat(self._kind), rows.tolist(), codes)
