"""The bus on NATS: subjects as they are, behind the world's prefix, and nothing stored.

A subscription is one at the server as well, so a process receives only what it asked for. What this
process publishes goes to the server and comes back like everything else; nothing is short-cut, so
that one process and many behave the same.

Error handling: what is longer than the engine's max_payload (1 MB by default), or finds no link or
no room, is dropped and counted by the bridge. A bus promises at most once.
Must not know: what the bytes mean.
"""

from typing import Final, Literal

from server.cluster.nats.bridge import Bridge
from server.cluster.nats.outbox import Arrival
from server.cluster.seams import BusState, Message, SubscriptionStatistics, subject_tokens
from server.cluster.waiting import Waiting

__all__ = ["NatsBus", "NatsSubscription"]

KNOWN_MAX: Final = 4096  # subjects that need no second look; at the bound all are looked at anew


class NatsBus:
    """A `seams.Bus` over a bridge. `prefix` stands before every subject at the server."""

    def __init__(self, bridge: Bridge, prefix: str) -> None:
        self._bridge = bridge
        self._prefix = prefix
        self._known: dict[str, str] = {}

    @property
    def state(self) -> BusState:
        """Whether the bus is up."""
        return self._bridge.state

    def publish(self, subject: str, data: bytes) -> None:
        """Send `data` to every subscription that matches `subject`; dropped while down."""
        if type(data) is not bytes:
            raise TypeError("the bus carries bytes and nothing else")
        full = self._known.get(subject)
        if full is None:
            subject_tokens(subject, pattern=False)
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            full = self._known[subject] = self._prefix + subject
        self._bridge.publish(full, data, droppable=True)

    def subscribe(
        self, pattern: str, *, buffer: int, overflow: Literal["drop_oldest"] = "drop_oldest"
    ) -> "NatsSubscription":
        """Start receiving what matches `pattern`, keeping at most `buffer` messages.

        The server knows of it before anything that this process publishes later.
        """
        if buffer < 1:
            raise ValueError("a subscription needs room for one message")
        if overflow != "drop_oldest":
            raise ValueError("a full buffer can only drop its oldest message")
        subject_tokens(pattern, pattern=True)
        return NatsSubscription(self._bridge, self._prefix, pattern, buffer)


class NatsSubscription:
    """A `seams.Subscription` of a `NatsBus`."""

    def __init__(self, bridge: Bridge, prefix: str, pattern: str, buffer: int) -> None:
        self._bridge = bridge
        self._cut = len(prefix)
        self._waiting: Waiting[Message] = Waiting(buffer)
        self._number = bridge.subscribe(prefix + pattern, self._arrived)

    def take_nowait(self) -> list[Message]:
        """Everything that waits, oldest first."""
        return self._waiting.take_nowait()

    def __aiter__(self) -> "NatsSubscription":
        """The subscription iterates itself; several readers share its messages."""
        return self

    async def __anext__(self) -> Message:
        """Wait for the next message; the iteration ends when the subscription is closed."""
        return await self._waiting.next()

    def close(self) -> None:
        """Receive nothing more."""
        self._waiting.close()
        self._bridge.unsubscribe(self._number)

    def statistics(self) -> SubscriptionStatistics:
        """Counters since the subscription began."""
        waiting = self._waiting
        return SubscriptionStatistics(waiting.delivered, waiting.dropped, len(waiting))

    def _arrived(self, arrival: Arrival) -> None:
        if not self._waiting.closed:
            self._waiting.put(Message(arrival.subject[self._cut :], arrival.data))
