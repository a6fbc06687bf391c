"""Steering: directions, and an input that is sent only when the direction has changed.

Must not know: games, chance.
"""

import math
from typing import Final

from client_demo.senses import Act, Seen

__all__ = ["Heading", "direction", "distance"]

_SAME_COSINE: Final = math.cos(math.radians(6))  # a smaller turn is not worth an input


def distance(me: Seen, x: float, y: float) -> float:
    """How far away a place is."""
    return math.hypot(x - me.x, y - me.y)


def direction(dx: float, dy: float) -> tuple[float, float]:
    """The vector of length 1; the zero vector stays zero."""
    length = math.hypot(dx, dy)
    return (dx / length, dy / length) if length > 0 else (0.0, 0.0)


class Heading:
    """A held intent with fields dx and dy: it holds until replaced, so repeating it is waste."""

    def __init__(self, steer: str) -> None:
        self._steer = steer
        self._last = (0.0, 0.0)

    def towards(self, me: Seen, x: float, y: float) -> list[Act]:
        """Swim to a place."""
        return self.along(*direction(x - me.x, y - me.y))

    def along(self, dx: float, dy: float) -> list[Act]:
        """Swim in a direction of length 1, or 0 to stop."""
        last_x, last_y = self._last
        same = dx * last_x + dy * last_y >= _SAME_COSINE
        if same or (dx, dy) == self._last:
            return []
        self._last = dx, dy
        return [Act(self._steer, {"dx": dx, "dy": dy})]
