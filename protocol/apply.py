"""A receiver's side of a table of parts: applying decoded updates, strictly.

An update is checked as a whole before anything of it is done, so a bad one changes nothing. What
cannot be (wrong lengths, impossible slots) raises RemoteProtocolError; what can happen on a link
that lost its footing (a slot that ought to be occupied and is not) raises Unsynced, and the part is
asked for anew.

Must not know: sockets, shards, entity indexes.
"""

from functools import lru_cache
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from protocol import courses, limits
from protocol.encode import CRC, ENTER, FIELDS, LEAVE, SET, TURN, checksum
from protocol.errors import RemoteProtocolError
from protocol.slab import Slab

__all__ = [
    "Report",
    "Unsynced",
    "Update",
    "apply_update",
    "check_crc",
    "clear_part",
    "read_update",
]

_ALL = (1 << limits.SLOTS) - 1


class Unsynced(Exception):  # noqa: N818 - a state of the replica, which the caller mends
    """The update stands on a baseline that this receiver does not hold."""


@attrs.define
class Report:
    """What updates did: ids that entered, left (with the code), turned, were set, or changed."""

    entered: list[int] = attrs.field(factory=list)
    left: list[tuple[int, int]] = attrs.field(factory=list)
    turned: list[int] = attrs.field(factory=list)
    set: list[int] = attrs.field(factory=list)
    changed: list[int] = attrs.field(factory=list)
    crc_checks: int = 0
    crc_failed: bool = False


@attrs.define
class Update:
    """A checked update; columns lie in the order of the wire."""

    key: int
    age: int
    crc: int | None = None
    leave: tuple[int, list[int]] | None = None
    enter: tuple[int, list[Any]] | None = None
    turn: tuple[int, list[Any]] | None = None
    set: tuple[int, list[Any]] | None = None
    fields: list[tuple[int, int, Any]] = attrs.field(factory=list)


@lru_cache(maxsize=1 << 14)
def slots_of(bitmap: int) -> npt.NDArray[np.int64]:
    """The slots in a bitmap, ascending."""
    slots = np.array([slot for slot in range(limits.SLOTS) if bitmap >> slot & 1], np.int64)
    slots.flags.writeable = False
    return slots


class _Reader:
    def __init__(self, items: list[Any]) -> None:
        self._items = items
        self._at = 3

    def next(self) -> Any:
        if self._at >= len(self._items):
            raise RemoteProtocolError("an update ends early")
        self._at += 1
        return self._items[self._at - 1]

    def bitmap(self) -> tuple[int, int]:
        bitmap = self.next()
        if type(bitmap) is not int or not 0 < bitmap <= _ALL:
            raise RemoteProtocolError("an update with an impossible bitmap")
        return bitmap, bitmap.bit_count()

    def column(self, dtype: np.dtype[Any], length: int) -> npt.NDArray[Any]:
        column = self.next()
        if type(column) is not np.ndarray or column.dtype != dtype or len(column) != length:
            raise RemoteProtocolError("an update with a column of the wrong type or length")
        return column

    def end(self) -> None:
        if self._at != len(self._items):
            raise RemoteProtocolError("an update with something after its end")


_U64, _I32, _U16, _U8 = np.dtype("<u8"), np.dtype("<i4"), np.dtype("<u2"), np.dtype("u1")


def read_update(slab: Slab, items: list[Any], key: int) -> Update:
    """Check an update's shape; `items` is the decoded array, whose key was read already."""
    age, contents = items[1], items[2]
    _check_head(slab, age, contents)
    reader, update = _Reader(items), Update(key, age)
    if contents & CRC:
        update.crc = reader.next()
        if type(update.crc) is not int:
            raise RemoteProtocolError("a CRC that is no number")
    if contents & LEAVE:
        update.leave = _read_leave(reader)
    if contents & ENTER:
        update.enter = _read_enter(slab, reader)
    for bit in (TURN, SET):
        if contents & bit:
            bitmap, columns = _read_courses(slab, reader, positions=bit == SET)
            setattr(update, "turn" if bit == TURN else "set", (bitmap, columns))
    for index in range(len(slab.kind.fields)):
        if contents & FIELDS << index:
            bitmap, count = reader.bitmap()
            update.fields.append((index, bitmap, _read_column(slab, index, reader, count)))
    reader.end()
    return update


def _check_head(slab: Slab, age: Any, contents: Any) -> None:
    if type(age) is not int or not 0 <= age <= limits.TICK_MAX:
        raise RemoteProtocolError("an update with an impossible baseline")
    if type(contents) is not int or not 0 <= contents < FIELDS << len(slab.kind.fields):
        raise RemoteProtocolError("an update with contents that its kind does not have")
    if slab.kind.course is None and contents & (TURN | SET):
        raise RemoteProtocolError("a course of a kind that has none")
    if age == 0 and contents & ~(CRC | ENTER):
        raise RemoteProtocolError("a keyframe that stands on something")


def _read_leave(reader: _Reader) -> tuple[int, list[int]]:
    bitmap, count = reader.bitmap()
    reasons = reader.next()
    if type(reasons) is not list or len(reasons) != count:
        raise RemoteProtocolError("an update with leaves that have no reason")
    for reason in reasons:
        if type(reason) is not int or not 0 <= reason < 1 << 40:
            raise RemoteProtocolError("an update with a leave for no known reason")
    return bitmap, reasons


def _read_enter(slab: Slab, reader: _Reader) -> tuple[int, list[Any]]:
    bitmap, count = reader.bitmap()
    columns: list[Any] = [reader.column(_U64, count)]
    columns += [_read_column(slab, index, reader, count) for index in range(len(slab.kind.fields))]
    course = slab.kind.course
    if course is not None:
        columns += [reader.column(_I32, count) for _ in range(2)]
        columns += [reader.column(course.speed_dtype, count) for _ in range(2)]
        columns.append(reader.column(_U16, count))
    return bitmap, columns


def _read_courses(slab: Slab, reader: _Reader, *, positions: bool) -> tuple[int, list[Any]]:
    course = slab.kind.course
    assert course is not None
    bitmap, count = reader.bitmap()
    columns: list[Any] = [reader.column(_I32, count) for _ in range(2 if positions else 0)]
    columns += [reader.column(course.speed_dtype, count) for _ in range(2)]
    ages = reader.next()
    if ages is not None and (
        type(ages) is not np.ndarray or ages.dtype != _U16 or len(ages) != count
    ):
        raise RemoteProtocolError("an update with courses of no age")
    columns.append(1 if ages is None else ages.astype(np.int64))
    return bitmap, columns


def _read_column(slab: Slab, index: int, reader: _Reader, count: int) -> npt.NDArray[Any]:
    field = slab.kind.fields[index]
    if not field.is_text:
        return reader.column(field.dtype, count)
    return reader.column(_U8, count * field.text_bytes).view(field.dtype)


def apply_update(
    slab: Slab,
    update: Update,
    cell: int,
    origin: tuple[int, int],
    *,
    tick: int,
    step: int,
    report: Report,
) -> None:
    """Do what a checked update says. Raises Unsynced, before anything is done, if it cannot be."""
    place = slab.place.get(update.key)
    _check_baseline(slab, place, update)
    if place is None:
        if update.enter is None and update.age:
            check_crc(slab, None, update, report)
            return
        place = slab.part(update.key, cell)
    first = place * limits.SLOTS
    if update.age == 0:
        clear_part(slab, place, tick, report)
    if update.leave is not None:
        for slot, code in zip(slots_of(update.leave[0]).tolist(), update.leave[1], strict=True):
            report.left.append((int(slab.ids[first + slot]), code))
            slab.leave(first + slot, tick, code)
    if update.enter is not None:
        _enter(slab, update.enter, first, origin, tick, step, report)
    _apply_courses(slab, update, first, tick, step, report)
    for index, bitmap, column in update.fields:
        _apply_field(slab, index, slots_of(bitmap) + first, column, origin, tick, report)
    if update.turn or update.set or update.fields:
        slab.touched[place] = tick
    check_crc(slab, place, update, report)


def _check_baseline(slab: Slab, place: int | None, update: Update) -> None:
    occupied = 0
    if place is not None and update.age:
        occupied = _occupancy(slab, place)
    left = update.leave[0] if update.leave else 0
    if left & ~occupied:
        raise Unsynced("somebody leaves who is not there")
    occupied &= ~left
    if update.enter and update.enter[0] & occupied:
        raise Unsynced("somebody enters where another is")
    bitmaps = [bitmap for _, bitmap, _ in update.fields]
    bitmaps += [course[0] for course in (update.turn, update.set) if course]
    if any(bitmap & ~occupied for bitmap in bitmaps):
        raise Unsynced("somebody changes who is not there")


def _occupancy(slab: Slab, place: int) -> int:
    return int.from_bytes(
        np.packbits(slab.occupied[slab.rows(place)], bitorder="little").tobytes(), "little"
    )


def clear_part(slab: Slab, place: int, tick: int, report: Report) -> None:
    """Empty a part, since a keyframe of it comes; who was there has left for no told reason."""
    rows = slab.rows(place)
    report.left += [(int(entity), -1) for entity in slab.ids[rows][slab.occupied[rows]]]
    slab.occupied[rows] = False
    slab.count[place] = 0
    slab.tombstones.pop(place, None)
    slab.known[place] = slab.touched[place] = tick


def _enter(
    slab: Slab,
    enter: tuple[int, list[Any]],
    first: int,
    origin: tuple[int, int],
    tick: int,
    step: int,
    report: Report,
) -> None:
    rows = slots_of(enter[0]) + first
    ids = enter[1][0]
    for row, entity in zip(rows.tolist(), ids.tolist(), strict=True):
        slab.enter(row, entity, tick)
    report.entered += ids.tolist()
    for index, field in enumerate(slab.kind.fields):
        slab.values[field.name][rows] = _absolute(slab, index, enter[1][1 + index], origin)
    if slab.kind.course is not None:
        x0, y0, vx, vy, ages = enter[1][-5:]
        course = slab.course
        course[0, rows], course[1, rows], course[2, rows], course[3, rows] = x0, y0, vx, vy
        course[4, rows] = step - ages.astype(np.int64)


def _apply_courses(
    slab: Slab, update: Update, first: int, tick: int, step: int, report: Report
) -> None:
    course = slab.course
    if update.turn is not None:
        rows = slots_of(update.turn[0]) + first
        vx, vy, ages = update.turn[1]
        form = slab.kind.course
        assert form is not None
        x0, y0, old_vx, old_vy, step0 = course[:, rows]
        begins = step - ages
        course[0, rows] = courses.evaluate(x0, old_vx, begins - step0, form.num, form.den)
        course[1, rows] = courses.evaluate(y0, old_vy, begins - step0, form.num, form.den)
        course[2, rows], course[3, rows], course[4, rows] = vx, vy, begins
        slab.before[rows] = slab.turned[rows]
        slab.turned[rows] = tick
        report.turned += slab.ids[rows].tolist()
    if update.set is not None:
        rows = slots_of(update.set[0]) + first
        x0, y0, vx, vy, ages = update.set[1]
        course[0, rows], course[1, rows], course[2, rows], course[3, rows] = x0, y0, vx, vy
        course[4, rows] = step - ages
        slab.before[rows] = slab.turned[rows]
        slab.turned[rows] = slab.jumped[rows] = tick
        report.set += slab.ids[rows].tolist()


def _apply_field(
    slab: Slab,
    index: int,
    rows: npt.NDArray[np.int64],
    column: npt.NDArray[Any],
    origin: tuple[int, int],
    tick: int,
    report: Report,
) -> None:
    name = slab.kind.fields[index].name
    slab.values[name][rows] = _absolute(slab, index, column, origin)
    slab.changed[name][rows] = tick
    report.changed += slab.ids[rows].tolist()


def _absolute(
    slab: Slab, index: int, column: npt.NDArray[Any], origin: tuple[int, int]
) -> npt.NDArray[Any]:
    axis = slab.kind.fields[index].axis
    return column if axis is None else column + column.dtype.type(origin[axis])


def check_crc(slab: Slab, place: int | None, update: Update, report: Report) -> None:
    """Compare a part (None: not there, so empty) with the CRC in its update, if it has one."""
    if update.crc is not None:
        report.crc_checks += 1
        if checksum(slab, place) != update.crc:
            report.crc_failed = True
