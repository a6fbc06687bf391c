"""The tree's leaves always tile the world, only siblings merge, and no number is given twice."""

from collections.abc import Sequence

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import cbor
from protocol.geometry import Geometry
from server.placement.tree import Tree, TreeError, X, Y


def world(columns: int, rows: int, grid: tuple[int, int]) -> Geometry:
    return Geometry.grid(columns * 10, rows * 10, 10, (10,), grid)


@st.composite
def worlds(draw: st.DrawFn) -> Geometry:
    columns, rows = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    grid = draw(st.integers(1, min(columns, 4))), draw(st.integers(1, min(rows, 4)))
    return world(columns, rows, grid)


def changed(tree: Tree, choices: Sequence[int], since: int) -> Tree:
    """Some change of a tree, as the choices say: a cut where one is possible, or a merge."""
    kind, which, where = choices
    if kind % 3 == 0 and tree.siblings:
        return tree.merge(*tree.siblings[which % len(tree.siblings)], since=since)
    cuts = [
        (leaf.shard, axis, at)
        for leaf in tree.leaves
        for axis in (X, Y)
        for at in range(leaf[1 + axis] + 1, leaf[3 + axis])
    ]
    if not cuts:
        return tree
    tree = tree if tree.resting else tree.opened()
    shard, axis, at = cuts[(which * 31 + where) % len(cuts)]
    return tree.split(shard, axis, at, tree.resting[where % len(tree.resting)], since=since)


CHOICES = st.lists(st.tuples(*[st.integers(0, 1000)] * 3), max_size=25)


@given(worlds(), CHOICES)
def test_leaves_tile_the_world_whatever_is_cut_and_merged(
    founding: Geometry, choices: list[tuple[int, int, int]]
) -> None:
    tree = Tree.founding(founding)
    for since, choice in enumerate(choices):
        after = changed(tree, choice, since)
        # That a geometry can be made of it says that each cell is in exactly one rectangle.
        geometry = after.geometry(founding)
        assert (geometry.owners >= 0).all()
        assert after.count >= tree.count, "a number stays with its shard"
        assert set(range(tree.founded)) <= {leaf.shard for leaf in after.leaves}
        assert sorted([*geometry.shards, *after.resting]) == list(range(after.count))
        if after is not tree:
            assert (after.version, after.since) == (tree.version + 1, since)
            moved = np.flatnonzero(geometry.owners != tree.geometry(founding).owners)
            from_, to = tree.geometry(founding).owners[moved], geometry.owners[moved]
            assert len(set(from_.tolist())) == len(set(to.tolist())) == 1, (
                "one shard gives, one takes"
            )
        assert Tree.from_data(cbor.loads(cbor.dumps(after.to_data()))) == after
        tree = after


@given(worlds(), CHOICES)
def test_merging_all_that_may_merge_ends_where_the_world_began(
    founding: Geometry, choices: list[tuple[int, int, int]]
) -> None:
    first = tree = Tree.founding(founding)
    for since, choice in enumerate(choices):
        tree = changed(tree, choice, since)
    while tree.siblings:
        tree = tree.merge(*tree.siblings[0], since=0)
    assert tree.leaves == first.leaves == tuple(sorted(founding.leaves))


def test_what_the_world_was_founded_with_never_merges() -> None:
    tree = Tree.founding(world(8, 8, (2, 2)))
    assert tree.siblings == ()
    with pytest.raises(TreeError):
        tree.merge(0, 2, since=1)


def test_only_siblings_merge_and_the_lower_number_stays() -> None:
    tree = Tree.founding(world(8, 8, (1, 1))).opened().opened()
    tree = tree.split(0, X, 4, 1, since=1).split(0, Y, 4, 2, since=2)
    assert tree.siblings == ((0, 2),)
    for pair in ((0, 1), (1, 2)):
        with pytest.raises(TreeError):
            tree.merge(*pair, since=3)
    merged = tree.merge(2, 0, since=3)
    assert merged.resting == (2,)
    assert merged.leaves == ((0, 0, 0, 4, 8), (1, 4, 0, 8, 8))


@pytest.mark.parametrize(
    ("shard", "axis", "at", "to"),
    [
        (0, X, 0, 1),
        (0, X, 8, 1),
        (0, Y, 9, 1),
        (0, 2, 4, 1),
        (1, X, 4, 1),
        (0, X, 4, 0),
        (0, X, 4, 2),
    ],
)
def test_impossible_cuts_are_refused(shard: int, axis: int, at: int, to: int) -> None:
    tree = Tree.founding(world(8, 8, (1, 1))).opened()
    with pytest.raises(TreeError):
        tree.split(shard, axis, at, to, since=1)


@pytest.mark.parametrize(
    "change",
    [
        {"root": [0, 8, 0, 1]},
        {"root": [0, 4, 0, 0]},
        {"root": [0, 4, 0, 7]},
        {"root": [2, 4, 0, 1]},
        {"root": [0, 4, 0]},
        {"root": "leaf"},
        {"count": 0},
        {"columns": -1},
        {"founded": 9},
    ],
)
def test_data_that_are_no_tree_are_refused(change: dict[str, object]) -> None:
    tree = Tree.founding(world(8, 8, (1, 1))).opened().split(0, X, 4, 1, since=1)
    names = [field.name for field in attrs.fields(Tree)]
    data = dict(zip(names, tree.to_data(), strict=True)) | change
    with pytest.raises(TreeError):
        Tree.from_data([data[name] for name in names])


@pytest.mark.parametrize("data", [None, 3, [], [1, 2], b"tree"])
def test_other_data_are_refused(data: object) -> None:
    with pytest.raises(TreeError):
        Tree.from_data(data)
