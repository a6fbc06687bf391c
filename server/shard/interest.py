"""Around which cell a session's interest is centred.

The centre follows the entity only when it is a margin beyond the centre cell, so that a player who
moves along a cell's edge keeps the same interest, and clients nearby go on sharing bodies. The
centre travels with the session, so crossing a border does not move it either.

Must not know: radius classes, frames.
"""

import numpy as np
import numpy.typing as npt

from protocol.geometry import Geometry
from server.shard import limits

__all__ = ["follow_centres"]


def follow_centres(
    geometry: Geometry,
    centres: npt.NDArray[np.int64],
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """The centres (cells, -1 for none yet) after the entities moved to x, y (units)."""
    cell = geometry.cell
    margin = limits.CENTRE_MARGIN_CELLS * cell
    left = centres % geometry.columns * cell
    top = centres // geometry.columns * cell
    inside = (
        (centres >= 0)
        & (x >= left - margin)
        & (x < left + cell + margin)
        & (y >= top - margin)
        & (y < top + cell + margin)
    )
    return np.where(inside, centres, geometry.cells_of(x, y))
