"""Ghosts: read-only copies of neighbours' entities near the border.

What it is: the columns of one kind's ghosts as the server gives them for one tick. The whole set
comes anew each tick, as integers: positions and speeds of courses in their sim steps, everything
else in wire steps.

Invariants: ghosts are never owned, never exported, never in a checksum.

It must not know tables or worlds.
"""

from collections.abc import Mapping
from typing import NamedTuple

import attrs
import numpy as np
import numpy.typing as npt

from sim.errors import EngineError
from sim.fields import Column
from sim.specs import KindSpec


class Ghosts(NamedTuple):
    """One kind's ghosts in a `TickInput`: ids uint64[N], and columns of integers by field."""

    kind: int
    ids: npt.NDArray[np.uint64]
    fields: Mapping[str, Column]


@attrs.frozen(eq=False)
class GhostRows:
    """One kind's ghosts as a game sees them: values by field, for all its `ghost_fields`."""

    ids: npt.NDArray[np.uint64]
    columns: dict[str, Column]

    def ahead(self, at: str, speed: str, dt: float, side: float) -> npt.NDArray[np.float64]:
        """Where they will be at the end of this step: they are given as of the one before.

        Nobody is outside of 0 to `side`, even who pushes against the edge of the world.
        """
        ahead: npt.NDArray[np.float64] = self.columns[at] + self.columns[speed] * dt
        return np.minimum(np.maximum(ahead, 0.0), side)


def read_ghosts(spec: KindSpec, given: Ghosts | None) -> GhostRows:
    """Ghosts of one kind; none for None. Raises EngineError if a field is missing."""
    if given is None:
        nobody = {name: np.zeros(0, spec.field(name).dtype) for name in spec.ghost_fields}
        return GhostRows(np.zeros(0, np.uint64), nobody)
    ids = np.asarray(given.ids, np.uint64)
    return GhostRows(ids, {name: _column(spec, name, given) for name in spec.ghost_fields})


def _column(spec: KindSpec, name: str, given: Ghosts) -> Column:
    field = spec.field(name)
    if name not in given.fields or len(given.fields[name]) != len(given.ids):
        raise EngineError(f"The ghosts of {spec.name} lack the column {name}.")
    scale = field.sim if spec.in_course(name) else field.wire
    column = np.asarray(given.fields[name])
    if scale is None:
        return column.astype(field.dtype)
    return scale.values(column.astype(np.int64)).astype(field.dtype)
