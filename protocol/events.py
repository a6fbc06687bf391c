"""Events as a client hands them out: by name, with their values by field, and none twice.

Must not know: messages, links, who looks at them.
"""

from collections.abc import Hashable
from typing import Any

import attrs

from protocol import limits

__all__ = ["Event", "Heard"]


@attrs.frozen
class Event:
    """A one-off fact: what happened, at which tick, in which shard, values by field."""

    name: str
    tick: int
    shard: int
    values: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "values")[name]
        except KeyError:
            raise AttributeError(name) from None


class Heard:
    """The durable events that a client was told, so that it hands out none of them twice.

    A server tells them again to a player who comes back, since it cannot know what the lost link
    still brought. Remembered are the newest `limits.CLIENT_EVENTS`.
    """

    def __init__(self) -> None:
        self._told: dict[Hashable, int] = {}  # how often, the oldest first
        self._repeats: dict[Hashable, int] = {}  # how often each may still come again

    def came_back(self) -> None:
        """Another link: whatever was told may be told again."""
        self._repeats = dict(self._told)

    def is_new(self, tick: int, shard: int, kind: int, values: tuple[Any, ...]) -> bool:
        """Note that an event is told; whether it is told for the first time."""
        event = tick, shard, kind, values
        if self._repeats.get(event, 0):
            self._repeats[event] -= 1
            return False
        self._told[event] = self._told.pop(event, 0) + 1
        if len(self._told) > limits.CLIENT_EVENTS:
            del self._told[next(iter(self._told))]
        return True
