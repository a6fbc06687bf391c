"""The state of all parts of one kind, as columns.

A part has 64 slots, most of them empty; an entity has a row, whose number stays while it stands in
its slot. Rows lie densely in columns whatever part they belong to, and `row_at` leads from a part's
slots to them. Every row keeps, beside its values, the tick at which each changed, so that a delta
can be computed from any retained tick; who left is in the tombstones.

Invariants: row_at[part[r], slot[r]] == r for each occupied row r; `taken` has a bit for each slot
in use; a row that was left is not used again before the next tick, so that its values can still be
read by who is told of the leave.

Must not know: bytes, messages, who writes.
"""

from bisect import insort
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from protocol import cbor, limits
from protocol.geometry import Geometry
from protocol.schema import Field, Kind
from protocol.tombstones import Tombstones

__all__ = [
    "BEFORE", "ENTERED", "FIELD", "JUMPED", "NEVER", "SPEED", "STEP0", "TURNED", "X0", "Slab",
    "bits_of", "is_wide",
]  # fmt: skip

Ints = npt.NDArray[np.int64]
Bitmaps = npt.NDArray[np.uint64]

NEVER: Final = -1  # no tick: before everything that is retained

# Columns of `ticks`: the entry, the newest change of course, the change before that, the newest
# one that was no mere turn; then one for each field.
ENTERED, TURNED, BEFORE, JUMPED, FIELD = range(5)
# Columns of `course`: x0, y0, vx, vy, step0.
X0, SPEED, STEP0 = 0, 2, 4

_FIRST_PARTS = 8
_FIRST_ROWS = 32
_SWEEP_TICKS = 16
_KEY_BYTES = 5
_PART_COLUMNS = (
    "key", "cell", "origin", "taken", "touched", "known", "key_items", "key_lengths", "row_at",
)  # fmt: skip
_ONE = np.uint64(1)

assert limits.PART_KEY_MAX <= 1 << 32, "a key fits five bytes as an item"


def bits_of(slots: npt.NDArray[Any]) -> Bitmaps:
    """The bit of each slot."""
    bits: Bitmaps = _ONE << slots.astype(np.uint64)
    return bits


class Slab:
    """Parts of one kind by their keys, and the rows in them; all columns grow by doubling."""

    def __init__(self, kind: Kind, geometry: Geometry) -> None:
        self.kind = kind
        self.geometry = geometry
        self.tombstones = Tombstones()
        # Parts.
        self.place: dict[int, int] = {}
        self.keys_in: dict[int, list[int]] = {}  # by cell, ascending
        self.key = np.full(_FIRST_PARTS, -1, np.int64)
        self.cell = np.full(_FIRST_PARTS, -1, np.int32)
        self.origin = np.zeros((_FIRST_PARTS, 2), np.int64)
        self.taken = np.zeros(_FIRST_PARTS, np.uint64)
        self.touched = np.full(_FIRST_PARTS, NEVER, np.int64)
        self.known = np.full(_FIRST_PARTS, NEVER, np.int64)
        self.key_items = np.zeros((_FIRST_PARTS, _KEY_BYTES), np.uint8)  # encoded
        self.key_lengths = np.zeros(_FIRST_PARTS, np.int64)
        self.row_at = np.full((_FIRST_PARTS, limits.SLOTS), -1, np.int32)
        self._free_places = list(range(_FIRST_PARTS - 1, -1, -1))
        self._axes = [field for field in kind.fields if field.axis is not None]
        self._origins: dict[int, tuple[int, int]] = {}
        # Rows.
        self.ids = np.zeros(_FIRST_ROWS, np.uint64)
        self.part = np.full(_FIRST_ROWS, -1, np.int32)
        self.slot = np.zeros(_FIRST_ROWS, np.uint8)
        self.latest = np.zeros(_FIRST_ROWS, np.int64)  # the newest of a row's ticks
        self.ticks = np.zeros((_FIRST_ROWS, FIELD + len(kind.fields)), np.int64)
        self.course = np.zeros((_FIRST_ROWS if kind.course else 0, 5), np.int64)
        self.values: dict[str, npt.NDArray[Any]] = {
            field.name: np.zeros(_FIRST_ROWS, field.dtype) for field in kind.fields
        }
        # What wide fields were before their newest change: for differences.
        self.before: dict[int, npt.NDArray[Any]] = {
            index: np.zeros(_FIRST_ROWS, field.dtype)
            for index, field in enumerate(kind.fields)
            if is_wide(field)
        }
        self._free_rows = list(range(_FIRST_ROWS - 1, -1, -1))
        self._resting_rows: list[int] = []
        self._sweep_due = 0

    # --- parts -----------------------------------------------------------------------------------

    def make(self, key: int, cell: int) -> int:
        """The place of the part `key` in `cell`, which is made if it is not there."""
        place = self.place.get(key)
        if place is None:
            if not self._free_places:
                self._grow_parts()
            place = self.place[key] = self._free_places.pop()
            insort(self.keys_in.setdefault(cell, []), key)
            self.key[place], self.cell[place] = key, cell
            self.taken[place] = 0
            self.touched[place] = self.known[place] = NEVER
            item = cbor.uint(key)
            self.key_items[place, : len(item)] = np.frombuffer(item, np.uint8)
            self.key_lengths[place] = len(item)
            if self._axes:
                self.origin[place] = self._origin(cell)
        return place

    def free(self, places: Iterable[int]) -> None:
        """Forget parts and whoever is in them."""
        gone = np.array(list(places), np.int64)
        if not len(gone):
            return
        self.clear(gone)
        self.tombstones.forget_places(gone)
        for place in gone.tolist():
            key, cell = int(self.key[place]), int(self.cell[place])
            del self.place[key]
            keys = self.keys_in[cell]
            keys.remove(key)
            if not keys:
                del self.keys_in[cell]
            self._free_places.append(place)
        self.key[gone] = self.cell[gone] = -1

    def forget(self, tick: int) -> None:
        """At a new tick: let rows be used again, and drop what no delta needs any more."""
        if self._resting_rows:
            self._free_rows += self._resting_rows
            self._resting_rows = []
        if tick >= self._sweep_due:
            self._sweep_due = tick + _SWEEP_TICKS
            oldest = tick - limits.RETAINED_TICKS
            if len(self.tombstones):
                self.tombstones.forget_until(oldest)
            idle = (self.taken == 0) & (self.key >= 0) & (self.touched <= oldest)
            if idle.any():
                self.free(np.flatnonzero(idle).tolist())

    # --- rows ------------------------------------------------------------------------------------

    def rows_in(self, places: Ints) -> tuple[Ints, Ints]:
        """All rows of parts, ordered by part and slot: index into `places`, row."""
        table = self.row_at[places].reshape(-1)
        at = (table >= 0).nonzero()[0]
        rows: Ints = table[at].astype(np.int64)
        return at // limits.SLOTS, rows

    def enter(self, places: Ints, slots: Ints, ids: npt.NDArray[np.uint64], tick: int) -> Ints:
        """Occupy empty slots; gives their rows, whose values the caller fills."""
        count = len(places)
        assert count, "somebody enters"
        if len(self._free_rows) < count:
            self._grow_rows(count)
        rows = np.array(self._free_rows[-count:], np.int64)
        del self._free_rows[-count:]
        self.row_at[places, slots] = rows
        np.bitwise_or.at(self.taken, places, bits_of(slots))
        self.touched[places] = tick
        self.ids[rows], self.part[rows], self.slot[rows] = ids, places, slots
        self.latest[rows] = tick
        self.ticks[rows] = tick
        return rows

    def change(self, index: int, rows: Ints, values: npt.NDArray[Any], tick: int) -> None:
        """Note new values of a field, each row once, unless they come with the entry."""
        column = self.values[self.kind.fields[index].name]
        before = self.before.get(index)
        if before is not None:
            first = self.ticks[rows, FIELD + index] < tick
            before[rows[first]] = column[rows[first]]
        column[rows] = values
        self.ticks[rows, FIELD + index] = tick

    def stamp_courses(self, rows: Ints, tick: int) -> None:
        """Note a change of rows' courses."""
        self.ticks[rows, BEFORE] = self.ticks[rows, TURNED]
        self.ticks[rows, TURNED] = tick

    def leave(self, rows: Ints, tick: int, codes: Ints) -> None:
        """Vacate rows and remember why."""
        places, slots = self.part[rows].astype(np.int64), self.slot[rows].astype(np.int64)
        self.tombstones.add(places, slots, self.ticks[rows, ENTERED], tick, codes)
        self.row_at[places, slots] = -1
        np.bitwise_and.at(self.taken, places, ~bits_of(slots))
        self.touched[places] = tick
        self._rest(rows)

    def clear(self, places: Ints) -> Ints:
        """Empty parts without a trace; gives the rows of who was there."""
        _, rows = self.rows_in(places)
        self.row_at[places] = -1
        self.taken[places] = 0
        self._rest(rows)
        return rows

    # --- inside ----------------------------------------------------------------------------------

    def _rest(self, rows: Ints) -> None:
        self.part[rows] = -1
        self._resting_rows += rows.tolist()

    def _origin(self, cell: int) -> tuple[int, int]:
        """The corner of a cell in wire steps of the kind's plain x and y."""
        origin = self._origins.get(cell)
        if origin is None:
            corner = self.geometry.cell_origin(cell)
            steps = [0, 0]
            for field in self._axes:
                assert field.axis is not None
                steps[field.axis] = int(field.to_int(corner[field.axis]))
            origin = self._origins[cell] = (steps[0], steps[1])
        return origin

    def _grow_parts(self) -> None:
        parts = len(self.key)
        self._free_places.extend(range(2 * parts - 1, parts - 1, -1))
        for name in _PART_COLUMNS:
            setattr(self, name, _lengthened(getattr(self, name), parts))

    def _grow_rows(self, wanted: int) -> None:
        rows = len(self.ids)
        more = max(rows, wanted)
        self._free_rows[:0] = range(rows + more - 1, rows - 1, -1)
        for name in ("ids", "part", "slot", "latest", "ticks"):
            setattr(self, name, _lengthened(getattr(self, name), more))
        if self.kind.course is not None:
            self.course = _lengthened(self.course, more)
        for name, column in self.values.items():
            self.values[name] = _lengthened(column, more)
        for index, column in self.before.items():
            self.before[index] = _lengthened(column, more)


def _lengthened(column: npt.NDArray[Any], more: int) -> npt.NDArray[Any]:
    """`more` further rows: of signed columns -1, of others 0."""
    fresh = np.zeros((more, *column.shape[1:]), column.dtype)
    if column.dtype.kind == "i":
        fresh -= 1
    return np.concatenate((column, fresh))


def is_wide(field: Field) -> bool:
    """Whether changes of a field may travel as one-byte differences."""
    return field.type in ("u16", "u32")
