"""How a world is cut into shards: the leaves of one k-d tree over its cells.

A split cuts a leaf in two: the half with the lesser coordinates keeps its shard, the other one is
given to another. Only two leaves that are each other's sibling merge: the lower shard keeps what
both had. A shard without a leaf rests until a split needs one; a number that was given stays with
its shard and its journal for ever.

Everything here is pure: trees are values, and `version` rises with each change.

Must not know: what shards cost, who runs them.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import attrs

from protocol.geometry import Geometry, Leaf
from server.shard.space import Partition

__all__ = ["Tree", "TreeError", "X", "Y"]

X: Final = 0
Y: Final = 1


class TreeError(ValueError):
    """These leaves cannot be cut or merged so, or the data are no tree."""


@attrs.frozen
class _Fork:
    """Cells below `at` on `axis` lie in `low`, the others in `high`."""

    axis: int
    at: int
    low: "_Node"
    high: "_Node"


_Node: TypeAlias = _Fork | int  # a leaf is its shard's number
_Rect: TypeAlias = tuple[int, int, int, int]  # x0, y0, x1, y1 in cells, half open


@attrs.frozen
class Tree:
    """One world's cuts. `columns` x `rows` cells; `count` shards there are, resting ones among
    them, numbered from 0; `founded` were there from the beginning and never rest. `since` is the
    tick from which this version holds.
    """

    version: int
    since: int
    columns: int
    rows: int
    count: int
    founded: int
    root: _Node

    @classmethod
    def founding(cls, geometry: Geometry) -> "Tree":
        """The tree of a world that was cut into a grid. TreeError if it was not."""
        leaves = {leaf.shard: leaf for leaf in geometry.leaves}
        count = len(leaves)
        if sorted(leaves) != list(range(count)):
            raise TreeError("a world is founded with shards from 0 on")
        root = _forked(list(geometry.leaves))
        size = geometry.columns, geometry.rows
        return cls(geometry.version, 0, *size, count=count, founded=count, root=root)

    # --- looking -------------------------------------------------------------------------------

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The shards with a rectangle, ascending."""
        found = _walk(self.root, (0, 0, self.columns, self.rows))
        return tuple(sorted(Leaf(shard, *rect) for shard, rect in found))

    @property
    def resting(self) -> tuple[int, ...]:
        """The shards without one, ascending."""
        placed = {leaf.shard for leaf in self.leaves}
        return tuple(shard for shard in range(self.count) if shard not in placed)

    @property
    def siblings(self) -> tuple[tuple[int, int], ...]:
        """The pairs of leaves that may merge, each with the lower number first."""
        pairs = (_pair(fork) for fork in _forks(self.root))
        # What the world was founded with stays, so that it never has fewer shards than that.
        return tuple(sorted(p for p in pairs if p is not None and p[1] >= self.founded))

    def geometry(self, founding: Geometry) -> Geometry:
        """The space as it is cut now; `founding` tells what never changes."""
        return attrs.evolve(founding, version=self.version, leaves=self.leaves)

    def partition(self, founding: Geometry) -> Partition:
        """The same with all shards that there are."""
        return Partition(self.geometry(founding), tuple(range(self.count)), self.since)

    # --- changing ------------------------------------------------------------------------------

    def opened(self) -> "Tree":
        """With one shard more, which rests."""
        return attrs.evolve(self, count=self.count + 1)

    def split(self, shard: int, axis: int, at: int, to: int, *, since: int) -> "Tree":
        """The leaf of `shard` cut at column or row `at`; what lies beyond is given to `to`.

        Raises TreeError unless `shard` has a leaf there and `to` rests.
        """
        if to not in self.resting:
            raise TreeError(f"shard {to} does not rest")
        rect = next((leaf[1:] for leaf in self.leaves if leaf.shard == shard), None)
        if rect is None:
            raise TreeError(f"shard {shard} has no leaf")
        if axis not in (X, Y) or not rect[axis] < at < rect[axis + 2]:
            raise TreeError(f"shard {shard} cannot be cut at {at}")
        return self._with(_replaced(self.root, shard, _Fork(axis, at, shard, to)), since)

    def merge(self, one: int, other: int, *, since: int) -> "Tree":
        """Two siblings as one leaf, that of the lower one; the other rests. Raises TreeError."""
        pair = min(one, other), max(one, other)
        if pair not in self.siblings:
            raise TreeError(f"shards {one} and {other} are no siblings that may merge")
        return self._with(_merged(self.root, pair), since)

    def _with(self, root: _Node, since: int) -> "Tree":
        return attrs.evolve(self, version=self.version + 1, since=since, root=root)

    # --- as data -------------------------------------------------------------------------------

    def to_data(self) -> list[Any]:
        """Plain data."""
        size = [self.columns, self.rows]
        head = [self.version, self.since, *size, self.count, self.founded]
        return [*head, _to_data(self.root)]

    @classmethod
    def from_data(cls, data: Any) -> "Tree":
        """The reverse. Raises TreeError unless every cell is in one leaf and each shard has one."""
        try:
            *head, root = data
            if not all(type(each) is int and each >= 0 for each in head):
                raise TreeError("a tree's numbers")
            version, since, columns, rows, count, founded = head
            given = version, since, columns, rows, count, founded, _from_data(root, 0)
            tree = cls(*given)
        except (TypeError, ValueError) as error:
            raise TreeError("these data are no tree") from error
        _check(tree)
        return tree


_DEPTH_MAX: Final = 64


def _check(tree: Tree) -> None:
    shards = [shard for shard, _ in _walk(tree.root, (0, 0, tree.columns, tree.rows))]
    if len(set(shards)) != len(shards) or not all(0 <= each < tree.count for each in shards):
        raise TreeError("a shard has two leaves, or there is no such shard")
    if not 1 <= tree.founded <= tree.count or min(tree.columns, tree.rows) < 1:
        raise TreeError("a tree's numbers")


def _walk(node: _Node, rect: _Rect) -> Iterator[tuple[int, _Rect]]:
    if isinstance(node, int):
        yield node, rect
        return
    low, high = _halves(node, rect)
    yield from _walk(node.low, low)
    yield from _walk(node.high, high)


def _halves(fork: _Fork, rect: _Rect) -> tuple[_Rect, _Rect]:
    x0, y0, x1, y1 = rect
    if not rect[fork.axis] < fork.at < rect[fork.axis + 2]:
        raise TreeError("a fork cuts nothing")
    if fork.axis == X:
        return (x0, y0, fork.at, y1), (fork.at, y0, x1, y1)
    return (x0, y0, x1, fork.at), (x0, fork.at, x1, y1)


def _forks(node: _Node) -> Iterator[_Fork]:
    if isinstance(node, _Fork):
        yield node
        yield from _forks(node.low)
        yield from _forks(node.high)


def _pair(fork: _Fork) -> tuple[int, int] | None:
    low, high = fork.low, fork.high
    if isinstance(low, int) and isinstance(high, int):
        return min(low, high), max(low, high)
    return None


def _replaced(node: _Node, shard: int, by: _Node) -> _Node:
    if isinstance(node, int):
        return by if node == shard else node
    low, high = _replaced(node.low, shard, by), _replaced(node.high, shard, by)
    return attrs.evolve(node, low=low, high=high)


def _merged(node: _Node, pair: tuple[int, int]) -> _Node:
    if isinstance(node, int):
        return node
    if _pair(node) == pair:
        return pair[0]
    return attrs.evolve(node, low=_merged(node.low, pair), high=_merged(node.high, pair))


def _forked(leaves: list[Leaf]) -> _Node:
    """The forks that lead to some leaves of a grid, in the middle as far as may be."""
    if len(leaves) == 1:
        return leaves[0].shard
    for axis in (X, Y):
        cuts = sorted({leaf[1 + axis] for leaf in leaves})[1:]
        clean = [
            at for at in cuts if not any(leaf[1 + axis] < at < leaf[3 + axis] for leaf in leaves)
        ]
        if clean:
            at = clean[(len(clean) - 1) // 2]
            low = [leaf for leaf in leaves if leaf[1 + axis] < at]
            high = [leaf for leaf in leaves if leaf[1 + axis] >= at]
            return _Fork(axis, at, _forked(low), _forked(high))
    raise TreeError("these rectangles come from no k-d tree")


def _to_data(node: _Node) -> Any:
    if isinstance(node, int):
        return node
    return [node.axis, node.at, _to_data(node.low), _to_data(node.high)]


def _from_data(data: Any, depth: int) -> _Node:
    if type(data) is int:
        return data
    axis, at, low, high = data
    if depth > _DEPTH_MAX or axis not in (X, Y) or type(at) is not int:
        raise TreeError("a fork")
    return _Fork(axis, at, _from_data(low, depth + 1), _from_data(high, depth + 1))
