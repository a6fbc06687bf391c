"""Deciding how the world is cut: a shard that costs too much in two, cheap siblings in one.

A shard that has been over its budget for some seconds is cut where its load halves. The half is
given to a shard that rests, on the node with the least to do; if none rests there, one is moved
there first, or a new one is opened, and the cut waits until it runs: the tree never names a shard
that nobody steps. Two siblings that together have cost little for much longer become one again.
After any change everything is left alone for a while, since costs are smoothed.

Must not know: time (it is an argument, in seconds), the bus, how shards are cut.
"""

from collections.abc import Collection, Mapping
from typing import Final

import attrs

from server.placement.tree import Tree
from server.shard.load import Cut

__all__ = ["Change", "Cutter", "Load"]

HOT_S: Final = 3.0  # so long over its budget
COLD_S: Final = 20.0  # so long cheap
COLD: Final = 0.4  # of one budget: what two siblings cost together that may be one shard
SETTLE_S: Final = 5.0  # after a change costs are not yet what they will be
LESSER: Final = 0.15  # of the load at least is to go: a cut that moves less is not worth it
SHARDS_MAX: Final = 1024  # of one world, resting ones among them; then nothing is cut any more


@attrs.frozen
class Load:
    """What a shard's node said last of it: the share of a core that it takes, and its best cut."""

    node: str
    cost: float
    cut: Cut | None = None


@attrs.frozen
class Change:
    """What is to be done: a new `tree`, and a resting shard to `place` on a node before that.

    `moved` are the shards between which a rectangle changes hands, each with what it will cost.
    """

    tree: Tree
    place: tuple[int, str] | None = None
    moved: Mapping[int, float] = attrs.field(factory=dict)


class Cutter:
    """Makes one tree after another. `budget` is the share of a core above which a shard is cut."""

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._hot: dict[int, float] = {}  # since when
        self._cold: dict[tuple[int, int], float] = {}
        self._calm_until = 0.0
        self.splits = 0
        self.merges = 0

    def decide(
        self,
        tree: Tree,
        loads: Mapping[int, Load],
        nodes: Collection[str],
        now: float,
        since: int,
    ) -> Change:
        """What is to change now, at most one thing; a new tree holds from tick `since` on."""
        self._note(tree, loads, now)
        if now < self._calm_until or not nodes:
            return Change(tree)
        for shard in self._hottest(loads, now):
            change = self._split(tree, shard, loads, nodes, since)
            if change is not None:
                return self._done(change, tree, now)
        for pair, cold_since in sorted(self._cold.items()):
            if now - cold_since >= COLD_S:
                cost = sum(loads[shard].cost for shard in pair)
                merged = tree.merge(*pair, since=since)
                return self._done(Change(merged, moved={pair[0]: cost, pair[1]: 0.0}), tree, now)
        return Change(tree)

    def _note(self, tree: Tree, loads: Mapping[int, Load], now: float) -> None:
        """Who is over its budget, and which siblings are cheap, and since when."""
        leaves = {leaf.shard for leaf in tree.leaves}
        hot = [s for s in leaves & loads.keys() if loads[s].cost > self._budget]
        self._hot = {shard: self._hot.get(shard, now) for shard in sorted(hot)}
        cold = [
            pair
            for pair in tree.siblings
            if all(shard in loads for shard in pair)
            and sum(loads[shard].cost for shard in pair) < COLD * self._budget
        ]
        self._cold = {pair: self._cold.get(pair, now) for pair in cold}

    def _hottest(self, loads: Mapping[int, Load], now: float) -> list[int]:
        """Those that have been over their budget for long enough, the dearest first."""
        hot = [shard for shard, hot_since in self._hot.items() if now - hot_since >= HOT_S]
        return sorted(hot, key=lambda shard: (-loads[shard].cost, shard))

    def _split(
        self,
        tree: Tree,
        shard: int,
        loads: Mapping[int, Load],
        nodes: Collection[str],
        since: int,
    ) -> Change | None:
        """A step towards the cut of a shard; None if that is not worth it, or the world is full."""
        cut = loads[shard].cut
        if cut is None or cut.lesser < LESSER:
            return None
        busy = dict.fromkeys(sorted(nodes), 0.0)
        for load in loads.values():
            if load.node in busy:
                busy[load.node] += load.cost
        idlest = min(busy, key=lambda node: (busy[node], node == loads[shard].node, node))
        resting = tree.resting
        there = [rest for rest in resting if rest in loads and loads[rest].node == idlest]
        if there:
            cost = loads[shard].cost
            halves = {shard: cost * cut.share, there[0]: cost * (1 - cut.share)}
            to = tree.split(shard, cut.axis, cut.at, there[0], since=since)
            return Change(to, moved=halves)
        if resting:
            return Change(tree, place=(resting[0], idlest))
        return Change(tree.opened()) if tree.count < SHARDS_MAX else None

    def _done(self, change: Change, before: Tree, now: float) -> Change:
        if change.tree.version != before.version:
            split = len(change.tree.leaves) > len(before.leaves)
            self.splits += split
            self.merges += not split
            self._calm_until = now + SETTLE_S
        return change
