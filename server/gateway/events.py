"""Events that wait for one link. Events do not conflate: each is a fact of its own.

Events of a cell lose their meaning soon and expire; durable events and those addressed to one
entity last. At most `EVENTS_PASSING` of the former wait, of which the oldest makes room, and at
most `EVENTS_LASTING` of the latter: when there is one more, the queue has overflowed. Then it lets
all of them go, and the shards are to be asked for what they remember, once the link has caught up.

A write tells `EVENTS_BYTES` of them, and the rest waits for the next one. What is told together
stays together: the events of one tick, shard and frame are one message, of which clients count the
twins.

Must not know: links, interest. An event is an encoded item, [kind, value, ...].
"""

from collections import deque
from collections.abc import Iterable
from itertools import groupby, islice
from math import inf

import attrs

from protocol import cbor
from server.gateway import limits

__all__ = ["EventQueue", "Waiting", "events_message", "messages_of"]

_EVENTS_TYPE = 18  # protocol/SPEC.md, "Events"
_HEAD_BYTES = 16  # about what a message has besides its events, its frame's head included


@attrs.frozen
class Waiting:
    """One event that waits: where and when it happened, and until when it may be told.

    `frame` is the tick of the frame that told it, a negative number for an answer or a bulletin.
    What several told is never put into one message: an event that is told again would look like its
    own twin.
    """

    tick: int
    shard: int
    item: bytes
    expires_at: float = inf
    frame: int = 0


class EventQueue:
    """The events that wait for one link, oldest first."""

    __slots__ = ("_lasting", "_overflowed", "_told", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        self._lasting = 0
        self._told = 0
        self._overflowed = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def room(self) -> int:
        """How many more lasting events can wait."""
        return limits.EVENTS_LASTING - self._lasting

    def push(self, event: Waiting) -> None:
        """Put `event` behind the others."""
        if event.expires_at == inf:
            if not self.room:
                self._overflow()
                return
            self._lasting += 1
        elif len(self._waiting) - self._lasting >= limits.EVENTS_PASSING:
            oldest = next(i for i, other in enumerate(self._waiting) if other.expires_at != inf)
            del self._waiting[oldest]
        self._waiting.append(event)

    def take_overflow(self) -> bool:
        """Whether lasting events were let go since the last call."""
        overflowed, self._overflowed = self._overflowed, False
        return overflowed

    def expire(self, now: float) -> None:
        """Forget what may no longer be told at `now`."""
        if any(event.expires_at < now for event in self._waiting):
            self._waiting = deque(event for event in self._waiting if event.expires_at >= now)

    def messages(self, now: float) -> list[bytes]:
        """The next events, as encoded messages; `advance` when they were sent."""
        self.expire(now)
        size = self._told = 0
        for _, run in groupby(self._waiting, _belongs):
            lengths = [len(event.item) for event in run]
            size += _HEAD_BYTES + sum(lengths)
            if self._told and size > limits.EVENTS_BYTES:
                break
            self._told += len(lengths)
        return messages_of(islice(self._waiting, self._told))

    def advance(self) -> None:
        """Forget what `messages` gave last: it was sent."""
        for _ in range(self._told):
            self._lasting -= self._waiting.popleft().expires_at == inf
        self._told = 0

    def _overflow(self) -> None:
        self._waiting = deque(event for event in self._waiting if event.expires_at != inf)
        self._lasting = 0
        self._overflowed = True


def _belongs(event: Waiting) -> tuple[int, int, int]:
    return event.tick, event.shard, event.frame


def messages_of(events: Iterable[Waiting]) -> list[bytes]:
    """`events` in order, as one Events message for each run of the same tick, shard and frame."""
    return [
        events_message(tick, shard, [event.item for event in run])
        for (tick, shard, _), run in groupby(events, _belongs)
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
