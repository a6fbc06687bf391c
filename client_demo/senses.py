"""What a bot perceives and what it can do: plain values, so that brains are tested without a wire.

Must not know: clients, connections.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

__all__ = ["Act", "Brain", "Seen", "Senses"]


@attrs.frozen
class Seen:
    """One entity as it is on the bot's screen; units and units per second."""

    id: int
    kind: str
    x: float
    y: float
    vx: float = 0.0
    vy: float = 0.0
    fields: Mapping[str, float | str] = attrs.field(factory=dict)

    def number(self, name: str, otherwise: float = 0.0) -> float:
        """A field that is a number."""
        value = self.fields.get(name, otherwise)
        return float(value) if not isinstance(value, str) else otherwise


@attrs.frozen
class Senses:
    """A moment: `now` in seconds, the world's `size` in units, oneself, and the others in view."""

    now: float
    size: tuple[float, float]
    me: Seen
    others: Sequence[Seen] = ()

    def of(self, kind: str) -> list[Seen]:
        """Those of one kind."""
        return [seen for seen in self.others if seen.kind == kind]


@attrs.frozen
class Act:
    """An input to send: its kind's name and its values."""

    input: str
    values: Mapping[str, float] = attrs.field(factory=dict)


class Brain(Protocol):
    """Decides a few times a second."""

    def think(self, senses: Senses) -> list[Act]:
        """What to do now; nothing means going on as before."""
