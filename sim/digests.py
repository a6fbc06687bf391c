"""Checksums of a world's state, column by column.

Invariants: integers only, and everything that later steps depend on except the past positions,
which follow from the rest. Worlds with the same checksum go on alike.

It must not know how a world got there.
"""

import zlib
from typing import TYPE_CHECKING

import cbor2
import numpy as np

from sim.population import COURSE_STARTS, INTEGERS

if TYPE_CHECKING:
    from sim.state import State


def digests(world: "State") -> dict[str, int]:
    """32 bits per column, by `Kind.field`, and for what is not in columns."""
    found = {"world": zlib.crc32(cbor2.dumps(_beside_columns(world)))}
    for population in world.roster.populations:
        name, views = population.spec.name, population.store.views
        columns = {"id": views["id"]}
        columns |= {field.name: views[INTEGERS + field.name] for field in population.numbers}
        columns |= {field.name: views[field.name] for field in population.plain}
        if population.spec.course is not None:
            columns |= {start: views[start] for start in COURSE_STARTS}
        for column, values in columns.items():
            little = values.astype(values.dtype.newbyteorder("<"), copy=False)
            found[f"{name}.{column}"] = zlib.crc32(little.data)
    return found


def checksum_of(world: "State") -> int:
    """32 bits over all digests."""
    return zlib.crc32(np.array(list(digests(world).values()), "<u4").tobytes())


def _beside_columns(world: "State") -> list[object]:
    players = world.players
    return [
        world.seed,
        world.tick,
        world.step,
        world.roster.counter,
        [
            [session, entity, players.to_data(session, world.tick)]
            for session, entity in players.entity.items()
        ],
    ]
