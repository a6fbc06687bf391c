"""Words on a surface, rendered once and kept.

Must not know: what the words say.
"""

from functools import lru_cache
from typing import Final, Literal

import pygame

from client_demo.canvas import Colour

__all__ = ["line_height", "plain", "write"]

_KEPT: Final = 512
_FONT_BYTES_MAX: Final = 200  # a longer text is cut


def plain(text: str) -> str:
    """What can be shown of a text that anybody may have chosen."""
    return "".join(c for c in text[:_FONT_BYTES_MAX] if c.isprintable() and ord(c) < 0x10000)


def write(
    surface: pygame.Surface,
    text: str,
    place: tuple[float, float],
    colour: Colour,
    *,
    size: int = 17,
    align: Literal["left", "centre", "right"] = "left",
    strength: float = 1.0,
) -> pygame.Rect:
    """Write one line with its top at `place`, seen through as `strength` falls from 1 to 0."""
    picture = _render(text, size, colour)
    share = {"left": 0.0, "centre": 0.5, "right": 1.0}[align]
    left = round(place[0] - picture.get_width() * share)
    if strength < 1:
        picture = picture.copy()
        picture.set_alpha(round(255 * max(strength, 0.0)))
    return surface.blit(picture, (left, round(place[1])))


def line_height(size: int = 17) -> int:
    """Pixels from line to line."""
    return _font(2 * size).get_linesize() // 2 + 3


@lru_cache(_KEPT)
def _render(text: str, size: int, colour: Colour) -> pygame.Surface:
    large = _font(2 * size).render(plain(text) or " ", True, colour)  # noqa: FBT003 - smooth
    return pygame.transform.smoothscale_by(large, 0.5)  # letters stand evenly


@lru_cache(8)
def _font(size: int) -> pygame.font.Font:
    return pygame.font.Font(None, size)
