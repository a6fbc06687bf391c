"""Mail to the shards: batched by shard, sent at most once per poll.

Must not know: what the items mean.
"""

from collections.abc import Callable, Iterable

from server.gateway import limits
from server.shard.mail import Item, Mail, inbox_subject, resume_subject

__all__ = ["Post", "Publish"]

Publish = Callable[[str, bytes], None]


class Post:
    """What one gateway sends to the shards of one world."""

    def __init__(self, publish: Publish, world: str, sender: str) -> None:
        self._publish = publish
        self._world = world
        self._sender = sender
        self._batches: dict[int, list[Item]] = {}
        self._heard_at: dict[int, float] = {}

    def add(self, shard: int, item: Item) -> None:
        """Send `item` to `shard` with the next `flush`."""
        self._batches.setdefault(shard, []).append(item)

    def ask_all(self, item: Item) -> None:
        """Send `item` to every shard now."""
        self._publish(resume_subject(self._world), Mail(self._sender, (item,)).encode())

    def flush(self, shards: Iterable[int], now: float) -> None:
        """Send what has gathered, and a sign of life to those of `shards` that need one."""
        for shard in shards:
            if now - self._heard_at.get(shard, -limits.HEARTBEAT_S) >= limits.HEARTBEAT_S:
                self._batches.setdefault(shard, [])
        batches, self._batches = self._batches, {}  # what answers at once may add to them
        for shard, items in batches.items():
            mail = Mail(self._sender, tuple(items))
            self._publish(inbox_subject(self._world, shard), mail.encode())
            self._heard_at[shard] = now
