"""Schemas and geometries make sense to Python and to JavaScript alike, or to neither."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from protocol import cbor
from protocol.errors import RemoteProtocolError
from protocol.geometry import Geometry
from protocol.schema import Schema
from sim.games.lanterns import game as lanterns
from tests.protocol import worlds
from tests.web.conftest import Run

# What stands where something else should: of every type, whole floats among them.
ODD: list[Any] = [
    None, True, False, 0, 1, 2, 7, -1, 255, 256, 1000, 1001, 2**20 - 1, 2**20, 2**31, 2**40,
    2**64 - 1, 0.0, 1.0, 2.0, -0.5, 1.5, 1e12, "", "x", "u8", "u16", "u64", "i16", "i32", "text:1",
    "text:256", "text:257", "text:0", "text:", "text:-1", "y" * 256, "y" * 257, "ü" * 256, [], [1],
    [1, 2], [64.0, 64.0], [0.0, 1], {},
]  # fmt: skip


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in `data` with each of its keys."""
    for key in data if isinstance(data, dict) else range(len(data)):
        yield data, key
        if isinstance(data[key], dict | list):
            yield from places(data[key])


def spoiled(data: Any, chance: random.Random, share: float) -> Iterator[Any]:
    """Copies of `data`, each with one thing changed, left out or doubled."""
    count = sum(1 for _ in places(data))
    for number in range(count):
        for odd in [*ODD, "left out", "twice"]:
            if chance.random() > share:
                continue
            other = copy.deepcopy(data)
            container, key = list(places(other))[number]
            if odd == "left out":
                del container[key]
            elif odd == "twice" and isinstance(container, list):
                container.append(copy.deepcopy(container[key]))
            else:
                container[key] = copy.deepcopy(odd)
            yield other


def makes_sense(kind: type[Schema] | type[Geometry], data: Any) -> bool:
    try:
        kind.from_data(data)
    except RemoteProtocolError:
        return False
    return True


def judged(node: Run, questions: list[dict[str, Any]], path: Path) -> list[Any]:
    path.write_text(json.dumps(questions))
    done = node("judge.js", str(path))
    assert done.returncode == 0, done.stderr[-4000:]
    verdicts: list[Any] = json.loads(done.stdout)
    return verdicts


def compare(
    node: Run, what: str, kind: type[Schema] | type[Geometry], several: list[Any], path: Path
) -> None:
    """Both languages judge alike, and find some good and some bad."""
    questions = [{"what": what, "hex": cbor.dumps(data).hex()} for data in several]
    ours = [makes_sense(kind, data) for data in several]
    theirs = [verdict is not None for verdict in judged(node, questions, path)]
    parted = [data for data, a, b in zip(several, ours, theirs, strict=True) if a != b]
    assert not parted, f"{len(parted)} are judged differently, the first: {parted[0]}"
    assert len(several) / 30 < sum(ours) < len(several), "both verdicts were given"


def test_schemas_are_judged_alike(node: Run, tmp_path: Path) -> None:
    chance = random.Random(5)
    several = [*spoiled(worlds.SCHEMA, chance, 0.3), *spoiled(lanterns.describe(), chance, 0.03)]
    compare(node, "schema", Schema, several, tmp_path / "schemas.json")


def test_geometries_are_judged_alike(node: Run, tmp_path: Path) -> None:
    chance = random.Random(6)
    several = [
        data
        for shards in ((1, 1), (2, 1), (4, 2))
        for data in spoiled(worlds.make_geometry(shards).to_data(), chance, 1)
    ]
    compare(node, "geometry", Geometry, several, tmp_path / "geometries.json")


def test_space_is_the_same_in_both(node: Run, tmp_path: Path) -> None:
    chance = random.Random(8)
    questions, expected = [], []
    for _ in range(30):
        width, height = chance.uniform(100, 4000), chance.uniform(100, 4000)
        cell = chance.choice([32.0, 50.0, 64.0])
        radii = (cell, 1.5 * cell, 2 * cell, 3.7 * cell)
        geometry = Geometry.grid(width, height, cell, radii, shards=(2, 2))
        points = [
            [chance.uniform(-100, width + 100), chance.uniform(-100, height + 100)]
            for _ in range(20)
        ]
        centres = [[chance.randrange(geometry.cells), chance.randrange(4)] for _ in range(8)]
        cells = [geometry.cell_of(x, y) for x, y in points]
        questions.append(
            {
                "what": "geometry",
                "hex": cbor.dumps(geometry.to_data()).hex(),
                "asked": {"points": points, "centres": centres},
            }
        )
        expected.append(
            {
                "cells": cells,
                "owners": [geometry.shard_of(each) for each in cells],
                "origins": [list(geometry.cell_origin(each)) for each, _ in centres],
                "interests": [list(geometry.interest_cells(*each)) for each in centres],
                "rects": [list(geometry.rect(leaf.shard)) for leaf in geometry.leaves],
            }
        )
    assert judged(node, questions, tmp_path / "space.json") == expected
