"""Deciding which node runs which shard: by cost, with as few moves as it takes.

A shard whose node is gone is placed at once, on the node with the least to do. Beyond that a shard
moves only from a node that has clearly more to do than another, if the move evens that out, and if
the shard has stayed where it is for a while: a move costs its watchers keyframes. The more nodes
there are, the more of them may give or take a shard in one decision, but each of them only one. A
shard that goes back to where it came from stays there for longer, and each time it does for twice
as long: whatever makes it go to and fro is not to be mended by moves.

Costs are the share of a node's time that a shard takes, smoothed by whoever reports them. A node
without a shard costs nothing. What two nodes that both have time to spare have to do is not evened
out any further than to about a half.

Must not know: time (it is an argument, in seconds), the bus, leases.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

import attrs

__all__ = ["Plan", "Planner", "moves_max"]

# As shares of the mean load: nodes that differ by less are even, and a move must gain this much.
# 1,000 shards on 100 nodes under a wandering crowd (`python -m benchmarks.placement`) chose them.
EVEN: Final = 0.08
GAIN: Final = 0.05
LEAST_GAIN: Final = 0.01  # of a core: what is smaller is not worth anybody's keyframes
ROOMY: Final = 0.4  # of a core: a node that takes less has time to spare, and is only relieved
LONELY: Final = 0.5  # by one that takes less than this share of it
NODES_PER_MOVE: Final = 8  # of so many nodes one pair may give and take in a decision
TAKERS_MAX: Final = 16  # among whom an exchange is looked for
SEARCHES_MAX: Final = 4  # for an exchange in one decision: each takes up to a millisecond or two
STAY_S: Final = 10.0  # a shard that has moved stays so long
STAY_S_MAX: Final = 160.0  # one that went back, and back again
FORGIVEN_S: Final = 600.0  # after so long without a move a shard counts as one that never did
LEAST_COST: Final = 0.01  # what a shard counts at least: an idle one is worth a place, too


def moves_max(nodes: int) -> int:
    """How many shards may move in one decision; the next one sees what came of it."""
    return max(1, nodes // NODES_PER_MOVE)


@attrs.frozen
class Plan:
    """Which node runs which shard; `version` rises with every change."""

    version: int = 0
    nodes: Mapping[int, str] = attrs.field(factory=dict)

    def of(self, node: str) -> frozenset[int]:
        """The shards that are placed on `node`."""
        return frozenset(shard for shard, home in self.nodes.items() if home == node)


@attrs.frozen
class _Move:
    """A shard's last move. It stays where it is for `stay_s` after `at_s`."""

    at_s: float
    source: str
    stay_s: float


class Planner:
    """Makes one plan after another."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = plan or Plan()
        self.moves = 0
        self._moved: dict[int, _Move] = {}
        self._held: Collection[int] = ()
        self._searches = 0  # for exchanges, that are left in this decision

    def decide(
        self,
        shards: Iterable[int],
        nodes: Iterable[str],
        costs: Mapping[int, float],
        now: float,
        held: Collection[int] = (),
    ) -> Plan:
        """The plan for the `nodes` that are there; the present one if nothing is worth a change.

        Who is `held` stays where it is. Without any node there is nobody to place anything on, and
        the plan stays.
        """
        present = sorted(nodes)
        if not present:
            return self.plan
        board = _Board(sorted(shards), present, self.plan.nodes, costs)
        self._held = held
        for shard in board.homeless():
            source = self.plan.nodes.get(shard, "")
            self._moved[shard] = _Move(now, source, STAY_S)
            board.place(shard, min(present, key=lambda node: (board.loads[node], node)))
        self._even_out(board, now)
        placed = dict(sorted(board.homes.items()))
        if placed != dict(self.plan.nodes):
            self.plan = Plan(self.plan.version + 1, placed)
        return self.plan

    def place(self, shard: int, node: str) -> None:
        """Have a shard on a node, whatever that evens out; nothing if it is there."""
        home = self.plan.nodes.get(shard)
        if home != node:
            self.plan = Plan(self.plan.version + 1, {**self.plan.nodes, shard: node})
            self.moves += home is not None

    def stay(self, shard: int, now: float) -> None:
        """Leave a shard where it is for a while: what it costs is about to change."""
        self._moved[shard] = _Move(now, "", STAY_S)

    def _even_out(self, board: "_Board", now: float) -> None:
        """From the busiest to the idlest, from the next one to the next one, and so on."""
        givers = sorted(board.loads, key=lambda node: (-board.loads[node], node))
        takers = givers[::-1]
        left = moves_max(len(givers))
        self._searches = SEARCHES_MAX
        while left and len(givers) > 1:
            giver, *givers = givers
            if giver not in takers:
                continue  # it has been given something in this very decision
            takers.remove(giver)
            if not takers or board.is_even(giver, takers[0]):
                return
            best = self._best(board, giver, takers[:TAKERS_MAX], now)
            if best is None:
                continue
            self._move(board, best.shard, giver, best.taker, now)
            if best.back is not None:
                self._move(board, best.back, best.taker, giver, now)
            takers.remove(best.taker)
            left -= 1

    def _best(
        self, board: "_Board", giver: str, takers: list[str], now: float
    ) -> "_Exchange | None":
        """What evens out most: a shard for the idlest or, if none helps, one for a cheaper one.

        Only who has more than its share gives for an exchange, since that is two moves.
        """
        worth = max(GAIN * board.mean, LEAST_GAIN)
        free = [shard for shard in sorted(board.shards[giver]) if self._is_free(shard, now)]
        gap = board.gap(giver, takers[0])
        given = [_Exchange(_gain(gap, board.cost(s)), s, takers[0]) for s in free]
        best = max(given, key=lambda each: each.gain, default=None)
        if best is not None and best.gain >= worth:
            return best
        if board.loads[giver] <= (1 + EVEN / 2) * board.mean or not self._searches:
            return None
        self._searches -= 1
        exchanges = [
            _Exchange(_gain(gap, board.cost(shard) - board.cost(back)), shard, taker, back)
            for taker in takers
            if (gap := board.gap(giver, taker)) > EVEN * board.mean / 2
            for back in board.shards[taker]
            if self._is_free(back, now)
            for shard in free
        ]
        best = max(exchanges, key=lambda each: (each.gain, -each.shard), default=None)
        return best if best is not None and best.gain >= worth else None

    def _is_free(self, shard: int, now: float) -> bool:
        moved = self._moved.get(shard)
        if shard in self._held:
            return False
        return moved is None or now - moved.at_s >= moved.stay_s

    def _move(self, board: "_Board", shard: int, giver: str, taker: str, now: float) -> None:
        board.place(shard, taker)
        before = self._moved.get(shard)
        stay_s = STAY_S
        if before is not None and now - before.at_s < FORGIVEN_S:
            back = before.source == taker
            stay_s = min(2 * before.stay_s, STAY_S_MAX) if back else before.stay_s
        self._moved[shard] = _Move(now, giver, stay_s)
        self.moves += 1


@attrs.frozen
class _Exchange:
    """A shard for a taker, and perhaps one that comes back. `gain` is how far it evens them out."""

    gain: float
    shard: int
    taker: str
    back: int | None = None


def _gain(gap: float, cost: float) -> float:
    """How much smaller the gap between two becomes when `cost` goes from one to the other."""
    return gap - abs(gap - 2 * cost)


class _Board:
    """Who is where while a plan is made, and what each node has to do."""

    def __init__(
        self,
        shards: list[int],
        nodes: list[str],
        homes: Mapping[int, str],
        costs: Mapping[int, float],
    ) -> None:
        self.loads = dict.fromkeys(nodes, 0.0)
        self.shards: dict[str, set[int]] = {node: set() for node in nodes}
        self.homes: dict[int, str] = {}
        self._costs = {shard: max(costs.get(shard, 0.0), LEAST_COST) for shard in shards}
        self.mean = sum(self._costs.values()) / len(nodes)
        for shard in shards:
            home = homes.get(shard)
            if home in self.loads:
                self.place(shard, home)

    def cost(self, shard: int) -> float:
        """What it counts."""
        return self._costs[shard]

    def gap(self, giver: str, taker: str) -> float:
        """How much more one has to do than another."""
        return self.loads[giver] - self.loads[taker]

    def is_even(self, giver: str, taker: str) -> bool:
        """Whether neither the busier has too much to do nor the idler too little."""
        most, least = self.loads[giver], self.loads[taker]
        if most <= ROOMY and least >= LONELY * most:
            return True
        much, little = (1 + EVEN / 2) * self.mean, (1 - EVEN) * self.mean
        return most <= much and least >= little

    def homeless(self) -> list[int]:
        """The shards that are nowhere, the dearest first."""
        nowhere = self._costs.keys() - self.homes.keys()
        return sorted(nowhere, key=lambda shard: (-self._costs[shard], shard))

    def place(self, shard: int, node: str) -> None:
        """Put a shard on a node, whether or not it is somewhere."""
        before = self.homes.get(shard)
        if before is not None:
            self.loads[before] -= self._costs[shard]
            self.shards[before].discard(shard)
        self.homes[shard] = node
        self.loads[node] += self._costs[shard]
        self.shards[node].add(shard)
