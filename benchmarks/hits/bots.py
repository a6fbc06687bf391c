"""Divers that swim about at full speed with random turns, and shoot at whom they see.

A bot knows what a player knows: its screen. It aims beside the middle of its target, evenly spread
over the target's width and a little more, so that every part of a body is tried.

Must not know: the server, except through its client; who counts.
"""

import math
import random
from typing import Final

import attrs

from benchmarks.hits.shots import Point, Shot, met_on_screen
from protocol.playback import Shown
from server.testing import SimClient
from sim.games.lanterns import Dash, Diver, Harpoon, Steer, game
from sim.games.lanterns.harpoon import WIDTHS

__all__ = ["Arena", "Bot"]

_DIVER: Final = game.rules.kind_of[Diver].index
_TURNS_S: Final = (0.3, 1.0)
_DASHES_S: Final = (2.1, 6.0)
_SHOOTS_S: Final = (1.1, 1.4)  # the harpoon waits a second
_RANGES: Final = (20.0, 160.0)  # nearer is no art, further is beyond a harpoon's 200 soon
_ASIDE: Final = 1.2 * WIDTHS[Diver]


@attrs.frozen
class Arena:
    """Where bots stay: within `side` / 2 of the middle, or on the way back there."""

    middle: Point
    side: float

    def has(self, shown: Shown) -> bool:
        """Whether somebody is inside."""
        off = abs(shown.x - self.middle[0]), abs(shown.y - self.middle[1])
        return max(off) <= self.side / 2

    def place(self, chance: random.Random) -> Point:
        """Somewhere inside."""
        half = self.side / 2
        x, y = (middle + chance.uniform(-half, half) for middle in self.middle)
        return x, y


class Bot:
    """One player of the benchmark, asked at each frame that it draws.

    `aims_as_drawn`: as a client that does not ask `Client.origin` where its shot will begin.
    """

    def __init__(
        self, player: SimClient, arena: Arena, chance: random.Random, *, aims_as_drawn: bool = False
    ) -> None:
        self.player = player
        self._arena = arena
        self._chance = chance
        self._aims_as_drawn = aims_as_drawn
        self._turns_at = self._shoots_at = 0.0
        self._dashes_at = chance.uniform(*_DASHES_S)

    def frame(self, now: float, *, shoots: bool) -> Shot | None:
        """Draw, swim on, and shoot if it is time to and there is somebody to shoot at."""
        screen = self.player.screen()
        me = screen.get(self.player.id)
        if me is None:
            return None
        self._swim(me, now)
        return self._shoot(screen, me, now) if shoots and now >= self._shoots_at else None

    def _swim(self, me: Shown, now: float) -> None:
        if now >= self._turns_at:
            self._turns_at = now + self._chance.uniform(*_TURNS_S)
            angle = self._chance.uniform(0, 2 * math.pi)
            if not self._arena.has(me):
                x, y = self._arena.place(self._chance)
                angle = math.atan2(y - me.y, x - me.x)
            self.player.send(Steer(dx=math.cos(angle), dy=math.sin(angle)))
        if now >= self._dashes_at:
            self._dashes_at = now + self._chance.uniform(*_DASHES_S)
            self.player.send(Dash())

    def _shoot(self, screen: dict[int, Shown], me: Shown, now: float) -> Shot | None:
        at = me.x, me.y
        near = [
            entity
            for entity, shown in screen.items()
            if shown.kind == _DIVER and _RANGES[0] < math.dist(at, (shown.x, shown.y)) < _RANGES[1]
        ]
        if not near:
            return None
        self._shoots_at = now + self._chance.uniform(*_SHOOTS_S)
        meant = self._chance.choice(near)
        aim = self._beside(at, screen[meant])
        client = self.player.client
        origin = (None if self._aims_as_drawn else client.origin(now)) or at
        away = math.dist(origin, aim)
        self.player.send(Harpoon(dx=(aim[0] - origin[0]) / away, dy=(aim[1] - origin[1]) / away))
        assert client.timeline is not None, "Who sees somebody has a timeline."
        seen = met_on_screen(screen, self.player.id, aim)
        return Shot(client.timeline.shown, client.input_tick(now), meant, seen)

    def _beside(self, at: Point, target: Shown) -> Point:
        """A point beside the middle of a target, across the line of fire."""
        away = math.dist(at, (target.x, target.y))
        aside = self._chance.uniform(-_ASIDE, _ASIDE) / away
        return target.x - (target.y - at[1]) * aside, target.y + (target.x - at[0]) * aside
