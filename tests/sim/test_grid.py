"""The grid finds exactly the neighbours that a search by hand finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.grid import Grid, pairs_within


def by_hand(
    x: np.ndarray, y: np.ndarray, qx: np.ndarray, qy: np.ndarray, radius: float
) -> set[tuple[int, int]]:
    dx, dy = x[None, :] - qx[:, None], y[None, :] - qy[:, None]
    query, point = np.nonzero(dx * dx + dy * dy <= radius**2)
    return set(zip(query.tolist(), point.tolist(), strict=True))


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 80),
    st.integers(0, 20),
    st.floats(1, 200),
    st.floats(3, 90),
)
def test_pairs_are_those_found_by_hand(
    seed: int, points: int, queries: int, radius: float, cell: float
) -> None:
    chance = np.random.default_rng(seed)
    x, y = chance.uniform(-50, 500, points), chance.uniform(-50, 300, points)
    qx, qy = chance.uniform(-200, 700, queries), chance.uniform(-200, 500, queries)
    query, point, square = Grid(x, y, cell).pairs(qx, qy, radius)
    found = list(zip(query.tolist(), point.tolist(), strict=True))
    assert len(set(found)) == len(found), "A pair was found twice."
    assert set(found) == by_hand(x, y, qx, qy, radius)
    assert (np.diff(query) >= 0).all(), "Queries come in ascending order."
    assert (square <= radius * radius).all()
    either = pairs_within((x, y), (qx, qy), radius)
    assert set(zip(either[0].tolist(), either[1].tolist(), strict=True)) == set(found)
    assert sorted(either[2].tolist()) == sorted(square.tolist())


def test_many_pairs_are_found_as_few_are() -> None:
    chance = np.random.default_rng(3)
    x, y = chance.uniform(0, 500, 300), chance.uniform(0, 500, 300)
    query, point, _ = pairs_within((x, y), (x, y), 20)
    found = set(zip(query.tolist(), point.tolist(), strict=True))
    assert found == by_hand(x, y, x, y, 20)


def test_one_place_can_be_asked_for() -> None:
    grid = Grid(np.array([0.0, 5.0, 40.0]), np.array([0.0, 0.0, 0.0]), 10)
    assert sorted(grid.near(1, 0, 6).tolist()) == [0, 1]


def test_points_far_apart_do_not_make_a_grid_without_end() -> None:
    grid = Grid(np.array([0.0, 1e9]), np.array([0.0, 1e9]), 1.0)
    assert grid.near(1e9, 1e9, 1.0).tolist() == [1]
    with pytest.raises(ValueError, match="side above 0"):
        Grid(np.zeros(1), np.zeros(1), 0)
