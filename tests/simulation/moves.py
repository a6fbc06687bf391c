"""Shards that are moved on purpose, in every other world, while everything breaks.

Who is to run what is said from outside of everything that breaks; nodes do about it what they do
about a coordinator's plan. A shard that is on its way is nobody else's for a while.
"""

import random
from collections.abc import Sequence
from typing import Final

import trio

from tests.simulation.chance import Chance
from tests.simulation.nodes import NodeLife
from tests.simulation.place import Place
from tests.simulation.setting import Setting

__all__ = ["Mover", "plan_moves"]

ON_ITS_WAY_S: Final = 4.0


def plan_moves(seed: int, begin_s: float, end_s: float) -> tuple[float, ...]:
    """When a shard of this seed's world is moved; never in every second one."""
    if seed % 2:
        return ()
    chance = Chance(seed).of("moves")
    return tuple(sorted(chance.uniform(begin_s, end_s) for _ in range(chance.randint(3, 8))))


class Mover:
    """Moves shards from node to node. `moves` is how often."""

    def __init__(self, setting: Setting, nodes: Sequence[Place]) -> None:
        self.moves = 0
        self._setting = setting
        self._nodes = nodes
        self._chance: random.Random = setting.chance.of("who moves where")

    async def run(self, times: Sequence[float]) -> None:
        """Move a shard at each of these times."""
        async with trio.open_nursery() as nursery:
            for at in times:
                await trio.sleep_until(at)
                nursery.start_soon(self._move)

    async def _move(self) -> None:
        homes, chance = self._setting.homes, self._chance
        lives = [place.life for place in self._nodes]
        living = [life for life in lives if isinstance(life, NodeLife) and not life.is_dead]
        owned = [(life, s) for life in living for s in sorted(life.shards) if s not in homes.of]
        if not owned:
            return
        owner, shard = chance.choice(owned)
        heirs = [life for life in living if life is not owner and life.node is not None]
        if not heirs:
            return
        heir = chance.choice(heirs)
        self.moves += 1
        self._setting.trace.tell(f"shard {shard} is to move from {owner.name} to {heir.name}")
        homes.of[shard] = heir.name
        heir.take(shard)
        owner.give(shard)
        await trio.sleep(ON_ITS_WAY_S)
        del homes.of[shard]
