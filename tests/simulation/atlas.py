"""How the world is cut, and how nodes and gateways hear of it: each at a time of its own.

In every fourth world shards are cut in two and merged while everything breaks. Whoever lives looks
for news now and then, as if most beacons were lost, so that shards and gateways take up a cut at
different ticks, and some miss it altogether until the next one.
"""

import random
from collections.abc import Callable

import trio

from protocol.geometry import Geometry
from server.placement.tree import Tree, X, Y
from server.shard.space import Partition
from tests.simulation.chance import Chance
from tests.simulation.game import HZ
from tests.simulation.trace import Trace

__all__ = ["SHARDS_MAX", "Atlas", "plan_cuts"]

HEARD_S = (0.05, 0.6)  # between two looks at how the world is cut
SHARDS_MAX = 9


def plan_cuts(seed: int, begin_s: float, end_s: float) -> tuple[float, ...]:
    """When the world of this seed is cut anew; never in three of four."""
    if seed % 4 != 3:
        return ()
    chance = Chance(seed).of("cuts")
    return tuple(sorted(chance.uniform(begin_s, end_s) for _ in range(chance.randint(2, 6))))


class Atlas:
    """The world as it is cut now. It lives outside of everything that breaks."""

    def __init__(self, geometry: Geometry, chance: random.Random, trace: Trace) -> None:
        self.founding = geometry
        self.tree = Tree.founding(geometry)
        self.cuts = 0
        self.planned = False  # whether it is to be cut at all
        self._chance = chance
        self._trace = trace
        self.partition = self.tree.partition(geometry)

    @property
    def shards(self) -> tuple[int, ...]:
        """All that there are, resting ones among them."""
        return self.partition.shards

    async def run(self, times: tuple[float, ...], tick_at: Callable[[float], int]) -> None:
        """Cut the world at these times; shortly before, the shard that this takes is opened."""
        for at in times:
            await trio.sleep_until(max(0.0, at - 0.7))
            self._open()
            await trio.sleep_until(at)
            self._cut(tick_at(at))

    def _open(self) -> None:
        if not self.tree.resting and self.tree.count < SHARDS_MAX:
            self.tree = self.tree.opened()
            self.partition = self.tree.partition(self.founding)

    def _cut(self, now: int) -> None:
        since = now + self._chance.randint(0, HZ)
        cuts = [
            (leaf.shard, axis, at)
            for leaf in self.tree.leaves
            for axis in (X, Y)
            for at in range(leaf[1 + axis] + 1, leaf[3 + axis])
        ]
        if self.tree.siblings and (not self.tree.resting or self._chance.random() < 0.4):
            pair = self._chance.choice(self.tree.siblings)
            self.tree = self.tree.merge(*pair, since=since)
            self._trace.tell(f"shards {pair[0]} and {pair[1]} merge from tick {since} on")
        elif cuts and self.tree.resting:
            shard, axis, at = self._chance.choice(cuts)
            to = self._chance.choice(self.tree.resting)
            self.tree = self.tree.split(shard, axis, at, to, since=since)
            self._trace.tell(f"shard {shard} is cut at {'xy'[axis]} = {at}, from tick {since} on")
        self.cuts += 1
        self.partition = self.tree.partition(self.founding)

    async def follow(self, chance: random.Random, cut_anew: Callable[[Partition], None]) -> None:
        """Tell somebody of cuts, until cancelled."""
        told = self.partition
        cut_anew(told)
        while True:
            await trio.sleep(chance.uniform(*HEARD_S))
            if self.partition is not told:
                told = self.partition
                cut_anew(told)
