"""Headings: the velocity that each value of one field stands for.

What it is: the tables of a kind whose motion is `motion.Heading`. Element k, in speed steps, is for
the rows whose heading's wire integer is k. They are plain data in the schema, so a turn is sent as
the field alone: whoever receives it looks the velocity up.

Invariants: the same declaration gives the same tables on every machine, and between steps every
row's velocity is what they say of its heading, new rows included.

It must not know steps, courses, or when somebody turns.
"""

from collections.abc import Mapping

import attrs
import numpy as np

from sim import math
from sim.fields import Column, FieldSpec, Ints


@attrs.frozen(eq=False)
class Headings:
    """`vx`, `vy`: velocities in speed steps, int64[n], by the wire integer of `field`."""

    field: FieldSpec
    vx: Ints
    vy: Ints

    def of(self, integers: Ints) -> Ints:
        """The wire integers of the field's integers: the same as are sent."""
        assert self.field.sim is not None, "A heading is a number."
        assert self.field.wire is not None, "A heading is sent."
        return self.field.wire.ints(self.field.sim.values(integers))

    def velocities(self, raw: Mapping[str, Column]) -> dict[str, Ints]:
        """Columns vx, vy in speed steps for raw columns of the kind."""
        heading = self.of(raw[self.field.name])
        return {"vx": self.vx[heading], "vy": self.vy[heading]}


def circle(speed: float, speed_step: float, count: int, *, still: bool) -> tuple[Ints, Ints]:
    """Velocities in `count` directions, anticlockwise from +x, in speed steps: two of int64[count].

    Element k is for the angle `2 * pi * k / count`, rounded as `floor(v / speed_step + 1/2)`. With
    `still`, the last one is (0, 0) and the others share the circle.
    """
    directions = count - 1 if still else count
    angles = math.TAU * np.arange(directions, dtype=np.float64) / directions
    tables = []
    for part in (math.cos(angles), math.sin(angles)):
        table = np.zeros(count, np.int64)
        table[:directions] = np.floor(speed * part / speed_step + 0.5)
        tables.append(table)
    return tables[0], tables[1]
