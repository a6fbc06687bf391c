"""The bus of a single process: bytes from publishers to bounded buffers, in order.

It carries the very bytes that a network bus would carry, so that a single process exercises the
same code. Delivery happens inside `publish`, to subscriptions in the order in which they were made:
the same calls give the same deliveries.

Must not know: what the bytes mean.
"""

from typing import Final, Literal

from server.cluster.seams import (
    BusState,
    Message,
    SubscriptionStatistics,
    subject_matches,
    subject_tokens,
)
from server.cluster.waiting import Waiting

__all__ = ["MemoryBus", "MemorySubscription"]


# Subjects name shards and gateways, so there are few; a publisher that invents a new one for each
# message must not fill the memory. At the bound all routes are worked out anew.
ROUTES_MAX: Final = 4096


class MemoryBus:
    """A `seams.Bus` within one process."""

    def __init__(self) -> None:
        self._state = BusState.UP
        self._subscriptions: list[MemorySubscription] = []
        # Subjects are few and recur at every tick, so who receives each is worked out once.
        self._routes: dict[str, tuple[MemorySubscription, ...]] = {}

    @property
    def state(self) -> BusState:
        """Whether the bus is up."""
        return self._state

    def set_state(self, state: BusState) -> None:
        """Take the bus down or up again; for tests of what happens then."""
        self._state = state

    def publish(self, subject: str, data: bytes) -> None:
        """Deliver `data` to every subscription that matches `subject`."""
        if type(data) is not bytes:
            raise TypeError("the bus carries bytes and nothing else")
        route = self._routes.get(subject)
        if route is None:
            route = self._find_route(subject)
        if self._state is BusState.DOWN:
            return
        message = Message(subject, data)
        for subscription in route:
            subscription.deliver(message)

    def subscribe(
        self, pattern: str, *, buffer: int, overflow: Literal["drop_oldest"] = "drop_oldest"
    ) -> "MemorySubscription":
        """Start receiving what matches `pattern`, keeping at most `buffer` messages."""
        if buffer < 1:
            raise ValueError("a subscription needs room for one message")
        if overflow != "drop_oldest":
            raise ValueError("a full buffer can only drop its oldest message")
        subscription = MemorySubscription(self, subject_tokens(pattern, pattern=True), buffer)
        self._subscriptions.append(subscription)
        self._routes.clear()
        return subscription

    def forget(self, subscription: "MemorySubscription") -> None:
        """Deliver nothing more to `subscription`; called when it is closed."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self._routes.clear()

    def _find_route(self, subject: str) -> tuple["MemorySubscription", ...]:
        tokens = subject_tokens(subject, pattern=False)
        route = tuple(
            subscription
            for subscription in self._subscriptions
            if subject_matches(subscription.pattern, tokens)
        )
        if len(self._routes) >= ROUTES_MAX:
            self._routes.clear()
        self._routes[subject] = route
        return route


class MemorySubscription:
    """A `seams.Subscription` of a `MemoryBus`."""

    def __init__(self, bus: MemoryBus, pattern: list[str], buffer: int) -> None:
        self.pattern = pattern
        self._bus = bus
        self._waiting: Waiting[Message] = Waiting(buffer)

    def deliver(self, message: Message) -> None:
        """Put `message` behind those that wait; the oldest is dropped if there is no room."""
        self._waiting.put(message)

    def take_nowait(self) -> list[Message]:
        """Everything that waits, oldest first."""
        return self._waiting.take_nowait()

    def __aiter__(self) -> "MemorySubscription":
        """The subscription iterates itself; several readers share its messages."""
        return self

    async def __anext__(self) -> Message:
        """Wait for the next message; the iteration ends when the subscription is closed."""
        return await self._waiting.next()

    def close(self) -> None:
        """Receive nothing more."""
        self._waiting.close()
        self._bus.forget(self)

    def statistics(self) -> SubscriptionStatistics:
        """Counters since the subscription began."""
        waiting = self._waiting
        return SubscriptionStatistics(waiting.delivered, waiting.dropped, len(waiting))
