"""Where interest is centred, who is beyond a border, and what a census adds up to."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from protocol.geometry import Geometry
from server.shard import limits
from server.shard.border import Border
from server.shard.census import Census, tally
from server.shard.interest import follow_centres

GEOMETRY = Geometry.grid(512, 512, 64, (100,), (2, 2))
MARGIN = limits.CENTRE_MARGIN_CELLS * 64
places = st.floats(0, 511.9)


def centre(before: int, x: float, y: float) -> int:
    return int(follow_centres(GEOMETRY, np.array([before]), np.array([x]), np.array([y]))[0])


@given(places, places)
def test_the_first_centre_is_the_cell_itself(x: float, y: float) -> None:
    assert centre(-1, x, y) == GEOMETRY.cell_of(x, y)


@given(st.lists(st.tuples(places, places), min_size=1, max_size=20))
def test_a_centre_is_never_further_than_the_margin(path: list[tuple[float, float]]) -> None:
    cell = -1
    for x, y in path:
        moved = centre(cell, x, y)
        left, top = GEOMETRY.cell_origin(moved)
        assert left - MARGIN <= x < left + 64 + MARGIN
        assert top - MARGIN <= y < top + 64 + MARGIN
        assert moved in (cell, GEOMETRY.cell_of(x, y))
        cell = moved


def test_moving_along_an_edge_keeps_the_centre() -> None:
    cell = centre(-1, 63.9, 10)
    for x in (64.5, 63.5, 70, 64 + MARGIN - 0.1, 63):
        assert centre(cell, x, 10) == cell
    assert centre(cell, 64 + MARGIN, 10) == cell + 1


@given(places, places)
def test_who_must_go_goes_where_its_cell_belongs(x: float, y: float) -> None:
    margin = limits.BORDER_MARGIN_CELLS * 64
    for shard in GEOMETRY.shards:
        x0, y0, x1, y1 = GEOMETRY.rect(shard)
        outside = max(x0 - x, x - x1, y0 - y, y - y1)
        leaving, to = Border(GEOMETRY, shard).crossing(np.array([x]), np.array([y]))
        if outside < margin:
            assert not len(leaving), "within the margin it stays"
        else:
            assert to.tolist() == [GEOMETRY.shard_of(GEOMETRY.cell_of(x, y))]
            assert to.tolist() != [shard]


def census(shard: int, **sets: set[int]) -> Census:
    names = ("created", "destroyed", "owned", "in_transit")
    return Census(shard, 5, *(frozenset(sets.get(name, ())) for name in names), crossings=1)


def test_a_tally_names_who_is_lost_and_who_is_doubled() -> None:
    found = tally(
        [
            census(0, created={1, 2, 3, 4}, owned={1, 9}, in_transit={2, 5}),
            census(1, created={5, 6, 9}, destroyed={3, 6}, owned={5, 9}),
        ]
    )
    assert found.lost == {4}
    assert found.duplicated == {9}
    assert (found.created, found.destroyed, found.alive) == (7, 2, 3)
    assert found.in_transit == 1, "who has arrived is not in transit, whatever the source knows"
    assert found.crossings == 2


def test_whoever_lives_after_its_end_is_doubled() -> None:
    assert tally([census(0, created={1}, destroyed={1}, owned={1})]).duplicated == {1}
