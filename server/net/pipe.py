"""Bytes on their way in one direction of a memory link: they arrive late and in order, as over TCP.

Must not know: frames, links. Time is an argument; chance is given.
"""

import random
from collections import deque
from collections.abc import Callable

__all__ = ["Pipe", "delays"]


def delays(delay_s: float, jitter_s: float, chance: random.Random) -> Callable[[int, float], float]:
    """Arrivals that are late by `delay_s` and evenly up to `jitter_s` more, whatever the size."""

    def arrival(size: int, now: float) -> float:
        del size
        return now + delay_s + (chance.uniform(0.0, jitter_s) if jitter_s else 0.0)

    return arrival


class Pipe:
    """Holds what is put into it until it arrives; nothing overtakes.

    `arrival` says when so many bytes, sent at a time, arrive.
    """

    def __init__(self, arrival: Callable[[int, float], float]) -> None:
        self.bytes = 0
        self._arrival = arrival
        self._arrives_last = 0.0
        self._under_way: deque[tuple[float, bytes]] = deque()

    def arrival(self, size: int, now: float) -> float:
        """When `size` bytes that are sent at `now` arrive."""
        self._arrives_last = max(self._arrives_last, self._arrival(size, now))
        return self._arrives_last

    def put(self, data: bytes, now: float) -> None:
        """Send `data`."""
        self._under_way.append((self.arrival(len(data), now), data))
        self.bytes += len(data)

    @property
    def next_arrival(self) -> float | None:
        """When the next piece arrives; None while nothing is under way."""
        return self._under_way[0][0] if self._under_way else None

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
