"""When each shard of the world was heard of last, whether or not its frames are followed.

A shard without a rectangle may rest, and nobody waits for it to be heard of.

Must not know: what was heard.
"""

from collections.abc import Iterable, Sequence
from math import inf

from server.gateway import limits

__all__ = ["Pulse"]


class Pulse:
    """The signs of life of all shards. Times are seconds."""

    def __init__(self, shards: Sequence[int]) -> None:
        self.awaited = tuple(shards)
        self._heard_at = dict.fromkeys(shards, -inf)
        self._partial_at = -inf

    def __contains__(self, shard: int) -> bool:
        """Whether the world has such a shard."""
        return shard in self._heard_at

    def know(self, shards: Iterable[int], now: float) -> None:
        """The world has these shards, too; each has as long to say something as who just did."""
        for shard in shards:
            self._heard_at.setdefault(shard, now)

    def cut_anew(self, shards: Sequence[int]) -> None:
        """From now on these have rectangles."""
        self.awaited = tuple(shards)

    def heard(self, shard: int, now: float) -> None:
        """The shard said something."""
        self._heard_at[shard] = now

    def beat(self, now: float) -> None:
        """Note who is silent; to be called often."""
        oldest = now - limits.SHARD_SILENT_S
        if any(self._heard_at[shard] < oldest for shard in self.awaited):
            self._partial_at = now

    def whole_for(self, now: float) -> float:
        """Since how many seconds every shard has been heard of all along."""
        return now - self._partial_at

    def away(self, now: float) -> list[int]:
        """The shards that have not been heard of for longer than a takeover takes."""
        oldest = now - limits.WORLD_AWAY_S
        return [shard for shard in self.awaited if self._heard_at[shard] < oldest]
