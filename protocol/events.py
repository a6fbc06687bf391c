"""Events as a client hands them out: by name, with their values by field, and none twice.

Must not know: messages, links, who looks at them.
"""

from collections import Counter
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
    still brought, nor what the new one has brought meanwhile. The twins of one tick and shard stand
    in one message, so what counts is how often an event stood in a message at the most. Remembered
    are the newest `limits.CLIENT_EVENTS`.
    """

    def __init__(self) -> None:
        self._told: dict[Hashable, int] = {}  # how often, the oldest first
        self._here: Counter[Hashable] = Counter()  # the same in this message

    def begin(self) -> None:
        """Another message begins."""
        self._here.clear()

    def is_new(self, tick: int, shard: int, kind: int, values: tuple[Any, ...]) -> bool:
        """Note that this message tells an event; whether it is told for the first time."""
        event = tick, shard, kind, values
        self._here[event] += 1
        if self._here[event] <= self._told.get(event, 0):
            return False
        self._told.pop(event, None)
        self._told[event] = self._here[event]
        if len(self._told) > limits.CLIENT_EVENTS:
            del self._told[next(iter(self._told))]
        return True
