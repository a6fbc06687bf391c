"""Deciding which node runs which shard: by cost, with as few moves as it takes.

A shard whose node is gone is placed at once, on the node with the least to do. Beyond that a shard
moves only if the busiest node has clearly more to do than the idlest, if the move evens that out,
and if the shard has stayed where it is for a while: a move costs its watchers keyframes.

Costs are the share of a node's time that a shard takes, smoothed by whoever reports them. A node
without a shard costs nothing.

Must not know: time (it is an argument, in seconds), the bus, leases.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

__all__ = ["Plan", "Planner"]

# As shares of the mean load: nodes that differ by less are even, and a move must gain this much.
EVEN: Final = 0.10
GAIN: Final = 0.05
LEAST_GAIN: Final = 0.01  # of a core: what is smaller is not worth anybody's keyframes
MOVES_MAX: Final = 1  # a decision; the next one sees what came of it
STAY_S: Final = 10.0  # a shard that has moved stays so long
LEAST_COST: Final = 0.01  # what a shard counts at least: an idle one is worth a place, too


@attrs.frozen
class Plan:
    """Which node runs which shard; `version` rises with every change."""

    version: int = 0
    nodes: Mapping[int, str] = attrs.field(factory=dict)

    def of(self, node: str) -> frozenset[int]:
        """The shards that are placed on `node`."""
        return frozenset(shard for shard, home in self.nodes.items() if home == node)


class Planner:
    """Makes one plan after another."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = plan or Plan()
        self.moves = 0
        self._moved_at: dict[int, float] = {}

    def decide(
        self,
        shards: Iterable[int],
        nodes: Iterable[str],
        costs: Mapping[int, float],
        now: float,
    ) -> Plan:
        """The plan for the `nodes` that are there; the present one if nothing is worth a change.

        Without any node there is nobody to place anything on, and the plan stays.
        """
        present = sorted(nodes)
        if not present:
            return self.plan
        every = sorted(shards)
        placed = self._placed(every, present, costs, now)
        for _ in range(MOVES_MAX):
            if not self._move_one(placed, present, costs, now):
                break
        if placed != dict(self.plan.nodes):
            self.plan = Plan(self.plan.version + 1, placed)
        return self.plan

    def _placed(
        self, shards: list[int], nodes: list[str], costs: Mapping[int, float], now: float
    ) -> dict[int, str]:
        """Everything somewhere: where it is, else on the node that has the least to do."""
        there = set(nodes)
        placed = {s: self.plan.nodes[s] for s in shards if self.plan.nodes.get(s) in there}
        loads = _loads(placed, nodes, costs)
        homeless = [shard for shard in shards if shard not in placed]
        for shard in sorted(homeless, key=lambda shard: (-_cost(costs, shard), shard)):
            home = min(nodes, key=lambda node: (loads[node], node))
            placed[shard] = home
            loads[home] += _cost(costs, shard)
            self._moved_at[shard] = now
        return dict(sorted(placed.items()))

    def _move_one(
        self, placed: dict[int, str], nodes: list[str], costs: Mapping[int, float], now: float
    ) -> bool:
        """Move the shard that evens out most between the busiest and the idlest node."""
        loads = _loads(placed, nodes, costs)
        busiest = max(nodes, key=lambda node: (loads[node], node))
        idlest = min(nodes, key=lambda node: (loads[node], node))
        mean = sum(loads.values()) / len(nodes)
        gap = loads[busiest] - loads[idlest]
        if gap <= EVEN * mean:
            return False
        free = [
            shard
            for shard, home in placed.items()
            if home == busiest and now - self._moved_at.get(shard, -STAY_S) >= STAY_S
        ]
        gains = {shard: gap - abs(gap - 2 * _cost(costs, shard)) for shard in free}
        best = max(free, key=lambda shard: (gains[shard], -shard), default=None)
        if best is None or gains[best] < max(GAIN * mean, LEAST_GAIN):
            return False
        placed[best] = idlest
        self._moved_at[best] = now
        self.moves += 1
        return True


def _loads(
    placed: Mapping[int, str], nodes: Iterable[str], costs: Mapping[int, float]
) -> dict[str, float]:
    loads = dict.fromkeys(nodes, 0.0)
    for shard, home in placed.items():
        loads[home] += _cost(costs, shard)
    return loads


def _cost(costs: Mapping[int, float], shard: int) -> float:
    return max(costs.get(shard, 0.0), LEAST_COST)
