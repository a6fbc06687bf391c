"""Who must go where: the border of a shard, with the margin that keeps an entity from flapping.

An entity stays with its shard until it is `limits.BORDER_MARGIN_CELLS` of a cell beyond the
shard's rectangle; then it belongs to the shard whose cell it is in. The way back takes as much.

Must not know: worlds, journals.
"""

import math

import numpy as np
import numpy.typing as npt

from protocol.geometry import Geometry
from server.shard import limits

__all__ = ["Border"]

Floats = npt.NDArray[np.float64]


class Border:
    """The border of one shard; whoever has no rectangle has everybody beyond it."""

    def __init__(self, geometry: Geometry, shard: int) -> None:
        self._geometry = geometry
        self._shard = shard
        self._owners = np.asarray(geometry.owners)
        x0, y0, x1, y1 = _rect(geometry, shard)
        margin = limits.BORDER_MARGIN_CELLS * geometry.cell
        self._low = (x0 - margin, y0 - margin)
        self._high = (x1 + margin, y1 + margin)

    def crossing(self, x: Floats, y: Floats) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The places in the columns x, y (units) of entities that must go, and to which shards."""
        low, high = self._low, self._high
        outside = (x <= low[0]) | (x >= high[0]) | (y <= low[1]) | (y >= high[1])
        places = np.flatnonzero(outside)
        if not len(places):
            return places, places
        owners = self._owners[self._geometry.cells_of(x[places], y[places])].astype(np.int64)
        leaving = owners != self._shard  # beyond the world's edge nobody else owns anything
        return places[leaving], owners[leaving]


def _rect(geometry: Geometry, shard: int) -> tuple[float, float, float, float]:
    """A shard's rectangle; of one that has none, what nothing is within."""
    if shard in geometry.shards:
        return geometry.rect(shard)
    return math.inf, math.inf, -math.inf, -math.inf
