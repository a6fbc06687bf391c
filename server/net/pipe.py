"""Bytes on their way in one direction of a memory link: they arrive late and in order, as over TCP.

Must not know: frames, links. Time is an argument; chance is given.
"""

import random
from collections import deque

__all__ = ["Pipe"]


class Pipe:
    """Delays what is put into it by `delay_s` and up to `jitter_s` more; nothing overtakes."""

    def __init__(self, delay_s: float, jitter_s: float, chance: random.Random) -> None:
        self.bytes = 0
        self._delay_s = delay_s
        self._jitter_s = jitter_s
        self._chance = chance
        self._arrives_last = 0.0
        self._under_way: deque[tuple[float, bytes]] = deque()

    def arrival(self, now: float) -> float:
        """When something that is sent at `now` arrives."""
        jitter = self._chance.uniform(0.0, self._jitter_s) if self._jitter_s else 0.0
        self._arrives_last = max(self._arrives_last, now + self._delay_s + jitter)
        return self._arrives_last

    def put(self, data: bytes, now: float) -> None:
        """Send `data`."""
        self._under_way.append((self.arrival(now), data))
        self.bytes += len(data)

    def arrived(self, now: float) -> bool:
        """Whether there is something to take."""
        return bool(self._under_way) and self._under_way[0][0] <= now

    def take(self, now: float) -> list[bytes]:
        """What has arrived, piece by piece as it was put in."""
        taken = []
        while self._under_way and self._under_way[0][0] <= now:
            taken.append(self._under_way.popleft()[1])
            self.bytes -= len(taken[-1])
        return taken

    def clear(self) -> None:
        """Lose everything that is under way."""
        self._under_way.clear()
        self.bytes = 0
