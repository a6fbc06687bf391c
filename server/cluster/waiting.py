"""What came and was not taken yet: the half of a subscription or watch that its reader sees.

Must not know: where things come from.
"""

from collections import deque
from typing import Generic, TypeVar

import trio

__all__ = ["Waiting"]

T = TypeVar("T")


class Waiting(Generic[T]):
    """A queue that is taken whole or iterated. `room` bounds it: then the oldest are dropped."""

    def __init__(self, room: int | None = None) -> None:
        self._waiting: deque[T] = deque(maxlen=room)
        self._news = trio.Event()
        self.delivered = 0
        self.dropped = 0
        self.closed = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: T) -> None:
        """Put `item` behind those that wait; the oldest is dropped if there is no room."""
        if len(self._waiting) == self._waiting.maxlen:
            self.dropped += 1
        self._waiting.append(item)
        self.delivered += 1
        self._news.set()

    def take_nowait(self) -> list[T]:
        """Everything that waits, oldest first."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    async def next(self) -> T:
        """Wait for the next item; StopAsyncIteration when it is closed and empty."""
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            if self.closed:
                raise StopAsyncIteration
            if self._news.is_set():  # else another reader waits for it too
                self._news = trio.Event()
            await self._news.wait()
        return self._waiting.popleft()

    def close(self) -> None:
        """Let readers end when they have taken what waits."""
        self.closed = True
        self._news.set()
