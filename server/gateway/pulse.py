"""When each shard of the world was heard of last, whether or not its frames are followed.

Must not know: what was heard.
"""

from collections.abc import Sequence
from math import inf

from server.gateway import limits

__all__ = ["Pulse"]


class Pulse:
    """The signs of life of all shards. Times are seconds."""

    def __init__(self, shards: Sequence[int]) -> None:
        self._heard_at = dict.fromkeys(shards, -inf)
        self._partial_at = -inf

    def __contains__(self, shard: int) -> bool:
        """Whether the world has such a shard."""
        return shard in self._heard_at

    def heard(self, shard: int, now: float) -> None:
        """The shard said something."""
        self._heard_at[shard] = now

    def beat(self, now: float) -> None:
        """Note who is silent; to be called often."""
        oldest = now - limits.SHARD_SILENT_S
        if any(at < oldest for at in self._heard_at.values()):
            self._partial_at = now

    def whole_for(self, now: float) -> float:
        """Since how many seconds every shard has been heard of all along."""
        return now - self._partial_at

    def away(self, now: float) -> list[int]:
        """The shards that have not been heard of for longer than a takeover takes."""
        oldest = now - limits.WORLD_AWAY_S
        return [shard for shard, at in self._heard_at.items() if at < oldest]
