"""Events that wait for one link. Events do not conflate: each is a fact of its own.

A queue keeps at most `EVENTS_QUEUED`. Events of a cell lose their meaning soon and expire; durable
events and those addressed to one entity never do. When the queue is full the oldest that may expire
makes room; when none may, the queue has overflowed and the link must be closed so that its client
resumes.

Must not know: links, interest. An event is an encoded item, [kind, value, ...].
"""

from collections import deque
from collections.abc import Iterable
from itertools import groupby
from math import inf

import attrs

from protocol import cbor
from server.gateway import limits

__all__ = ["EventQueue", "Waiting", "events_message", "messages_of"]

_EVENTS_TYPE = 18  # protocol/SPEC.md, "Events"


@attrs.frozen
class Waiting:
    """One event that waits: where and when it happened, and until when it may be told.

    `frame` is the tick of the frame that told it, the negative one of a bulletin. What several of
    them told is never put into one message: an event that is told again would look like a twin of
    itself.
    """

    tick: int
    shard: int
    item: bytes
    expires_at: float = inf
    frame: int = 0


class EventQueue:
    """The events that wait for one link, oldest first."""

    __slots__ = ("_overflowed", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        self._overflowed = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def overflowed(self) -> bool:
        """Whether an event that never expires was lost."""
        return self._overflowed

    def push(self, event: Waiting) -> None:
        """Put `event` behind the others."""
        if len(self._waiting) >= limits.EVENTS_QUEUED:
            self._make_room(event)
        if len(self._waiting) < limits.EVENTS_QUEUED:
            self._waiting.append(event)

    def expire(self, now: float) -> None:
        """Forget what may no longer be told at `now`."""
        if any(event.expires_at < now for event in self._waiting):
            self._waiting = deque(event for event in self._waiting if event.expires_at >= now)

    def messages(self, now: float) -> list[bytes]:
        """The events that may still be told, as encoded messages; `clear` when they were sent."""
        self.expire(now)
        return messages_of(self._waiting)

    def clear(self) -> None:
        """Forget all: they were sent."""
        self._waiting.clear()

    def _make_room(self, event: Waiting) -> None:
        for place, waiting in enumerate(self._waiting):
            if waiting.expires_at != inf:
                del self._waiting[place]
                return
        if event.expires_at == inf:
            self._overflowed = True


def messages_of(events: Iterable[Waiting]) -> list[bytes]:
    """`events` in order, as one Events message for each run of the same tick, shard and frame."""
    return [
        events_message(tick, shard, [event.item for event in run])
        for (tick, shard, _), run in groupby(
            events, lambda event: (event.tick, event.shard, event.frame)
        )
    ]


def events_message(tick: int, shard: int, items: Iterable[bytes]) -> bytes:
    """An Events message of items that are encoded already."""
    encoded = list(items)
    return b"".join(
        (
            cbor.array_head(4),
            cbor.uint(_EVENTS_TYPE),
            cbor.uint(tick),
            cbor.uint(shard),
            cbor.array_head(len(encoded)),
            *encoded,
        )
    )
