"""Every cell has one shard, interest is what a radius says, and what makes no sense is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from protocol.errors import RemoteProtocolError
from protocol.geometry import Geometry

CELL = 64.0


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    columns, rows = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    short = draw(st.sampled_from([0.0, 1.0, 63.0]))
    shards = draw(st.integers(1, columns)), draw(st.integers(1, rows))
    radii = tuple(draw(st.lists(st.floats(1.0, 400.0), min_size=1, max_size=3)))
    return Geometry.grid(columns * CELL - short, rows * CELL - short, CELL, radii, shards)


@given(geometries())
def test_the_shards_cover_every_cell_exactly_once(geometry: Geometry) -> None:
    count = np.zeros(geometry.cells, int)
    for leaf in geometry.leaves:
        for y in range(leaf.y0, leaf.y1):
            for x in range(leaf.x0, leaf.x1):
                cell = y * geometry.columns + x
                count[cell] += 1
                assert geometry.shard_of(cell) == leaf.shard
    assert (count == 1).all()


@given(geometries())
def test_a_geometry_survives_the_wire(geometry: Geometry) -> None:
    again = Geometry.from_data(geometry.to_data())
    assert again.to_data() == geometry.to_data()
    assert (again.owners == geometry.owners).all()


@given(geometries(), st.data())
def test_interest_is_mutual_and_holds_what_is_near(geometry: Geometry, data: st.DataObject) -> None:
    one = data.draw(st.integers(0, geometry.cells - 1))
    other = data.draw(st.integers(0, geometry.cells - 1))
    for cls, radius in enumerate(geometry.interest):
        cells = geometry.interest_cells(one, cls)
        assert list(cells) == sorted(set(cells)), "cells come ascending, each once"
        assert one in cells, "everybody sees the own cell"
        assert (other in cells) == (one in geometry.interest_cells(other, cls))
        (x0, y0), (x1, y1) = geometry.cell_origin(one), geometry.cell_origin(other)
        dx, dy = max(abs(x0 - x1) - CELL, 0), max(abs(y0 - y1) - CELL, 0)
        assert (other in cells) == (dx * dx + dy * dy < radius * radius)


@pytest.mark.parametrize("radius", [0.5, 32.0, 64.0])
def test_a_radius_of_up_to_a_cell_gives_three_by_three(radius: float) -> None:
    geometry = Geometry.grid(5 * CELL, 5 * CELL, CELL, (radius,))
    assert geometry.interest_cells(12, 0) == (6, 7, 8, 11, 12, 13, 16, 17, 18)
    assert geometry.interest_cells(0, 0) == (0, 1, 5, 6), "the world's edge cuts it"


@given(geometries(), st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_points_are_in_the_cell_whose_square_holds_them(
    geometry: Geometry, x: float, y: float
) -> None:
    cell = geometry.cell_of(x, y)
    assert geometry.cells_of(np.array([x]), np.array([y])).tolist() == [cell]
    left, top = geometry.cell_origin(cell)
    inside_x = min(max(x, 0.0), geometry.columns * CELL - 1e-9)
    inside_y = min(max(y, 0.0), geometry.rows * CELL - 1e-9)
    assert left <= inside_x < left + CELL, "points outside count to the nearest cell"
    assert top <= inside_y < top + CELL


@given(geometries(), st.floats(0.5, 300.0))
def test_border_cells_are_others_within_reach(geometry: Geometry, reach: float) -> None:
    leaf = geometry.leaves[0]
    found = set(geometry.border_cells(leaf.shard, reach).tolist())
    for cell in range(geometry.cells):
        y, x = divmod(cell, geometry.columns)
        dx = max(leaf.x0 - x - 1, x - leaf.x1, 0) * CELL
        dy = max(leaf.y0 - y - 1, y - leaf.y1, 0) * CELL
        near = dx * dx + dy * dy < reach * reach
        assert (cell in found) == (near and geometry.shard_of(cell) != leaf.shard)


def test_a_rectangle_ends_where_the_world_ends() -> None:
    geometry = Geometry.grid(100.0, 100.0, CELL, (50.0,), shards=(2, 1))
    assert geometry.rect(1) == (64.0, 0.0, 100.0, 100.0)
    with pytest.raises(KeyError):
        geometry.rect(2)


def test_more_shards_than_cells_on_a_side_is_an_error_of_the_one_who_asks() -> None:
    with pytest.raises(ValueError, match="cannot be cut"):
        Geometry.grid(128.0, 128.0, CELL, (50.0,), shards=(3, 1))


def good() -> dict[str, Any]:
    return Geometry.grid(256.0, 128.0, CELL, (50.0,), shards=(2, 1)).to_data()


BAD: dict[str, dict[str, Any]] = {
    "overlap": {"shards": [[0, 0, 0, 3, 2], [1, 2, 0, 4, 2]]},
    "gap": {"shards": [[0, 0, 0, 1, 2], [1, 2, 0, 4, 2]]},
    "outside": {"shards": [[0, 0, 0, 5, 2]]},
    "empty rectangle": {"shards": [[0, 0, 0, 4, 2], [1, 1, 1, 1, 2]]},
    "one shard twice": {"shards": [[0, 0, 0, 2, 2], [0, 2, 0, 4, 2]]},
    "no shards": {"shards": []},
    "shards that are none": {"shards": [[0, 0, 0, 4]]},
    "shards of floats": {"shards": [[0, 0.0, 0, 4, 2]]},
    "a negative side": {"size": [-1.0, 128.0]},
    "one side": {"size": [256.0]},
    "no cell": {"cell": 0},
    "a cell of nothing": {"cell": float("nan")},
    "too many cells": {"cell": 1e-3},
    "cells without end": {"cell": 5e-324},
    "a version of text": {"version": "1"},
    "an interest of text": {"interest": "12"},
    "an interest of no text": {"interest": ""},
    "typed arrays": {"shards": np.array([1, 2], np.uint8)},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_a_geometry_that_makes_no_sense_is_the_peers_fault(change: dict[str, Any]) -> None:
    assert Geometry.from_data(good())
    with pytest.raises(RemoteProtocolError):
        Geometry.from_data(good() | change)


@pytest.mark.parametrize("data", [None, [], 1, {}, np.zeros(3), "x"])
def test_what_is_no_geometry_at_all_is_refused(data: object) -> None:
    with pytest.raises(RemoteProtocolError):
        Geometry.from_data(data)


def test_the_number_of_cells_is_bounded() -> None:
    with pytest.raises(ValueError, match="more than"):
        Geometry.grid(limits.CELLS_MAX + 1, 1, 1, (1,), shards=(1, 1))
