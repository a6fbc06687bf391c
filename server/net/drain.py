"""One task that reads for all links of a listener.

A task that waits for its own socket is woken for each message, which costs more than reading it.
Here all sockets sit in one selector, which is waited for itself. After each turn the drain pauses
for `limits.DRAIN_S`, so that many sockets are ready at once and share the cost of a turn; a message
that comes after a silence is read at once.

Invariants: a socket is in the selector from `enter` to `leave`, and leaves before it is closed,
because the system gives its number to the next one. In a turn every socket that is ready is read
once, at most `limits.DRAIN_SOCKETS` without letting other tasks run; the selector takes turns among
those that are always ready.

Must not know: streams, frames, what is read.
"""

import select
import selectors
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import trio

from server.net import limits

__all__ = ["Drain", "OnReadable", "PortableSelector"]

_READABLE: Final = getattr(select, "EPOLLIN", selectors.EVENT_READ)

OnReadable = Callable[[float], None]
"""Told the time when there is something to read. It must read it or leave, and must not raise."""


class _Selector(Protocol):
    """What the drain needs of an epoll."""

    def register(self, fd: int, eventmask: int, /) -> None:
        """Watch `fd`."""

    def unregister(self, fd: int, /) -> None:
        """Forget `fd`."""

    def poll(self, timeout: float, maxevents: int, /) -> Sequence[tuple[int, int]]:
        """At most so many of those that are ready, each with its events."""

    def fileno(self) -> int:
        """A descriptor that is readable while something is ready."""

    def close(self) -> None:
        """Let go of that descriptor."""


class Drain:
    """Calls what was entered while its descriptor has something to read, or is at its end."""

    def __init__(self, selector: _Selector | None = None) -> None:
        self._selector: Final = selector or _selector()
        self._calls: dict[int, OnReadable] = {}

    def __len__(self) -> int:
        """How many descriptors are in."""
        return len(self._calls)

    def enter(self, fd: int, on_readable: OnReadable) -> None:
        """Watch `fd` from now on."""
        assert fd not in self._calls, "whoever had the descriptor has left"
        self._selector.register(fd, _READABLE)
        self._calls[fd] = on_readable

    def leave(self, fd: int) -> None:
        """Watch `fd` no more; to be called while it is still open."""
        del self._calls[fd]
        self._selector.unregister(fd)

    async def run(self) -> None:
        """Drain until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self._selector.fileno())
            while count := self._turn():
                if count < limits.DRAIN_SOCKETS:
                    await trio.sleep(limits.DRAIN_S)
                else:
                    await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Let go of the selector, when everybody has left."""
        assert not self._calls, "a descriptor that nobody watches any more must not stay entered"
        self._selector.close()

    def _turn(self) -> int:
        """Call what is ready; how many that was."""
        ready = self._selector.poll(0, limits.DRAIN_SOCKETS)
        now = trio.current_time()
        calls = self._calls
        for fd, _ in ready:
            on_readable = calls.get(fd)
            if on_readable is not None:  # it may have left in this very turn
                on_readable(now)
        return len(ready)


def _selector() -> _Selector:
    return select.epoll() if hasattr(select, "epoll") else PortableSelector()


class PortableSelector:
    """The same for systems without epoll."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._ready: list[tuple[int, int]] = []

    def register(self, fd: int, eventmask: int, /) -> None:
        """Watch `fd`."""
        self._selector.register(fd, eventmask)

    def unregister(self, fd: int, /) -> None:
        """Forget `fd`."""
        self._selector.unregister(fd)

    def poll(self, timeout: float, maxevents: int, /) -> Sequence[tuple[int, int]]:
        """At most so many of those that are ready, each with its events.

        Who has left since it was ready may be among them.
        """
        if not self._ready:
            self._ready = [(key.fd, events) for key, events in self._selector.select(timeout)]
        ready, self._ready = self._ready[:maxevents], self._ready[maxevents:]
        return ready

    def fileno(self) -> int:
        """A descriptor that is readable while something is ready."""
        return self._selector.fileno()

    def close(self) -> None:
        """Let go of that descriptor."""
        self._selector.close()
