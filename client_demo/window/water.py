"""The water: dark, with drifting motes, and lit by all that glows in it.

Light is gathered on a small surface and multiplied into the water, so that it ends softly.

Must not know: clients, what the lights belong to.
"""

from collections.abc import Iterable
from typing import Final

import attrs
import numpy as np
import pygame

from client_demo.canvas import Colour
from client_demo.window.camera import Camera
from client_demo.window.sprites import blit_glow

__all__ = ["Light", "Water"]

ABYSS: Final[Colour] = (2, 4, 9)  # beyond the world's edge
EDGE: Final[Colour] = (40, 62, 84)
_DARK: Final[Colour] = (58, 66, 84)  # of 255: what light there is everywhere
_COARSE: Final = 4  # pixels of the window to one of the light
_TILE: Final = 512  # pixels after which the water looks the same again
_MOTES: Final = 160
_DRIFT: Final = (5.0, -3.0)  # pixels per second of the waves


@attrs.frozen
class Light:
    """A light in the water: place and radius in units."""

    x: float
    y: float
    radius: float
    colour: Colour


class Water:
    """Paints the background; keeps its textures."""

    def __init__(self) -> None:
        chance = np.random.default_rng(7)
        self._bed = _texture((40, 80, 108), (12, 24, 26), chance, motes=_MOTES)
        self._waves = _texture((6, 12, 14), (6, 12, 14), chance, motes=0)
        self._light = pygame.Surface((1, 1))
        self._smooth = pygame.Surface((1, 1))

    def paint(
        self,
        surface: pygame.Surface,
        camera: Camera,
        world: tuple[float, float],
        lights: Iterable[Light],
        now: float,
    ) -> None:
        """Cover the whole surface with a `world` of so many units."""
        surface.fill(ABYSS)
        left, top = (round(at) for at in camera.pixel(0, 0))
        right, bottom = (round(at) for at in camera.pixel(*world))
        sea = pygame.Rect(left, top, right - left, bottom - top)
        surface.set_clip(sea)
        _cover(surface, self._bed, left, top)
        drift = round(now * _DRIFT[0]), round(now * _DRIFT[1])
        _cover(surface, self._waves, left + drift[0], top + drift[1], pygame.BLEND_RGB_ADD)
        surface.set_clip(None)
        self._shine(surface, camera, lights)
        pygame.draw.rect(surface, EDGE, sea.inflate(4, 4), 2)

    def _shine(self, surface: pygame.Surface, camera: Camera, lights: Iterable[Light]) -> None:
        size = surface.get_size()
        if self._smooth.get_size() != size:
            self._smooth = pygame.Surface(size)
            self._light = pygame.Surface((size[0] // _COARSE + 1, size[1] // _COARSE + 1))
        self._light.fill((0, 0, 0))
        for light in lights:
            if camera.shows(light.x, light.y, light.radius):
                x, y = camera.pixel(light.x, light.y)
                radius = light.radius * camera.scale / _COARSE
                place = x / _COARSE, y / _COARSE
                # The brightest counts: a sum would soon be white, and white light shows blue water.
                blit_glow(self._light, place, radius, light.colour, pygame.BLEND_RGB_MAX)
        self._light.fill(_DARK, special_flags=pygame.BLEND_RGB_ADD)
        pygame.transform.smoothscale(self._light, size, self._smooth)
        surface.blit(self._smooth, (0, 0), special_flags=pygame.BLEND_RGB_MULT)


def _cover(surface: pygame.Surface, tile: pygame.Surface, x: int, y: int, flags: int = 0) -> None:
    """Lay tiles over the whole surface, one of them with its corner at (x, y)."""
    width, height = surface.get_size()
    for left in range(x % _TILE - _TILE, width, _TILE):
        for top in range(y % _TILE - _TILE, height, _TILE):
            surface.blit(tile, (left, top), special_flags=flags)


def _texture(
    base: Colour, swing: Colour, chance: np.random.Generator, *, motes: int
) -> pygame.Surface:
    """A tile of soft clouds around a colour, with bright specks in it; its edges fit each other."""
    at = np.arange(_TILE) * (2 * np.pi / _TILE)
    clouds = np.zeros((_TILE, _TILE))
    for _ in range(14):
        across, down = chance.integers(-4, 5, 2)
        clouds += np.sin(across * at[:, None] + down * at[None, :] + chance.uniform(0, 2 * np.pi))
    clouds /= np.abs(clouds).max()
    pixels = np.array(base) + clouds[:, :, None] * np.array(swing)
    for x, y in chance.integers(0, _TILE, (motes, 2)):
        pixels[x, y] += chance.uniform(30, 130)
    pixels += chance.random(pixels.shape)  # breaks up the steps between levels
    return pygame.surfarray.make_surface(np.clip(pixels, 0, 255).astype(np.uint8)).convert()
