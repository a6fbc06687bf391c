"""Space: cells, shards as rectangles of cells, and what an interest covers.

A world is cut into square cells; the last column and row may stick out of the world. Shards are
the leaves of a k-d tree and cover every cell exactly once; `version` names the tree.

Cell index = row * columns + column. All rectangles are half open, in cells.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import attrs
import numpy as np
from numpy.typing import NDArray

from protocol import limits
from protocol.errors import RemoteProtocolError

__all__ = ["Geometry", "Leaf"]


class Leaf(NamedTuple):
    """The rectangle of cells [x0, x1) x [y0, y1) of one shard."""

    shard: int
    x0: int
    y0: int
    x1: int
    y1: int


@attrs.frozen(eq=False)
class Geometry:
    """One world's space. `interest` holds the radius of each class, in units."""

    width: float
    height: float
    cell: float
    interest: tuple[float, ...]
    version: int
    leaves: tuple[Leaf, ...]
    columns: int = attrs.field(init=False)
    rows: int = attrs.field(init=False)
    owners: NDArray[np.int32] = attrs.field(init=False, repr=False)
    _interests: dict[tuple[int, int], tuple[int, ...]] = attrs.field(
        factory=dict, init=False, repr=False
    )

    def __attrs_post_init__(self) -> None:
        columns = int(np.ceil(self.width / self.cell))
        rows = int(np.ceil(self.height / self.cell))
        if columns * rows > limits.CELLS_MAX:
            raise ValueError(f"{columns} x {rows} cells are more than {limits.CELLS_MAX}")
        owners = np.full((rows, columns), -1, np.int32)
        for leaf in self.leaves:
            if not (0 <= leaf.x0 < leaf.x1 <= columns and 0 <= leaf.y0 < leaf.y1 <= rows):
                raise ValueError(f"shard {leaf.shard} lies outside the world")
            block = owners[leaf.y0 : leaf.y1, leaf.x0 : leaf.x1]
            if (block != -1).any():
                raise ValueError(f"shard {leaf.shard} overlaps another")
            block[:] = leaf.shard
        if len({leaf.shard for leaf in self.leaves}) != len(self.leaves):
            raise ValueError("a shard has two rectangles")
        if (owners == -1).any():
            raise ValueError("the shards do not cover the world")
        flat: NDArray[np.int32] = owners.reshape(-1)
        flat.flags.writeable = False
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "owners", flat)

    @classmethod
    def grid(
        cls,
        width: float,
        height: float,
        cell: float,
        interest: Sequence[float],
        shards: tuple[int, int] = (2, 2),
    ) -> "Geometry":
        """A world cut into `shards` columns x rows, as even as whole cells allow.

        Raises ValueError when there are fewer cells than shards on a side.
        """
        columns, rows = int(np.ceil(width / cell)), int(np.ceil(height / cell))
        across, down = shards
        if across > columns or down > rows:
            raise ValueError(
                f"{columns} x {rows} cells cannot be cut into {across} x {down} shards"
            )
        xs = [columns * i // across for i in range(across + 1)]
        ys = [rows * i // down for i in range(down + 1)]
        leaves = tuple(
            Leaf(j * across + i, xs[i], ys[j], xs[i + 1], ys[j + 1])
            for j in range(down)
            for i in range(across)
        )
        return cls(float(width), float(height), float(cell), tuple(interest), 1, leaves)

    @property
    def cells(self) -> int:
        """How many cells the world has."""
        return self.columns * self.rows

    @property
    def shards(self) -> tuple[int, ...]:
        """The shards' numbers, ascending."""
        return tuple(sorted(leaf.shard for leaf in self.leaves))

    def cell_of(self, x: float, y: float) -> int:
        """The cell of a point in units; points outside count to the nearest cell."""
        column = min(max(int(x // self.cell), 0), self.columns - 1)
        row = min(max(int(y // self.cell), 0), self.rows - 1)
        return row * self.columns + column

    def cells_of(self, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.int32]:
        """`cell_of` for columns of equal length."""
        columns = np.clip(np.floor(xs / self.cell), 0, self.columns - 1)
        rows = np.clip(np.floor(ys / self.cell), 0, self.rows - 1)
        cells: NDArray[np.int32] = (rows * self.columns + columns).astype(np.int32)
        return cells

    def cell_origin(self, cell: int) -> tuple[float, float]:
        """The corner of a cell with the least x and y, in units."""
        row, column = divmod(cell, self.columns)
        return column * self.cell, row * self.cell

    def shard_of(self, cell: int) -> int:
        """The shard whose rectangle holds a cell."""
        return int(self.owners[cell])

    def leaf(self, shard: int) -> Leaf:
        """A shard's rectangle in cells. Raises KeyError."""
        for leaf in self.leaves:
            if leaf.shard == shard:
                return leaf
        raise KeyError(shard)

    def rect(self, shard: int) -> tuple[float, float, float, float]:
        """A shard's rectangle x0, y0, x1, y1 in units, cut at the world's edge."""
        leaf = self.leaf(shard)
        return (
            leaf.x0 * self.cell,
            leaf.y0 * self.cell,
            min(leaf.x1 * self.cell, self.width),
            min(leaf.y1 * self.cell, self.height),
        )

    def interest_cells(self, centre: int, radius_class: int) -> tuple[int, ...]:
        """Cells nearer to `centre` than the class's radius, ascending; memoised.

        Distance is between the nearest points of two cells, so a radius of up to one cell covers a
        block of 3 x 3.
        """
        known = self._interests.get((centre, radius_class))
        if known is None:
            known = self._cells_near(centre, self.interest[radius_class])
            self._interests[centre, radius_class] = known
        return known

    def _cells_near(self, centre: int, radius: float) -> tuple[int, ...]:
        reach = int(np.ceil(radius / self.cell))
        row, column = divmod(centre, self.columns)
        return tuple(
            y * self.columns + x
            for y in range(max(row - reach, 0), min(row + reach + 1, self.rows))
            for x in range(max(column - reach, 0), min(column + reach + 1, self.columns))
            if self._gap(x - column) ** 2 + self._gap(y - row) ** 2 < radius**2
        )

    def cell_gap(self, one: int, other: int) -> float:
        """How far two cells are apart at their nearest points, in units."""
        row, column = divmod(one, self.columns)
        other_row, other_column = divmod(other, self.columns)
        return math.hypot(self._gap(column - other_column), self._gap(row - other_row))

    def _gap(self, difference: int) -> float:
        return max(abs(difference) - 1, 0) * self.cell

    def border_cells(self, shard: int, reach: float) -> NDArray[np.int32]:
        """Cells of other shards within `reach` units of a shard's rectangle, ascending."""
        leaf = self.leaf(shard)
        rows, columns = np.divmod(np.arange(self.cells, dtype=np.int32), self.columns)
        dx = np.maximum(np.maximum(leaf.x0 - 1 - columns, columns - leaf.x1), 0) * self.cell
        dy = np.maximum(np.maximum(leaf.y0 - 1 - rows, rows - leaf.y1), 0) * self.cell
        near = (dx**2 + dy**2 < reach**2) & (self.owners != shard)
        return np.flatnonzero(near).astype(np.int32)

    def to_data(self) -> dict[str, Any]:
        """Plain data for the wire."""
        return {
            "size": [self.width, self.height],
            "cell": self.cell,
            "interest": list(self.interest),
            "version": self.version,
            "shards": [list(leaf) for leaf in self.leaves],
        }

    @classmethod
    def from_data(cls, data: object) -> "Geometry":
        """The reverse. Raises RemoteProtocolError when that is nonsense."""
        try:
            return _from_data(data)
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise RemoteProtocolError(f"the geometry makes no sense: {error!r}") from None


def _from_data(data: Any) -> Geometry:
    width, height = (_positive(side) for side in data["size"])
    leaves = data["shards"]
    version = data["version"]
    if type(leaves) is not list or not 1 <= len(leaves) <= limits.SHARDS_MAX:
        raise ValueError("shards")
    if type(version) is not int or version < 0:
        raise ValueError("version")
    if type(data["interest"]) is not list:
        raise ValueError("interest")
    for leaf in leaves:
        if len(leaf) != 5 or any(type(side) is not int or not 0 <= side < 2**31 for side in leaf):
            raise ValueError("a shard")
    cell = _positive(data["cell"])
    if width / cell * height / cell > limits.CELLS_MAX:
        raise ValueError("too many cells")
    return Geometry(
        width=width,
        height=height,
        cell=cell,
        interest=tuple(_positive(radius) for radius in data["interest"]),
        version=version,
        leaves=tuple(Leaf(*leaf) for leaf in leaves),
    )


def _positive(item: object) -> float:
    if type(item) not in {int, float} or not 0 < item < 1e12:  # type: ignore[operator]
        raise ValueError("a length is not positive")
    return float(item)  # type: ignore[arg-type]
