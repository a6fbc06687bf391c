"""Small pictures that are made once and kept: glows, discs, fish.

A disc is made for each quarter of a pixel that it may lie beside the raster, so that what moves
slowly moves evenly.

Must not know: the world, clients.
"""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pygame

from client_demo.canvas import Colour

__all__ = ["DIRECTIONS", "blit_disc", "blit_fish", "blit_glow", "glow"]

DIRECTIONS: Final = 32  # in which a fish may look
_PARTS: Final = 4  # of a pixel
Floats = npt.NDArray[np.float64]
_KEPT: Final = 4096  # pictures of a kind; the oldest is made anew when it is needed


@lru_cache(_KEPT)
def glow(radius: int, colour: Colour) -> pygame.Surface:
    """Light that fades to nothing at `radius` pixels; to be added to what is there."""
    at = np.arange(-radius, radius) + 0.5
    away = np.sqrt(at[:, None] ** 2 + at[None, :] ** 2) / radius
    light = (np.maximum(1 - away, 0) ** 2)[:, :, None] * np.array(colour, np.float64)
    return pygame.surfarray.make_surface(light.astype(np.uint8)).convert()


def blit_glow(
    surface: pygame.Surface,
    place: tuple[float, float],
    radius: float,
    colour: Colour,
    blending: int = pygame.BLEND_RGB_ADD,
) -> None:
    """Put light around a pixel: added to what is there, or as `blending` says."""
    size = max(round(radius), 1)
    corner = round(place[0]) - size, round(place[1]) - size
    surface.blit(glow(size, colour), corner, special_flags=blending)


def blit_disc(
    surface: pygame.Surface, place: tuple[float, float], radius: float, colour: Colour
) -> None:
    """Paint a disc with a smooth edge, to a quarter of a pixel."""
    x, y, part_x, part_y = _split(place)
    picture = _disc(round(radius * 4) / 4, colour, part_x, part_y)
    surface.blit(picture, (x - picture.get_width() // 2, y - picture.get_height() // 2))


def blit_fish(
    surface: pygame.Surface,
    place: tuple[float, float],
    length: float,
    colour: Colour,
    direction: int,
) -> None:
    """Paint a fish that looks into one of the `DIRECTIONS`, counted from the right, clockwise."""
    x, y, part_x, part_y = _split(place)
    picture = _fish(round(length), colour, direction % DIRECTIONS, part_x, part_y)
    surface.blit(picture, (x - picture.get_width() // 2, y - picture.get_height() // 2))


def _split(place: tuple[float, float]) -> tuple[int, int, int, int]:
    """Whole pixels, and the quarters beyond them."""
    x, part_x = divmod(round(place[0] * _PARTS), _PARTS)
    y, part_y = divmod(round(place[1] * _PARTS), _PARTS)
    return x, y, part_x, part_y


@lru_cache(_KEPT)
def _disc(radius: float, colour: Colour, part_x: int, part_y: int) -> pygame.Surface:
    x, y = _raster(int(radius) + 2, part_x, part_y)
    return _stamp(radius + 0.5 - np.sqrt(x**2 + y**2), colour)


@lru_cache(_KEPT)
def _fish(length: int, colour: Colour, direction: int, part_x: int, part_y: int) -> pygame.Surface:
    """A drop: round before, thin behind."""
    x, y = _raster(length // 2 + 2, part_x, part_y)
    angle = direction * 2 * np.pi / DIRECTIONS
    along = x * np.cos(angle) + y * np.sin(angle)
    aside = np.abs(y * np.cos(angle) - x * np.sin(angle))
    half = length / 2
    share = np.clip((along + half) / length, 0, 1)  # from the tail to the nose
    width = 0.42 * half * np.sqrt(share) * np.sqrt(np.maximum(1 - share**4, 0)) + 0.4
    inside = np.minimum(width - aside, half + 0.5 - np.abs(along))
    return _stamp(inside + 0.5, colour)


def _raster(reach: int, part_x: int, part_y: int) -> tuple[Floats, Floats]:
    """How far each pixel is from the middle, which lies some quarters of a pixel off."""
    at = np.arange(-reach, reach + 1, dtype=np.float64)
    return (at - part_x / _PARTS)[:, None], (at - part_y / _PARTS)[None, :]


def _stamp(coverage: Floats, colour: Colour) -> pygame.Surface:
    """A picture in one colour, as opaque as `coverage` says, 0 to 1."""
    picture = pygame.Surface(coverage.shape, pygame.SRCALPHA)
    picture.fill((*colour, 0))
    alpha = pygame.surfarray.pixels_alpha(picture)
    alpha[:] = (np.clip(coverage, 0, 1) * 255).astype(np.uint8)
    del alpha  # it locks the picture
    return picture
