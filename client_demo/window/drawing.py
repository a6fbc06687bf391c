"""How the sea looks: creatures with their lights and trails, and who is painted over whom.

Colours are those of the map in the terminal (`client_demo/looks.py`); a kind that nobody thought of
is a plain disc.

Must not know: connections, keys.
"""

import math
from collections.abc import Iterator
from typing import Final

import pygame

from client_demo.canvas import Colour, mix
from client_demo.looks import look_of
from client_demo.window.camera import Camera
from client_demo.window.effects import paint_effect
from client_demo.window.scene import Scene, Trail
from client_demo.window.sprites import DIRECTIONS, blit_disc, blit_fish, blit_glow
from client_demo.window.text import write
from client_demo.window.water import Light, Water
from protocol.playback import Shown

__all__ = ["AVATAR", "Painter"]

AVATAR: Final[Colour] = (255, 250, 232)  # the own diver; nothing else has this colour
DIVER: Final[Colour] = (255, 214, 140)
NAME: Final[Colour] = (176, 168, 146)
SUIT: Final[Colour] = (88, 100, 104)
GLOW: Final[Colour] = (255, 196, 112)
SKIN: Final[Colour] = (44, 8, 26)
FLESH: Final[Colour] = (84, 16, 42)

_WAKE_S: Final = 0.6
_WAKE_SPEED: Final = 12.0  # units per second; who is slower leaves none
WAKE: Final = tuple(mix((0, 0, 0), (120, 92, 52), step / 8) for step in range(9))
_BODY_POINTS: Final = 24  # of the leviathan
_BODY_GAP: Final = 6.0  # units


class Painter:
    """Paints scenes onto surfaces of any size."""

    def __init__(self) -> None:
        self._water = Water()

    def paint(self, surface: pygame.Surface, scene: Scene, camera: Camera, now: float) -> None:
        """Cover the whole surface."""
        schema = scene.client.schema
        size = schema.size if schema is not None else (0.0, 0.0)
        self._water.paint(surface, camera, size, _lights(scene), now)
        for entity, shown in scene.shown.items():
            if camera.shows(shown.x, shown.y, 150):
                self._creature(surface, scene, camera, entity, shown, now)
        for effect in scene.effects(now):
            paint_effect(surface, camera, effect)
        if (me := scene.me) is not None:  # on top of everything
            blit_disc(surface, camera.pixel(me.x, me.y), 4.2 * camera.scale, AVATAR)

    def _creature(
        self,
        surface: pygame.Surface,
        scene: Scene,
        camera: Camera,
        entity: int,
        shown: Shown,
        now: float,
    ) -> None:
        place, name = camera.pixel(shown.x, shown.y), scene.kind(shown)
        match name:
            case "Fish":
                _fish(surface, camera, shown)
            case "Flare":
                flicker = 1 + 0.15 * math.sin(now * 31 + entity)
                blit_glow(surface, place, 26 * camera.scale * flicker, (255, 120, 40))
                blit_disc(surface, place, 2.5 * camera.scale, (255, 246, 222))
            case "Leviathan":
                _leviathan(surface, camera, shown, scene.trails.get(entity))
            case _:
                _diver(surface, scene, camera, entity, shown)


def _lights(scene: Scene) -> Iterator[Light]:
    for shown in scene.shown.values():
        match scene.kind(shown):
            case "Fish":
                continue
            case "Flare":
                yield Light(shown.x, shown.y, 130, (150, 86, 44))
            case "Leviathan":
                yield Light(shown.x, shown.y, 120, (120, 24, 52))
            case _:
                yield Light(shown.x, shown.y, scene.lantern(shown), (190, 164, 114))


def _fish(surface: pygame.Surface, camera: Camera, shown: Shown) -> None:
    look = look_of("Fish", 0, steered=False)
    colour = look.inks[int(shown.fields.get("species", 0)) % len(look.inks)]
    place, scale = camera.pixel(shown.x, shown.y), camera.scale
    blit_glow(surface, place, 9 * scale, mix(colour, (0, 0, 0), 0.62))
    turn = math.atan2(shown.vy, shown.vx) / (2 * math.pi) * DIRECTIONS
    blit_fish(surface, place, 8 * scale, colour, round(turn))


def _diver(
    surface: pygame.Surface, scene: Scene, camera: Camera, entity: int, shown: Shown
) -> None:
    """A lantern with somebody behind it; everybody that players steer looks like that."""
    place, scale = camera.pixel(shown.x, shown.y), camera.scale
    _wake(surface, camera, scene.trails.get(entity), shown)
    bright = min(float(shown.fields.get("light", 40.0)), 400.0) / 400
    blit_glow(surface, place, (18 + 16 * bright) * scale, GLOW)
    mine = entity == scene.client.entity
    angle = math.atan2(shown.vy, shown.vx)
    behind = shown.x - 4 * math.cos(angle), shown.y - 4 * math.sin(angle)
    turn = round(angle / (2 * math.pi) * DIRECTIONS)
    blit_fish(surface, camera.pixel(*behind), 18 * scale, SUIT, turn)
    blit_disc(surface, place, 4.2 * scale, AVATAR if mine else DIVER)
    name = str(shown.fields.get("name", ""))
    write(surface, name, (place[0], place[1] + 9 * scale), NAME, size=16, align="centre")


def _wake(surface: pygame.Surface, camera: Camera, trail: Trail | None, shown: Shown) -> None:
    """Where it swam during the last half second, fading."""
    if not trail or math.hypot(shown.vx, shown.vy) < _WAKE_SPEED:
        return
    newest = trail[-1][0]
    for time, x, y in trail:
        left = 1 - (newest - time) / _WAKE_S
        if left > 0:
            colour = WAKE[int(left * (len(WAKE) - 1))]
            blit_glow(surface, camera.pixel(x, y), 4.5 * camera.scale * left, colour)


def _leviathan(surface: pygame.Surface, camera: Camera, shown: Shown, trail: Trail | None) -> None:
    """A serpent: its body lies where its head has been."""
    scale = camera.scale
    spine = [camera.pixel(x, y) for x, y in _spine(trail or (), shown)]
    thick = [20 * scale * (1 - number / _BODY_POINTS) ** 0.8 for number in range(_BODY_POINTS)]
    for place, radius in zip(spine[::-2], thick[::-2], strict=True):
        blit_glow(surface, place, radius * 1.7, (60, 6, 24))
    for share, colour in ((1.0, SKIN), (0.72, FLESH)):  # its back is lit
        for place, radius in zip(spine[::-1], thick[::-1], strict=True):
            blit_disc(surface, place, radius * share, colour)
    for place, radius in zip(spine[-2::-3], thick[-2::-3], strict=True):
        blit_glow(surface, place, radius * 0.7, (190, 30, 60))
    angle = math.atan2(shown.vy, shown.vx)
    for side in (-0.55, 0.55):
        x, y = (15 * way(angle + side) for way in (math.cos, math.sin))
        eye = camera.pixel(shown.x + x, shown.y + y)
        blit_glow(surface, eye, 9 * scale, (255, 70, 60))
        blit_disc(surface, eye, 1.6 * scale, (255, 226, 170))


def _spine(trail: "Trail | tuple[()]", shown: Shown) -> list[tuple[float, float]]:
    """Points at equal distances from the head backwards; where it was not seen, straight on."""
    points = [(shown.x, shown.y)]
    for _, x, y in reversed(trail):
        away = math.dist(points[-1], (x, y))
        if away >= _BODY_GAP:
            last = points[-1]
            share = _BODY_GAP / away
            points.append((last[0] + (x - last[0]) * share, last[1] + (y - last[1]) * share))
    speed = math.hypot(shown.vx, shown.vy) or 1.0
    back = (-shown.vx / speed, -shown.vy / speed)
    if len(points) > 1:
        back = (
            (points[-1][0] - points[-2][0]) / _BODY_GAP,
            (points[-1][1] - points[-2][1]) / _BODY_GAP,
        )
    while len(points) < _BODY_POINTS:
        x, y = points[-1]
        points.append((x + back[0] * _BODY_GAP, y + back[1] * _BODY_GAP))
    return points[:_BODY_POINTS]
