"""The census of a running world: who was ever lost or doubled, tick by tick.

Asks the shards of one process after each tick, so that a doubled entity is seen in the very tick
in which two shards owned it.
"""

from collections.abc import Iterable

import attrs
import numpy as np

from server.shard.census import Tally, tally
from server.shard.host import Shard

__all__ = ["WorldCensus"]


@attrs.define
class WorldCensus:
    """Counts over a world's life. `ticks` were checked; `duplicated` are ids, ever."""

    ticks: int = 0
    duplicated: set[int] = attrs.field(factory=set)

    def check(self, shards: Iterable[Shard]) -> None:
        """Look for entities that two shards own now."""
        self.ticks += 1
        owned = [np.asarray(shard.world.owned_ids(), np.uint64) for shard in shards]
        ids, counts = np.unique(np.concatenate(owned), return_counts=True)
        self.duplicated.update(ids[counts > 1].tolist())

    def close(self, shards: Iterable[Shard]) -> Tally:
        """Add everything up by id, now."""
        result = tally(shard.census() for shard in shards)
        return attrs.evolve(result, duplicated=result.duplicated | self.duplicated)
