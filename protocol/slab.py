"""The state of all parts of one kind, as columns; a part is 64 neighbouring rows.

Row = part's place * 64 + slot. Every row keeps, beside its values, the tick at which each changed,
so that a delta can be computed from any retained tick. What left a slot is remembered by its part
as a tombstone for as long as a delta may need it.

Must not know: bytes, messages, who writes.
"""

from bisect import insort
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from protocol import limits
from protocol.schema import Kind

__all__ = ["NEVER", "Slab", "Tombstone"]

NEVER = -1  # no tick: before everything that is retained
_SLOTS = limits.SLOTS
_FIRST_PARTS = 8


@attrs.frozen
class Tombstone:
    """Who held a slot until `left`; `code` is the reason as it travels."""

    slot: int
    entered: int
    left: int
    code: int


class Slab:
    """Parts of one kind by their keys; columns grow by doubling."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.place: dict[int, int] = {}
        self.keys_in: dict[int, list[int]] = {}  # by cell, ascending
        self.key = np.full(_FIRST_PARTS, -1, np.int64)
        self.cell = np.full(_FIRST_PARTS, -1, np.int32)
        self.count = np.zeros(_FIRST_PARTS, np.int64)
        self.touched = np.full(_FIRST_PARTS, NEVER, np.int64)
        self.known = np.full(_FIRST_PARTS, NEVER, np.int64)
        self.tombstones: dict[int, list[Tombstone]] = {}
        self._free = list(range(_FIRST_PARTS - 1, -1, -1))
        rows = _FIRST_PARTS * _SLOTS
        self.ids = np.zeros(rows, np.uint64)
        self.occupied = np.zeros(rows, bool)
        self.entered = np.full(rows, NEVER, np.int64)
        self.vacated = np.full(rows, NEVER, np.int64)
        self.values: dict[str, npt.NDArray[Any]] = {
            field.name: np.zeros(rows, field.dtype) for field in kind.fields
        }
        self.changed = {field.name: np.full(rows, NEVER, np.int64) for field in kind.fields}
        self.course = np.zeros((5, rows), np.int64)  # x0, y0, vx, vy, step0
        self.turned = np.full(rows, NEVER, np.int64)  # the newest change of course
        self.before = np.full(rows, NEVER, np.int64)  # the change before that
        self.jumped = np.full(rows, NEVER, np.int64)  # the newest that was no mere turn

    # --- parts -----------------------------------------------------------------------------------

    def part(self, key: int, cell: int) -> int:
        """The place of the part `key`, which is made if it is not there."""
        place = self.place.get(key)
        if place is None:
            if not self._free:
                self._grow()
            place = self._free.pop()
            self.place[key] = place
            insort(self.keys_in.setdefault(cell, []), key)
            self.key[place], self.cell[place] = key, cell
            self.count[place] = 0
            self.touched[place] = self.known[place] = NEVER
            self.vacated[self.rows(place)] = NEVER
        return place

    def rows(self, place: int) -> slice:
        """The rows of a part."""
        return slice(place * _SLOTS, (place + 1) * _SLOTS)

    def free(self, place: int) -> None:
        """Forget a part and whatever it holds."""
        key, cell = int(self.key[place]), int(self.cell[place])
        del self.place[key]
        self.keys_in[cell].remove(key)
        if not self.keys_in[cell]:
            del self.keys_in[cell]
        self.key[place] = self.cell[place] = -1
        self.count[place] = 0
        self.occupied[self.rows(place)] = False
        self.tombstones.pop(place, None)
        self._free.append(place)

    def bury(self, tick: int) -> None:
        """Drop tombstones that no delta needs any more, and parts that have nothing else."""
        oldest = tick - limits.RETAINED_TICKS
        for place, stones in list(self.tombstones.items()):
            if stones[0].left <= oldest:
                stones[:] = [stone for stone in stones if stone.left > oldest]
                if not stones:
                    del self.tombstones[place]
                    if not self.count[place]:
                        self.free(place)

    def alive(self, place: int, tick: int) -> bool:
        """Whether a part holds anything, or something left it that a delta may have to tell."""
        if self.count[place]:
            return True
        stones = self.tombstones.get(place)
        return stones is not None and stones[-1].left > tick - limits.RETAINED_TICKS

    # --- slots -----------------------------------------------------------------------------------

    def vacancy(self, place: int, tick: int) -> int:
        """The row to use next in a part that is not full.

        The lowest slot that no retained tick has seen used, so that bitmaps stay short; else the
        one that was left the longest ago.
        """
        rows = self.rows(place)
        vacated = np.where(self.occupied[rows], np.iinfo(np.int64).max, self.vacated[rows])
        rested = np.flatnonzero(vacated <= tick - limits.RETAINED_TICKS)
        slot = rested[0] if len(rested) else vacated.argmin()
        return place * _SLOTS + int(slot)

    def enter(self, row: int, entity: int, tick: int) -> None:
        """Occupy a row; the caller fills its columns."""
        place = row // _SLOTS
        self.ids[row] = entity
        self.occupied[row] = True
        self.entered[row] = self.turned[row] = self.before[row] = self.jumped[row] = tick
        for changed in self.changed.values():
            changed[row] = tick
        self.count[place] += 1
        self.touched[place] = tick

    def leave(self, row: int, tick: int, code: int) -> None:
        """Vacate a row and remember why."""
        place, slot = divmod(row, _SLOTS)
        stone = Tombstone(slot, int(self.entered[row]), tick, code)
        self.tombstones.setdefault(place, []).append(stone)
        self.occupied[row] = False
        self.vacated[row] = tick
        self.count[place] -= 1
        self.touched[place] = tick

    def _grow(self) -> None:
        parts = len(self.key)
        self._free.extend(range(2 * parts - 1, parts - 1, -1))
        self.count = np.concatenate((self.count, np.zeros_like(self.count)))
        for name in ("key", "cell", "touched", "known"):
            setattr(self, name, _doubled(getattr(self, name)))
        for name in ("ids", "occupied", "entered", "vacated", "turned", "before", "jumped"):
            setattr(self, name, _doubled(getattr(self, name)))
        self.course = np.concatenate((self.course, np.zeros_like(self.course)), axis=1)
        for columns in (self.values, self.changed):
            for name, column in columns.items():
                columns[name] = _doubled(column)


def _doubled(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Twice as long; the new half of ticks, keys and cells is `NEVER`, of values 0."""
    signed = column.dtype.kind == "i"
    return np.concatenate((column, np.full_like(column, NEVER if signed else 0)))
