"""Named arrays that grow and shrink together: the rows of one kind.

What it is: arrays with room to spare, of which the first `count` rows are in use. Appending is
amortised, removing moves rows from the end into the holes.

Invariants: a row's place changes only in `remove`; which rows move depends on the set of removed
rows, not on the order in which they were named. Views that were handed out before `append` or
`remove` must not be used after.

It must not know what the arrays mean.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]

_FIRST_ROOM: Final = 64


class Store:
    """Columns of equal length, by name; `views[name]` is the part in use."""

    def __init__(self) -> None:
        self.count = 0
        self.views: dict[str, Column] = {}
        self._arrays: dict[str, Column] = {}
        self._room = _FIRST_ROOM

    def add(self, name: str, dtype: np.dtype[Any]) -> None:
        """A new column of zeros."""
        self._arrays[name] = np.zeros(self._room, dtype)
        self.views[name] = self._arrays[name][: self.count]

    def append(self, columns: dict[str, Column], added: int) -> None:
        """Add `added` rows at the end; every column must be given."""
        start, end = self.count, self.count + added
        if end > self._room:
            self._grow(end)
        for name, array in self._arrays.items():
            array[start:end] = columns[name]
        self._resize(end)

    def remove(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Remove rows; gives the places, ascending, that rows from the end were moved to."""
        kept = self.count - len(rows)
        leaving = np.zeros(self.count, np.bool_)
        leaving[rows] = True
        holes = np.flatnonzero(leaving[:kept])
        movers = np.flatnonzero(~leaving[kept:]) + kept
        for array in self._arrays.values():
            array[holes] = array[movers]
        self._resize(kept)
        return holes

    def _grow(self, needed: int) -> None:
        while self._room < needed:
            self._room *= 2
        for name, array in self._arrays.items():
            grown = np.zeros(self._room, array.dtype)
            grown[: self.count] = array[: self.count]
            self._arrays[name] = grown

    def _resize(self, count: int) -> None:
        self.count = count
        self.views = {name: array[:count] for name, array in self._arrays.items()}
