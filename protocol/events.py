"""Events as a client hands them out: by name, with their values by field, and none twice.

Must not know: messages, links, who looks at them.
"""

from collections.abc import Hashable
from typing import Any

import attrs

from protocol import limits

__all__ = ["Event", "Heard", "Message"]


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
    still brought, nor what the new one brought already. Twins of one tick come in one message.
    Remembered are the newest `limits.CLIENT_EVENTS`.
    """

    def __init__(self) -> None:
        self._told: dict[Hashable, int] = {}  # how many twins each had, the oldest first

    def begin(self) -> "Message":
        """A message is told, event by event."""
        return Message(self._told)


class Message:
    """The durable events of one message on their way in."""

    def __init__(self, told: dict[Hashable, int]) -> None:
        self._told = told
        self._twins: dict[Hashable, int] = {}

    def is_new(self, tick: int, shard: int, kind: int, values: tuple[Any, ...]) -> bool:
        """Note the next event; whether it is told for the first time."""
        event = tick, shard, kind, values
        twins = self._twins[event] = self._twins.get(event, 0) + 1
        if twins <= self._told.get(event, 0):
            return False
        self._told.pop(event, None)
        self._told[event] = twins
        if len(self._told) > limits.CLIENT_EVENTS:
            del self._told[next(iter(self._told))]
        return True
