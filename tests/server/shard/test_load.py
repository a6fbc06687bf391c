"""A shard is cut where what it has to do halves, and where that can be done at all."""

from collections.abc import Callable
from typing import Any

import pytest

from server.placement.tree import Tree, X
from server.shard.load import best_cut

BALL = 0


def place(cluster: Any, spots: list[tuple[float, float]]) -> None:
    """Put the balls of the only shard on `spots`, in turn."""
    shard = cluster.shards[0]
    balls = shard.world[shard.game.rules.kinds[BALL].cls]
    for number, entity in enumerate(balls.id.tolist()):
        x, y = spots[number % len(spots)]
        shard.command(entity, "shoal.place", x=x, y=y)
    cluster.tick()


@pytest.fixture
def lone(make_cluster: Callable[..., Any]) -> Any:
    cluster = make_cluster(shards=(1, 1), balls=60)
    cluster.tick()
    return cluster


def test_two_heaps_are_cut_between_them(lone: Any) -> None:
    place(lone, [(40, 100), (400, 100)])
    cut = best_cut(lone.shards[0])
    assert cut is not None
    assert cut.axis == 0
    assert 40 // 32 < cut.at <= 400 // 32
    assert cut.share == pytest.approx(0.5, abs=0.1)
    place(lone, [(100, 40), (110, 400), (120, 410)])
    cut = best_cut(lone.shards[0])
    assert cut is not None
    assert cut.axis == 1
    assert cut.share == pytest.approx(1 / 3, abs=0.1)


def test_a_heap_within_one_cell_is_cut_off_and_says_that_this_is_no_use(lone: Any) -> None:
    place(lone, [(40, 40)])
    cut = best_cut(lone.shards[0])
    assert cut is not None
    assert cut.lesser < 0.05


def test_a_shard_stays_as_wide_as_it_has_to(lone: Any) -> None:
    place(lone, [(5, 100), (40, 100)])
    cut = best_cut(lone.shards[0], least=6)
    assert cut is not None
    assert cut.axis == 1 or cut.at == 6
    assert best_cut(lone.shards[0], least=9) is None, "of 16 cells"


def test_who_has_no_rectangle_or_nobody_has_no_cut(lone: Any) -> None:
    tree = Tree.founding(lone.geometry).opened()
    lone.cut_anew(tree.partition(lone.geometry))
    lone.tick()
    assert best_cut(lone.shards[1]) is None
    tree = tree.split(0, X, 15, 1, since=0)
    place(lone, [(40, 40)])
    lone.cut_anew(tree.partition(lone.geometry))
    assert best_cut(lone.shards[1]) is None
