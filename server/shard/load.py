"""Where a shard would best be cut in two: by its load, through whole cells.

The load of a cell is who is in it; a player counts more than anybody else, because of its inputs
and of what it alone is told.

Must not know: what the shard costs, who decides.
"""

from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from protocol.geometry import Geometry
from server.shard.host import Shard

__all__ = ["Cut", "best_cut"]

PLAYER: Final = 3  # others that a player counts beside itself
SHORT: Final = 0.05  # an uneven share that is put up with for a shard that is less long


@attrs.frozen
class Cut:
    """At column (`axis` 0) or row (1) `at`, with this `share` of the load below it."""

    axis: int
    at: int
    share: float

    @property
    def lesser(self) -> float:
        """The share of the half that has less."""
        return min(self.share, 1 - self.share)


def best_cut(shard: Shard, least: int = 1) -> Cut | None:
    """The cut that halves a shard's load best, with at least `least` cells on either side of it.

    None where nothing can be cut, or nobody is.
    """
    geometry = shard.partition.geometry
    if shard.id not in geometry.shards:
        return None
    leaf = geometry.leaf(shard.id)
    weights = _weights(shard, geometry)[leaf.y0 : leaf.y1, leaf.x0 : leaf.x1]
    total = int(weights.sum())
    if not total:
        return None
    sides = leaf.x1 - leaf.x0, leaf.y1 - leaf.y0
    cuts = []
    for axis, first in ((0, leaf.x0), (1, leaf.y0)):
        below = np.cumsum(weights.sum(axis=axis))[:-1] / total  # axis 0 of an array are its rows
        below = below[least - 1 : len(below) - least + 1]
        if len(below):
            place = int(np.abs(below - 0.5).argmin())
            cut = Cut(axis, first + least + place, float(below[place]))
            bad = abs(cut.share - 0.5) + SHORT * (sides[axis] < sides[1 - axis])
            cuts.append((bad, axis, cut))
    return min(cuts)[2] if cuts else None


def _weights(shard: Shard, geometry: Geometry) -> npt.NDArray[np.int64]:
    """What each cell of the world carries of this shard's load: int64[rows, columns]."""
    cells = [
        geometry.cells_of(rows.x, rows.y)
        for rows in (shard.world.export(kind) for kind in range(len(shard.schema.kinds)))
    ]
    players = [session.centre for session in shard.sessions if session.centre >= 0]
    cells.append(np.repeat(np.array(players, np.int32), PLAYER))
    weights = np.bincount(np.concatenate(cells), minlength=geometry.cells)
    return weights.reshape(geometry.rows, geometry.columns)
