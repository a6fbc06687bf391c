"""Deciding how the world is cut: a shard that costs too much in two, cheap siblings in one.

A shard that is over its budget, or is about to be, is cut where its load halves: the further over,
the sooner. The half is given to a shard that rests, on the node that has the least to do without
it. So that one is there when it is needed, it is opened or moved there while the shard that may
need it is still within its budget; the tree never names a shard that nobody steps. Several shards
may be cut at once. Each half is left alone for a while afterwards, since costs are smoothed.

Two siblings that together have cost little for much longer become one again, and nothing merges
soon after any other change.

Must not know: time (it is an argument, in seconds), the bus, how shards are cut.
"""

import math
from collections.abc import Collection, Mapping
from typing import Final

import attrs

from server.placement.tree import Tree
from server.shard.load import Cut

__all__ = ["Change", "Cutter", "Load"]

HOT_S: Final = 3.0  # so long over its budget
HOT_LEAST_S: Final = 0.4  # that long however far over it
HOT_BUDGETS_S: Final = 0.5  # what it is over its budget by, added up over time
WARM: Final = 0.5  # of the budget: from there on one that gets dearer has an heir kept ready
RISING: Final = 1.15  # times as dear soon: that is getting dearer
COLD_S: Final = 20.0  # so long cheap
COLD: Final = 0.4  # of one budget: what two siblings cost together that may be one shard
SETTLE_S: Final = 2.5  # after a cut the costs of both halves are not yet what they will be
CALM_S: Final = 5.0  # after any change nothing merges
SPARES: Final = 2  # so many shards that rest are left on each node for when it is to have a half
LESSER: Final = 0.15  # of the load at least is to go: a cut that moves less is not worth it
SHARDS_MAX: Final = 1024  # of one world, resting ones among them; then nothing is cut any more


@attrs.frozen
class Load:
    """What a shard's node said last of it: the share of a core that it takes, and its best cut.

    `soon` is what it will take in a moment, if that goes on rising as it does.
    """

    node: str
    cost: float
    soon: float
    cut: Cut | None = None

    @property
    def next(self) -> float:
        """What it will take, as far as that is to be believed."""
        return min(self.soon, 2 * self.cost)

    @property
    def coming(self) -> float:
        """What it takes by now or will: to be cheaper soon helps nobody yet."""
        return max(self.cost, self.next)


@attrs.frozen
class Change:
    """What is to be done: a new `tree`, and where to `place` resting shards before that.

    `moved` are the shards between which a rectangle changes hands, each with what it will cost;
    `held` are those that stay where they are, since they are about to be cut, or have just been.
    """

    tree: Tree
    place: Mapping[int, str] = attrs.field(factory=dict)
    moved: Mapping[int, float] = attrs.field(factory=dict)
    held: frozenset[int] = frozenset()


class Cutter:
    """Makes one tree after another. `budget` is the share of a core above which a shard is cut."""

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._hot: dict[int, float] = {}  # since when
        self._cold: dict[tuple[int, int], float] = {}
        self._settles: dict[int, float] = {}  # until when
        self._sent: dict[int, str] = {}  # who rests, and is on the way to where it is needed
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
        """What is to change now; a new tree holds from tick `since` on."""
        self._note(tree, loads, now)
        if not nodes:
            return Change(tree)
        draft = _Draft(tree, loads, nodes, since, self._sent)
        dearest = self._warm(tree, loads)[: len(nodes)]  # each node wants one heir at a time
        held = {shard for shard in dearest if self._split(draft, shard, now)}
        self._sent = draft.sent
        if draft.moved:
            self._calm_until = now + CALM_S
        elif now >= self._calm_until:
            self._merge(draft, now)
        held |= self._settles.keys() | self._sent.keys()
        return Change(draft.tree, self._sent, draft.moved, frozenset(held))

    def _note(self, tree: Tree, loads: Mapping[int, Load], now: float) -> None:
        """Who is over its budget, and which siblings are cheap, and since when."""
        leaves = {leaf.shard for leaf in tree.leaves}
        hot = [s for s in leaves & loads.keys() if loads[s].coming > self._budget]
        self._hot = {shard: self._hot.get(shard, now) for shard in sorted(hot)}
        cold = [
            pair
            for pair in tree.siblings
            if all(shard in loads for shard in pair)
            and sum(loads[shard].cost for shard in pair) < COLD * self._budget
        ]
        self._cold = {pair: self._cold.get(pair, now) for pair in cold}
        self._settles = {shard: until for shard, until in self._settles.items() if until > now}

    def _warm(self, tree: Tree, loads: Mapping[int, Load]) -> list[int]:
        """The shards that may have to be cut before long, the dearest first."""
        leaves = {leaf.shard for leaf in tree.leaves}
        warm = [
            shard
            for shard in leaves & loads.keys()
            if (shard in self._hot and shard not in self._settles)
            or (
                loads[shard].coming > WARM * self._budget
                and loads[shard].soon > RISING * loads[shard].cost
            )
        ]
        return sorted(warm, key=lambda shard: (-loads[shard].coming, shard))

    def _is_due(self, shard: int, load: Load, now: float) -> bool:
        """Whether a shard has been over its budget for long enough, by how far it is over it."""
        hot_since = self._hot.get(shard)
        if hot_since is None or shard in self._settles:
            return False
        over = load.coming / self._budget - 1
        patience = min(max(HOT_BUDGETS_S / over, HOT_LEAST_S), HOT_S)
        return now - hot_since >= patience

    def _split(self, draft: "_Draft", shard: int, now: float) -> bool:
        """Cut a shard if it is time to; till then see that there is who can take the half.

        False if it is not going to be cut.
        """
        load = draft.loads[shard]
        cut = load.cut
        if cut is None or cut.lesser < LESSER or not draft.crosses(shard, cut):
            return False
        heir = draft.heir(shard, load.coming * (1 - cut.share))
        if heir is not None and self._is_due(shard, load, now):
            draft.split(shard, cut, heir)
            self.splits += 1
            self._settles |= {shard: now + SETTLE_S, heir: now + SETTLE_S}
        return shard in self._hot

    def _merge(self, draft: "_Draft", now: float) -> None:
        """Make one pair of cheap siblings one, if there is any."""
        for pair, cold_since in sorted(self._cold.items()):
            if now - cold_since >= COLD_S:
                draft.merge(pair)
                self.merges += 1
                self._calm_until = now + CALM_S
                return


class _Draft:
    """A change while it is being made."""

    def __init__(
        self,
        tree: Tree,
        loads: Mapping[int, Load],
        nodes: Collection[str],
        since: int,
        sent: Mapping[int, str],
    ) -> None:
        self.tree = tree
        self.loads = loads
        self.moved: dict[int, float] = {}
        self._since = since
        self._busy = dict.fromkeys(sorted(nodes), 0.0)
        for load in loads.values():
            self._note(load.node, load.next)
        self._resting = list(tree.resting)
        self._runs = {rest: loads[rest].node for rest in self._resting if rest in loads}
        self.sent = {
            rest: node
            for rest, node in sent.items()
            if rest in self._resting and node in self._busy and self._runs.get(rest) != node
        }

    def crosses(self, shard: int, cut: Cut) -> bool:
        """Whether a cut goes through a shard, as it is now: it may have been cut since."""
        (leaf,) = (leaf for leaf in self.tree.leaves if leaf.shard == shard)
        return leaf[1 + cut.axis] < cut.at < leaf[3 + cut.axis]

    def _note(self, node: str, cost: float) -> None:
        if node in self._busy:
            self._busy[node] += cost

    def heir(self, shard: int, half: float) -> int | None:
        """Who can take a half of a shard that costs so much; None if that one is not there yet.

        Then it is sent for, or opened, or there are too many shards already.
        """
        home = self.loads[shard].node
        self._note(home, -half)
        idlest = min(self._busy, key=lambda node: (self._busy[node], node == home, node))
        fair = self._busy[idlest] + half / 2  # who rests there is not moved for a little more
        heir = self._nearest(fair, {s: n for s, n in self._runs.items() if s not in self.sent})
        if heir is not None:
            self._note(self._runs[heir], half)
            return heir
        coming = self._nearest(fair, self.sent)
        if coming is not None:
            self._note(self.sent[coming], half)
            return None
        rest = self._spare()
        if rest is not None:
            self._note(idlest, half)
            self.sent[rest] = idlest
        return None

    def _spare(self) -> int | None:
        """Who rests where enough others do, or else a new one; None if there are too many.

        A node's only ones are left there: it may be the next that has the least to do.
        """
        nodes = [self.sent.get(rest, self._runs.get(rest)) for rest in self._resting]
        for rest, node in zip(self._resting, nodes, strict=True):
            many = node not in self._busy or nodes.count(node) > SPARES
            if many or self.tree.count >= SHARDS_MAX:
                self._resting.remove(rest)
                return rest
        if self.tree.count >= SHARDS_MAX:
            return None
        self.tree = self.tree.opened()
        return self.tree.count - 1

    def _nearest(self, fair: float, rests: Mapping[int, str]) -> int | None:
        """Who of those that rest is on the idlest node; none where there is more to do than fair.

        It is not asked for twice.
        """
        nodes = {rest: rests[rest] for rest in self._resting if rest in rests}
        near = [rest for rest, node in nodes.items() if self._busy.get(node, math.inf) <= fair]
        found = min(near, key=lambda rest: (self._busy[nodes[rest]], rest), default=None)
        if found is not None:
            self._resting.remove(found)
        return found

    def split(self, shard: int, cut: Cut, heir: int) -> None:
        """Cut a shard; the `heir` takes what lies beyond."""
        cost = self.loads[shard].cost
        self.tree = self.tree.split(shard, cut.axis, cut.at, heir, since=self._since)
        self.moved |= {shard: cost * cut.share, heir: cost * (1 - cut.share)}

    def merge(self, pair: tuple[int, int]) -> None:
        """Make two siblings one."""
        cost = sum(self.loads[shard].cost for shard in pair)
        self.tree = self.tree.merge(*pair, since=self._since)
        self.moved |= {pair[0]: cost, pair[1]: 0.0}
