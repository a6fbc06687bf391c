"""Where everybody was: the simulation's own places, tick by tick, and between two ticks.

Between two ticks a body moves along one course, which is a straight line at one pace; so the exact
motion at a time is the point between its places at the ticks around it.

Must not know: clients, links.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["Truth"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_UNKNOWN: Final = np.nan


class Truth:
    """Places by entity and tick. `jump` is what a body does not move in a tick unless it is set."""

    def __init__(self, jump: float) -> None:
        self._jump = jump
        self._rows: dict[int, int] = {}
        self._ticks: list[tuple[Integers, Floats]] = []
        self._first = 0
        self._table: Floats | None = None

    def note(self, tick: int, worlds: Mapping[int, Any], kinds: int) -> None:
        """Every entity of `worlds` as of `tick`; ticks come one after the other."""
        exports = [world.export(kind) for world in worlds.values() for kind in range(kinds)]
        ids = np.concatenate([np.asarray(rows.ids, np.int64) for rows in exports])
        places = np.concatenate([np.stack([rows.x, rows.y], axis=1) for rows in exports])
        self.add(tick, ids, places)

    def add(self, tick: int, ids: Integers, places: Floats) -> None:
        """Entities with their places, of shape (entities, 2), as of `tick`."""
        if not self._ticks:
            self._first = tick
        assert tick == self._first + len(self._ticks), "no tick is left out"
        rows = np.array(
            [self._rows.setdefault(entity, len(self._rows)) for entity in ids.tolist()], np.int64
        )
        self._ticks.append((rows, np.array(places, np.float64)))
        self._table = None

    def at(self, ids: Integers, ticks: Floats) -> Floats:
        """Places of shape (n, 2) of entities at ticks with a fraction.

        NaN where an entity was not there at both ticks around it, or was set elsewhere between.
        """
        table = self._tabled()
        rows = np.array([self._rows.get(entity, len(self._rows)) for entity in ids.tolist()])
        whole = np.floor(ticks)
        part = (ticks - whole)[:, None]
        index = whole.astype(np.int64) - self._first
        inside = (index >= 0) & (index + 1 < table.shape[1])
        index = np.where(inside, index, 0)
        here, there = table[rows, index], table[rows, np.minimum(index + 1, table.shape[1] - 1)]
        way = there - here
        known = inside & (np.hypot(way[:, 0], way[:, 1]) <= self._jump)
        places: Floats = np.where(known[:, None], here + way * part, _UNKNOWN)
        return places

    def _tabled(self) -> Floats:
        """Places by row, tick and axis; the last row is of those who never were."""
        if self._table is None:
            self._table = np.full((len(self._rows) + 1, len(self._ticks), 2), _UNKNOWN)
            for index, (rows, places) in enumerate(self._ticks):
                self._table[rows, index] = places
        return self._table
