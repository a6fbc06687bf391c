"""The camera: which place of the world is where on the screen.

It follows the own avatar softly, so that an avatar that sets out is seen to move at once, before
the water around it does.

Must not know: pygame, clients.
"""

import math
from typing import Final

__all__ = ["Camera"]

SIGHT_WIDE: Final = 3.0  # a window shows so many times the sight from side to side, at most,
SIGHT_HIGH: Final = 1.9  # and so many from top to bottom
SHORE: Final = 20.0  # units that it shows beyond the world's edge
_FOLLOW_S: Final = 0.18  # in which it makes up for all but 1/e of what it lags behind
_ZOOM_S: Final = 0.6


class Camera:
    """A window of `width` x `height` pixels onto the world; `x`, `y` is the place in its middle.

    `scale`: pixels per unit.
    """

    def __init__(self) -> None:
        self.x = self.y = 0.0
        self.width = self.height = 1
        self.scale = 1.0
        self._sight = 0.0
        self._placed = False

    def resize(self, width: int, height: int) -> None:
        """The window has another size; the place in its middle stays there."""
        self.width, self.height = width, height
        self._scale()

    def see(self, sight: float, elapsed_s: float) -> None:
        """Come closer, or go further away, so that it shows what can be seen within `sight`."""
        share = _share(elapsed_s, _ZOOM_S) if self._sight else 1.0
        self._sight += (sight - self._sight) * share
        self._scale()

    def follow(
        self, x: float, y: float, elapsed_s: float, *, jump: float, world: tuple[float, float]
    ) -> None:
        """Go after a place, as far as that shows no more than the shore of the `world`.

        Everything is in units. Beyond `jump` it does not go but is there.
        """
        x = _within(x, self.width / self.scale, world[0])
        y = _within(y, self.height / self.scale, world[1])
        far = math.hypot(x - self.x, y - self.y) > jump
        share = _share(elapsed_s, _FOLLOW_S) if self._placed and not far else 1.0
        self._placed = True
        self.x += (x - self.x) * share
        self.y += (y - self.y) * share

    def _scale(self) -> None:
        sight = self._sight or 1.0
        self.scale = max(self.width / (SIGHT_WIDE * sight), self.height / (SIGHT_HIGH * sight))

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Where a place of the world is on the screen, with fractions of pixels."""
        return (
            (x - self.x) * self.scale + self.width / 2,
            (y - self.y) * self.scale + self.height / 2,
        )

    def shows(self, x: float, y: float, reach: float) -> bool:
        """Whether anything within `reach` units of a place may be on the screen."""
        return (
            abs(x - self.x) * self.scale <= self.width / 2 + reach * self.scale
            and abs(y - self.y) * self.scale <= self.height / 2 + reach * self.scale
        )


def _share(elapsed_s: float, time_s: float) -> float:
    return 1 - math.exp(-elapsed_s / time_s)


def _within(at: float, view: float, world: float) -> float:
    """The nearest middle of a view that lies in the world; the world's middle if none does."""
    least = view / 2 - SHORE
    return world / 2 if least >= world / 2 else min(max(at, least), world - least)
