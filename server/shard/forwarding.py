"""Where entities went that this shard owned: a bounded memory, for what is still sent to them.

Must not know: what is forwarded.
"""

from collections import OrderedDict
from collections.abc import Container

from server.shard import limits

__all__ = ["Forwarding"]


class Forwarding:
    """The shard that each departed entity was handed to; the oldest entry is forgotten first."""

    def __init__(self, bound: int = limits.FORWARDING_ENTRIES) -> None:
        self._bound = bound
        self._went: OrderedDict[int, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._went)

    def went(self, entity: int, to: int) -> None:
        """Note that `entity` was handed to shard `to`."""
        self._went.pop(entity, None)
        self._went[entity] = to
        if len(self._went) > self._bound:
            self._went.popitem(last=False)

    def came(self, entity: int) -> None:
        """Note that `entity` is here (again)."""
        self._went.pop(entity, None)

    def came_among(self, here: Container[int]) -> None:
        """Note that those of the entities that are `here` came back."""
        for entity in [entity for entity in self._went if entity in here]:
            self.came(entity)

    def to_data(self) -> list[list[int]]:
        """Plain data for a checkpoint, oldest first."""
        return [[entity, to] for entity, to in self._went.items()]

    def load(self, data: list[list[int]]) -> None:
        """Be as `to_data` described."""
        self._went = OrderedDict((entity, to) for entity, to in data)

    def where(self, entity: int) -> int | None:
        """The shard that `entity` was handed to, as far as it is remembered."""
        return self._went.get(entity)
