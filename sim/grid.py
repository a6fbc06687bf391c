"""Who is near whom: a uniform grid over points, built anew each step.

What it is: points are sorted by square (a counting sort in effect), so that three neighbouring
squares of a row are one slice, and the neighbours of all queries are found with a few whole-array
operations. Meant for owned and ghost rows alike: pass `world.everyone(Kind)`'s columns.

Invariants: exact (candidates are compared by their squared distance), and the order of the answer
depends on positions and row order alone: queries ascending, and for each query its points by
square, then by row.

It must not know entities or kinds.
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Indices: TypeAlias = npt.NDArray[np.int64]

# Up to this many candidate pairs, comparing all with all is faster than building a grid.
_ALL_PAIRS_MAX: Final = 1 << 13

# More squares than this would cost more to clear than they save; the squares grow instead.
_SQUARES_MAX: Final = 1 << 16


def pairs_within(
    points: tuple[Array, Array], queries: tuple[Array, Array], radius: float
) -> tuple[Indices, Indices, Array]:
    """All (query, point) within `radius` units, found in the way that suits their number.

    Gives query index, point index, squared distance. Queries ascend; the points of one query come
    in an order that depends on positions and rows alone.
    """
    x, y = points
    if len(x) * len(queries[0]) > _ALL_PAIRS_MAX:
        return Grid(x, y, radius).pairs(*queries, radius)
    dx, dy = x - queries[0][:, None], y - queries[1][:, None]
    square = dx * dx + dy * dy
    query, point = np.nonzero(square <= radius * radius)
    return query, point, square[query, point]


class Grid:
    """Points (x, y: float64[N], in units) sorted into squares of side `cell` units."""

    def __init__(self, x: Array, y: Array, cell: float) -> None:
        if cell <= 0:
            raise ValueError("The squares of a grid need a side above 0.")
        self._x, self._y = x, y
        self._left, self._top = (float(x.min()), float(y.min())) if len(x) else (0.0, 0.0)
        width, height = (float(np.ptp(x)), float(np.ptp(y))) if len(x) else (0.0, 0.0)
        self.cell = cell
        while (width / self.cell + 1) * (height / self.cell + 1) > _SQUARES_MAX:
            self.cell *= 2.0
        self._columns = int(width / self.cell) + 1
        self._rows = int(height / self.cell) + 1
        column, row = self._square(x, y)
        square = row * self._columns + column
        # numpy's stable sort of 16-bit keys is a radix sort, several times faster than by value.
        self._order = np.argsort(square.astype(np.uint16), kind="stable")
        counts = np.bincount(square, minlength=self._rows * self._columns)
        self._starts: Indices = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)

    def pairs(self, x: Array, y: Array, radius: float) -> tuple[Indices, Indices, Array]:
        """All (query, point) within `radius` units: query index, point index, squared distance.

        `x`, `y` are the queries, float64[M]. A query that is itself a point finds itself too.
        """
        query, point = self._candidates(x, y, radius)
        dx, dy = self._x[point] - x[query], self._y[point] - y[query]
        square = dx * dx + dy * dy
        near = square <= radius * radius
        return query[near], point[near], square[near]

    def near(self, x: float, y: float, radius: float) -> Indices:
        """The points within `radius` units of one place."""
        return self.pairs(np.array([x]), np.array([y]), radius)[1]

    def _square(self, x: Array, y: Array) -> tuple[Indices, Indices]:
        """Column and row of places, moved into the grid."""
        # Not `clip`, which costs as much as all of the rest.
        column = np.maximum(np.floor((x - self._left) / self.cell), 0.0)
        row = np.maximum(np.floor((y - self._top) / self.cell), 0.0)
        return (
            np.minimum(column, self._columns - 1.0).astype(np.int64),
            np.minimum(row, self._rows - 1.0).astype(np.int64),
        )

    def _candidates(self, x: Array, y: Array, radius: float) -> tuple[Indices, Indices]:
        """Every point in the squares that a query's circle may touch."""
        if not len(x) or not len(self._x):
            nobody = np.zeros(0, np.int64)
            return nobody, nobody
        first, low = self._square(x - radius, y - radius)
        last, high = self._square(x + radius, y + radius)
        height = int((high - low).max()) + 1
        rows = np.minimum(low[:, None] + np.arange(height), self._rows - 1)
        twice = low[:, None] + np.arange(height) > high[:, None]
        starts = self._starts[rows * self._columns + first[:, None]]
        ends = np.where(twice, starts, self._starts[rows * self._columns + last[:, None] + 1])
        return self._expand(starts.ravel(), (ends - starts).ravel(), height)

    def _expand(self, starts: Indices, counts: Indices, height: int) -> tuple[Indices, Indices]:
        """Slices of the sorted order, one per query and row of squares, as flat pairs."""
        slices = np.repeat(np.arange(len(starts)), counts)
        before = np.cumsum(counts) - counts
        place = np.arange(len(slices)) - before[slices] + starts[slices]
        return slices // height, self._order[place]
