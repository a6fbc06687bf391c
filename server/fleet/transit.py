"""How long entities that cross a border are shown by nobody.

From the first frame of its source without an entity to the first frame of its destination with it,
counted in ticks, so that it does not matter when frames come to whoever counts.

Must not know: the bus, why an entity is where it is.
"""

from collections.abc import Set as AbstractSet
from typing import Final

__all__ = ["Transit"]

ABSENT_TICKS: Final = 20 * 60  # who is nowhere for longer has died


class Transit:
    """What frames showed. `limbo_ticks` has an entry for each border that was crossed."""

    def __init__(self) -> None:
        self.limbo_ticks: list[int] = []
        self._shown: dict[int, frozenset[int]] = {}
        self._holders: dict[int, int] = {}  # of each entity, the shard that showed it first
        self._absent: dict[int, tuple[int, int]] = {}  # the tick since when, and who showed it last

    def show(self, shard: int, tick: int, entities: AbstractSet[int]) -> None:
        """A frame of `shard` shows these entities, and no others."""
        before = self._shown.get(shard, frozenset())
        now = self._shown[shard] = frozenset(entities)
        for entity in now - before:
            holder = self._holders.setdefault(entity, shard)
            since, source = self._absent.pop(entity, (tick, holder))
            if source != shard:
                self.limbo_ticks.append(max(0, tick - since))
            self._holders[entity] = shard
        for entity in before - now:
            if self._holders.get(entity) == shard:
                del self._holders[entity]
                self._absent[entity] = tick, shard
        if tick % ABSENT_TICKS == 0:
            past = tick - ABSENT_TICKS
            self._absent = {e: each for e, each in self._absent.items() if each[0] > past}
