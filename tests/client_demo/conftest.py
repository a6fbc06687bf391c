"""A replica with a small world in it, made by hand."""

import numpy as np
import pytest

from protocol import cbor
from protocol.geometry import Geometry
from protocol.parts import CourseRows, KindRows, PartTable
from protocol.replica import Replica
from protocol.schema import Schema
from protocol.vocabulary import Group, Snapshot
from sim.engine import TickInput
from sim.games.lanterns import game
from sim.world import World


@pytest.fixture(scope="module")
def replica() -> Replica:
    """Lanterns in four shards after a second, with two divers in each."""
    schema = Schema.from_data(game.describe())
    geometry = Geometry.grid(*schema.size, schema.cell, schema.interest, (2, 2))
    replica = Replica(schema, geometry)
    groups = tuple(_group(schema, geometry, shard) for shard in range(4))
    replica.apply(Snapshot(tick=20, groups=groups))
    return replica


def _group(schema: Schema, geometry: Geometry, shard: int) -> Group:
    world = World(game, seed=3, maker=shard + 1, bounds=geometry.rect(shard))
    for step in range(1, 21):
        joins = [(2 * shard + 1, f"ann{shard}"), (2 * shard + 2, "bob")] if step == 1 else []
        world.advance(TickInput(tick=step, step=step, joins=joins))
    table = PartTable(schema, geometry)
    table.begin(20, 20)
    for kind in range(len(schema.kinds)):
        rows = world.export(kind)
        courses = None if rows.course is None else CourseRows(*rows.course)
        cells = geometry.cells_of(rows.x, rows.y)
        handles = np.full(len(rows.ids), -1, np.int64)
        table.write(20, 20, kind, KindRows(handles, rows.ids, cells, rows.fields, courses), {})
    table.finish()
    _, blob, offsets = table.encode_changed(None)
    spans = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    return Group(shard, 1, 0, 20, [cbor.loads_arrays(blob[a:b]) for a, b in spans])
