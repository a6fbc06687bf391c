"""Where everybody was: a bounded ring of positions for lag compensation.

What it is: for the last few ticks, the ids and positions of one kind, owned rows and ghosts alike.
A shooter saw the world a little ago; `at(tick)` gives it back as it was then, between two ticks by
linear interpolation, as a player's screen draws it.

Invariants: at most `ticks` entries, ascending by tick. Recording costs references; all matching
happens when somebody looks back, which is rare. An entity is never taken back across a jump of more
than `jump` units (a teleport, a respawn) nor to before it is first known: it stays at the oldest
place after that. Whoever is gone now is gone in the past as well. Who knows an entity's place best
has the last word: a neighbour says a tick later where its entities really were (`amend`), and
whoever arrives brings its own past (`insert`).

It must not know tables or worlds; positions come as arrays and go as arrays.
"""

from collections import deque
from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Ids: TypeAlias = npt.NDArray[np.uint64]


@attrs.frozen
class Positions:
    """Places by entity, ascending by id: ids uint64[N]; x, y float64[N] in units."""

    ids: Ids
    x: Array
    y: Array


@attrs.frozen
class Trail:
    """One entity's own history, which travels with it in a handoff; ticks ascending."""

    ticks: tuple[int, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]


@attrs.define(slots=False, eq=False)
class _Entry:
    """What was recorded for one tick, sorted by id when it is first looked at."""

    tick: int
    ids: Ids
    x: Array
    y: Array
    amended: tuple[Positions, ...] = ()  # the newest first, which counts most

    @cached_property
    def sorted(self) -> Positions:
        if not self.amended:
            order = np.argsort(self.ids, kind="stable")
            return Positions(self.ids[order], self.x[order], self.y[order])
        said: list[Positions | _Entry] = [*self.amended, self]
        ids, order = np.unique(np.concatenate([each.ids for each in said]), return_index=True)
        x, y = (np.concatenate([getattr(each, axis) for each in said]) for axis in "xy")
        return Positions(ids, x[order], y[order])  # of each id what was said first

    def knows_better(self, better: Positions) -> "_Entry":
        """The same with other places for some, and with who was not in it."""
        return _Entry(self.tick, self.ids, self.x, self.y, (better, *self.amended))

    def has(self, entity: int, x: float, y: float) -> bool:
        """Whether an entity is known to have been at this very place."""
        row = _row_of(self.sorted.ids, entity)
        return row is not None and bool(self.sorted.x[row] == x and self.sorted.y[row] == y)


class History:
    """A ring of the positions of the last `ticks` recorded ticks."""

    def __init__(self, ticks: int, jump: float) -> None:
        if ticks < 1:
            raise ValueError("A history holds at least one tick.")
        self.jump = jump
        self._entries: deque[_Entry] = deque(maxlen=ticks)

    def __len__(self) -> int:
        return len(self._entries)

    def record(self, tick: int, ids: Ids, x: Array, y: Array) -> None:
        """Note where everybody is at the end of this tick. The arrays are kept, not copied."""
        if self._entries and tick <= self._entries[-1].tick:
            raise ValueError(f"Tick {tick} is not after tick {self._entries[-1].tick}.")
        self._entries.append(_Entry(tick, ids, x, y))

    def amend(self, tick: int, better: Positions) -> None:
        """Say where some of them really were at `tick`; nothing, if that is not the newest tick.

        The arrays are kept, not copied, and need no order.
        """
        if self._entries and self._entries[-1].tick == tick and len(better.ids):
            self._entries[-1] = self._entries[-1].knows_better(better)

    def at(self, tick: float) -> Positions:
        """Everybody's place at a tick and its fraction, clipped to what is remembered."""
        if not self._entries:
            nothing = np.zeros(0)
            return Positions(np.zeros(0, np.uint64), nothing, nothing)
        newer = self._entries[-1]
        place = newer.sorted
        going = np.ones(len(place.ids), np.bool_)
        for older in list(self._entries)[-2::-1]:
            if tick >= newer.tick:
                break
            back = (newer.tick - max(tick, older.tick)) / (newer.tick - older.tick)
            place, going = self._stepped_back(place, going, older.sorted, back)
            newer = older
        return place

    def _stepped_back(
        self, now: Positions, going: npt.NDArray[np.bool_], past: Positions, back: float
    ) -> tuple[Positions, npt.NDArray[np.bool_]]:
        """Take those who are still going a part of the way (1 is all of it) to an older place."""
        if len(past.ids) == 0:
            return now, np.zeros_like(going)
        index = np.minimum(np.searchsorted(past.ids, now.ids), len(past.ids) - 1)
        dx, dy = past.x[index] - now.x, past.y[index] - now.y
        near = dx * dx + dy * dy <= self.jump * self.jump
        going = going & near & (past.ids[index] == now.ids)
        # The whole way is taken as it was recorded, not as now + (past - now).
        x = past.x[index] if back == 1 else now.x + dx * back
        y = past.y[index] if back == 1 else now.y + dy * back
        return Positions(now.ids, np.where(going, x, now.x), np.where(going, y, now.y)), going

    def trail(self, entity: int) -> Trail:
        """One entity's own history; empty if it is not known."""
        found = [
            (entry.tick, float(entry.sorted.x[row]), float(entry.sorted.y[row]))
            for entry in self._entries
            if (row := _row_of(entry.sorted.ids, entity)) is not None
        ]
        ticks, x, y = zip(*found, strict=True) if found else ((), (), ())
        return Trail(ticks, x, y)

    def insert(self, trails: Sequence[tuple[int, Trail]]) -> None:
        """Add entities that arrive with their past, which their owner knew best."""
        for index, entry in enumerate(self._entries):
            added = [
                (entity, x, y)
                for entity, trail in trails
                for tick, x, y in zip(trail.ticks, trail.x, trail.y, strict=True)
                if tick == entry.tick and not entry.has(entity, x, y)
            ]
            if added:
                ids, x, y = zip(*added, strict=True)
                better = Positions(np.array(ids, np.uint64), np.array(x), np.array(y))
                self._entries[index] = entry.knows_better(better)

    def to_data(self) -> list[Any]:
        """Plain data (lists, ints, bytes; columns little-endian) for a checkpoint."""
        return [
            [entry.tick, *(_bytes(column) for column in (known.ids, known.x, known.y))]
            for entry in self._entries
            for known in [entry.sorted if entry.amended else entry]
        ]

    def load(self, data: Sequence[Sequence[Any]]) -> None:
        """Replace what is remembered by what `to_data` gave."""
        self._entries.clear()
        for tick, ids, x, y in data:
            self.record(tick, _column(ids, "<u8"), _column(x, "<f8"), _column(y, "<f8"))


def _row_of(ids: Ids, entity: int) -> int | None:
    """Where an id stands in ascending ids."""
    row = int(np.searchsorted(ids, np.uint64(entity)))
    return row if row < len(ids) and int(ids[row]) == entity else None


def _bytes(column: npt.NDArray[Any]) -> bytes:
    return column.astype(column.dtype.newbyteorder("<"), copy=False).tobytes()


def _column(data: bytes, dtype: str) -> npt.NDArray[Any]:
    return np.frombuffer(data, dtype).astype(np.dtype(dtype).newbyteorder("="))
