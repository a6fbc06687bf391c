"""A shard's outgoing mail: gathered through a tick, one mail for each gateway, some held back.

What promises something durable (a session that exists, a token that is rotated) waits until the
tick's record is in the journal; the rest goes out at the end of the tick.

Must not know: why an item is sent.
"""

from collections import deque

from server.cluster.seams import Bus
from server.shard.mail import Item, Mail, gateway_subject, shard_sender

__all__ = ["Post"]


class Post:
    """Mail from one shard to gateways."""

    def __init__(self, bus: Bus, world: str, shard: int) -> None:
        self._bus = bus
        self._world = world
        self._sender = shard_sender(shard)
        self._now: dict[str, list[Item]] = {}
        self._promises: dict[str, list[Item]] = {}
        self._held: deque[tuple[int, dict[str, list[Item]]]] = deque()

    def send(self, gateway: str, item: Item) -> None:
        """Send `item` at the end of this tick."""
        self._now.setdefault(gateway, []).append(item)

    def promise(self, gateway: str, item: Item) -> None:
        """Send `item` when this tick is durable."""
        self._promises.setdefault(gateway, []).append(item)

    def flush(self, tick: int) -> None:
        """Publish what waits for the end of `tick`; hold back what it promised."""
        self._publish(self._now)
        self._now = {}
        if self._promises:
            self._held.append((tick, self._promises))
            self._promises = {}

    def durable(self, tick: int) -> None:
        """Publish the promises of all ticks up to `tick`."""
        while self._held and self._held[0][0] <= tick:
            self._publish(self._held.popleft()[1])

    def _publish(self, batches: dict[str, list[Item]]) -> None:
        for gateway, items in batches.items():
            mail = Mail(self._sender, tuple(items))
            self._bus.publish(gateway_subject(self._world, gateway), mail.encode())
