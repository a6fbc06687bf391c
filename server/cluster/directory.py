"""The directory of a single process: leases on names, by a clock that is passed in.

A lease ends at its deadline, whether or not anybody looks; the directory notices at the next call.
Epochs come from one counter, so they strictly increase for every name, as stream sequences do.

Must not know: what is leased.
"""

from collections import deque
from collections.abc import Callable
from typing import Literal

import attrs
import trio

from server.cluster.seams import DirectoryEvent, Entry, LeaseLost

__all__ = ["MemoryDirectory", "MemoryLease", "MemoryWatch"]


class MemoryDirectory:
    """A `seams.Directory` within one process. `clock` gives seconds and never goes back.

    Epochs are above `epoch`, the highest that was ever given.
    """

    def __init__(self, clock: Callable[[], float], epoch: int = 0) -> None:
        self._clock = clock
        self._epoch = epoch
        self._held: dict[str, MemoryLease] = {}
        self._watches: list[MemoryWatch] = []

    async def acquire(self, name: str, meta: bytes, ttl_s: float) -> "MemoryLease | None":
        """A lease of `name`, or None while it is held."""
        await trio.lowlevel.checkpoint()
        return self.acquire_nowait(name, meta, ttl_s)

    def acquire_nowait(self, name: str, meta: bytes, ttl_s: float) -> "MemoryLease | None":
        """Like `acquire`, for callers that are not in trio."""
        if ttl_s <= 0:
            raise ValueError("a lease needs time to live")
        self.sweep()
        if name in self._held:
            return None
        self._epoch += 1
        lease = MemoryLease(self, Entry(name, self._epoch, meta), ttl_s, self._clock() + ttl_s)
        self._held[name] = lease
        self._tell("put", lease.entry)
        return lease

    def watch(self, prefix: str) -> "MemoryWatch":
        """Watch all names that start with `prefix`."""
        self.sweep()
        held = [self._held[name].entry for name in sorted(self._held) if name.startswith(prefix)]
        watch = MemoryWatch(self, prefix, held)
        self._watches.append(watch)
        return watch

    def sweep(self) -> None:
        """End the leases whose deadline has passed."""
        now = self._clock()
        for lease in [lease for lease in self._held.values() if lease.deadline <= now]:
            self.end(lease)

    def wait_s(self) -> float:
        """Seconds until the next lease ends unless renewed; infinite if none is held."""
        deadlines = [lease.deadline for lease in self._held.values()]
        return max(0.0, min(deadlines) - self._clock()) if deadlines else float("inf")

    def renew(self, lease: "MemoryLease", meta: bytes | None) -> float:
        """The new deadline of `lease`; `LeaseLost` if it is over."""
        self.sweep()
        if self._held.get(lease.name) is not lease:
            raise LeaseLost(f"{lease.name} is no longer held with epoch {lease.epoch}")
        if meta is not None and meta != lease.entry.meta:
            lease.entry = attrs.evolve(lease.entry, meta=meta)
            self._tell("put", lease.entry)
        return self._clock() + lease.ttl_s

    def end(self, lease: "MemoryLease") -> None:
        """Take `lease` back, if it is still held."""
        if self._held.get(lease.name) is lease:
            del self._held[lease.name]
            self._tell("gone", lease.entry)

    def forget(self, watch: "MemoryWatch") -> None:
        """Report nothing more to `watch`; called when it is closed."""
        if watch in self._watches:
            self._watches.remove(watch)

    def _tell(self, kind: Literal["put", "gone"], entry: Entry) -> None:
        for watch in self._watches:
            if entry.name.startswith(watch.prefix):
                watch.deliver(DirectoryEvent(kind, entry))


class MemoryLease:
    """A `seams.Lease` of a `MemoryDirectory`."""

    def __init__(
        self, directory: MemoryDirectory, entry: Entry, ttl_s: float, deadline: float
    ) -> None:
        self.entry = entry
        self.ttl_s = ttl_s
        self._directory = directory
        self._deadline = deadline

    @property
    def name(self) -> str:
        """The name that is held."""
        return self.entry.name

    @property
    def epoch(self) -> int:
        """The lease's token."""
        return self.entry.epoch

    @property
    def deadline(self) -> float:
        """When the right ends unless renewed, by the directory's clock."""
        return self._deadline

    async def renew(self, meta: bytes | None = None) -> None:
        """Move the deadline; `LeaseLost` if the lease is over."""
        await trio.lowlevel.checkpoint()
        self.renew_nowait(meta)

    def renew_nowait(self, meta: bytes | None = None) -> None:
        """Like `renew`, for callers that are not in trio."""
        self._deadline = self._directory.renew(self, meta)

    async def release(self) -> None:
        """Give the name back."""
        await trio.lowlevel.checkpoint()
        self.release_nowait()

    def release_nowait(self) -> None:
        """Like `release`, for callers that are not in trio."""
        self._directory.end(self)


class MemoryWatch:
    """A `seams.Watch` of a `MemoryDirectory`."""

    def __init__(self, directory: MemoryDirectory, prefix: str, held: list[Entry]) -> None:
        self.prefix = prefix
        self._directory = directory
        # Unbounded, but only by changes of ownership, which come a few in a second at the most.
        self._waiting = deque(DirectoryEvent("put", entry) for entry in held)
        self._closed = False
        self._news = trio.Event()

    def deliver(self, event: DirectoryEvent) -> None:
        """Put `event` behind those that wait."""
        self._waiting.append(event)
        self._news.set()

    def take_nowait(self) -> list[DirectoryEvent]:
        """The events since the last time, oldest first."""
        if not self._closed:
            self._directory.sweep()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def __aiter__(self) -> "MemoryWatch":
        """The watch iterates itself."""
        return self

    async def __anext__(self) -> DirectoryEvent:
        """Wait for the next event, a lease running out included; ends when the watch is closed."""
        await trio.lowlevel.checkpoint()
        while True:
            if not self._closed:
                self._directory.sweep()
            if self._waiting:
                return self._waiting.popleft()
            if self._closed:
                raise StopAsyncIteration
            if self._news.is_set():  # else another reader waits for it too
                self._news = trio.Event()
            with trio.move_on_after(self._directory.wait_s()):
                await self._news.wait()

    def close(self) -> None:
        """Report nothing more."""
        self._closed = True
        self._directory.forget(self)
        self._news.set()
