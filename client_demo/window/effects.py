"""Traces of events: shots, light won and lost, lanterns that go out, fish that were eaten.

All of them are light, added to what is there, and fade.

Must not know: clients, what is drawn under them.
"""

from typing import Final

import pygame

from client_demo.canvas import Colour, mix
from client_demo.window.camera import Camera
from client_demo.window.scene import Effect
from client_demo.window.sprites import blit_glow
from client_demo.window.text import write

__all__ = ["paint_effect"]

SHOT: Final[Colour] = (150, 205, 225)
HURT: Final[Colour] = (255, 80, 100)
GOLD: Final[Colour] = (255, 214, 64)
GHOST: Final[Colour] = (150, 170, 190)
_BLACK: Final[Colour] = (0, 0, 0)
_BEADS: Final = 13  # glows along a shot

Pixel = tuple[float, float]


def paint_effect(surface: pygame.Surface, camera: Camera, effect: Effect) -> None:
    """Paint one trace, as bright as its age leaves it."""
    start, end = camera.pixel(effect.x, effect.y), camera.pixel(effect.to_x, effect.to_y)
    left, scale = 1 - effect.age, camera.scale
    match effect.name:
        case "Aimed":
            _line(surface, start, end, mix(_BLACK, SHOT, left * 0.4), 1)
        case "Harpooned":
            for bead in range(_BEADS):
                share = bead / (_BEADS - 1)
                x, y = (a + (b - a) * share for a, b in zip(start, end, strict=True))
                blit_glow(surface, (x, y), 14 * scale, mix(_BLACK, (40, 64, 76), left))
            _line(surface, start, end, mix(_BLACK, SHOT, left), max(round(1.2 * scale), 1))
            if effect.hit:
                blit_glow(surface, end, 30 * scale * left, mix(_BLACK, HURT, left))
                _ring(surface, end, (6 + 22 * effect.age) * scale, mix(_BLACK, HURT, left))
        case "Robbed":
            if effect.gain:
                above = start[0], start[1] - (14 + 22 * effect.age) * scale
                colour, text = GOLD if effect.gain > 0 else HURT, f"{effect.gain:+.0f} light"
                write(surface, text, above, colour, size=20, align="centre", strength=left)
        case "Snuffed":
            _ring(surface, start, 90 * effect.age * scale, mix(_BLACK, GHOST, left))
        case _:
            blit_glow(surface, start, 24 * left * scale, mix(_BLACK, GOLD, left))
            _ring(surface, start, (4 + 12 * effect.age) * scale, mix(_BLACK, GOLD, left))


def _line(surface: pygame.Surface, start: Pixel, end: Pixel, colour: Colour, width: int) -> None:
    left, top = min(start[0], end[0]) - width, min(start[1], end[1]) - width
    layer = pygame.Surface(
        (abs(end[0] - start[0]) + 2 * width + 2, abs(end[1] - start[1]) + 2 * width + 2)
    )
    here, there = ((x - left, y - top) for x, y in (start, end))
    pygame.draw.aaline(layer, colour, here, there, width)
    surface.blit(layer, (left, top), special_flags=pygame.BLEND_RGB_ADD)


def _ring(surface: pygame.Surface, place: Pixel, radius: float, colour: Colour) -> None:
    size = round(radius) + 3
    layer = pygame.Surface((2 * size, 2 * size))
    pygame.draw.aacircle(layer, colour, (size, size), max(radius, 1), 2)
    corner = place[0] - size, place[1] - size
    surface.blit(layer, corner, special_flags=pygame.BLEND_RGB_ADD)
