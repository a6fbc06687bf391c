"""What a shard is told when it is made, and what it tells of itself while it runs.

Must not know: how shards work.
"""

import attrs

from protocol.geometry import Geometry
from server.shard import limits
from server.shard.desk import DeskStatistics
from server.shard.space import Partition

__all__ = ["ShardConfig", "ShardStatistics"]


@attrs.frozen(kw_only=True)
class ShardConfig:
    """What one shard is: of which world and space, under which epoch.

    `grace_ticks` is how long a session waits for a lost link. `counting` keeps every entity's id
    for a census, which costs memory for as long as the shard lives. `digests_every` is how often,
    in ticks, a record carries the digests of the world's columns, and `checkpoint_every` how often
    a checkpoint is left; 0 for never. `partition` is how the world is cut now, where it is not as
    `geometry` cut it in the beginning; a shard that was not there then begins empty.
    """

    world: str
    shard: int
    epoch: int
    seed: int
    geometry: Geometry
    grace_ticks: int = limits.GRACE_TICKS
    counting: bool = False
    digests_every: int = 64
    checkpoint_every: int = 0
    partition: Partition | None = None

    @property
    def present(self) -> Partition:
        """How the world is cut now."""
        return self.partition or Partition.of(self.geometry)


@attrs.frozen
class ShardStatistics:
    """One shard after its newest tick. Counters run since the shard began."""

    shard: int
    tick: int
    step: int
    entities: int
    sessions: int
    ghosts: int
    guests: int
    crossings: int
    journal_lag_ticks: int
    frame_bytes: int
    record_bytes: int
    checkpoint_bytes: int
    duplicates: int
    undeliverable: int
    malformed: int
    resyncs: int
    desk: DeskStatistics
