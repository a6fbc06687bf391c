"""What waits for the journal: commits to append, and what may be told once they are durable.

Must not know: the journal, records, mail.
"""

from collections import deque
from collections.abc import Mapping

from server.shard.commit import Commit

__all__ = ["Durability"]


class Durability:
    """The ticks of one shard on their way into the journal, in order."""

    def __init__(self) -> None:
        self.durable_tick = 0
        self._commits: deque[Commit] = deque()
        self._pending: deque[tuple[int, Mapping[int, int]]] = deque()

    @property
    def lag_ticks(self) -> int:
        """How many ticks were stepped and are not durable."""
        return len(self._pending)

    def leave(self, commit: Commit, taken: Mapping[int, int]) -> None:
        """Leave a tick's commit; `taken` are the numbers up to which it consumed others' outs."""
        self._commits.append(commit)
        self._pending.append((commit.tick, taken))

    def take(self) -> list[Commit]:
        """The commits to append, oldest first; each is given once."""
        commits = list(self._commits)
        self._commits.clear()
        return commits

    def committed(self, tick: int) -> dict[int, int]:
        """Note that all ticks up to `tick` are durable; gives what others may be told we took."""
        told: dict[int, int] = {}
        while self._pending and self._pending[0][0] <= tick:
            told.update(self._pending.popleft()[1])
        self.durable_tick = max(self.durable_tick, tick)
        return told
