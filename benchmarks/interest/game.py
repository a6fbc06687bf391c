"""The interest workload as a game, once with courses and once with positions sent at every tick.

Must not know: servers, clients.
"""

import math
from typing import Annotated, Any, Final

import attrs
import numpy as np

from benchmarks.interest import rules
from sim import Game, World, motion, quant, server_only

__all__ = ["Crowd", "make_game"]

_ANGLES: Final = np.arange(rules.HEADINGS) * (2 * math.pi / rules.HEADINGS)
_VX: Final = rules.SPEED * np.cos(_ANGLES)
_VY: Final = rules.SPEED * np.sin(_ANGLES)
_HALF: Final = rules.HEADINGS // 2
_REST: Final = rules.HEADINGS - 1  # of a crowd
_SIDE_MAX: Final = 65535 * rules.QUANTUM

Heading = Annotated[float, quant(0, rules.HEADINGS - 1, step=1)]
Coord = Annotated[float, quant(0, _SIDE_MAX, step=rules.QUANTUM)]
Speed = Annotated[float, quant(-8, 8, step=rules.QUANTUM)]
Flag = Annotated[float, server_only]


@attrs.define
class Crowd:
    """Everybody walks in the world's middle cell, until they stand `still`."""

    still: bool = False


def make_game(
    *, side: float, roamers: int, courses: bool = True, crowd: Crowd | None = None
) -> Game:
    """The game in a world of `side` units with `roamers` roamers; players come by joining.

    Without `courses` positions are plain fields, which are sent whenever they change.
    """
    low, high = (0.0, side) if crowd is None else _middle(side)
    if side > _SIDE_MAX:
        raise ValueError(f"a world of {side:.0f} units is too large for positions of 16 bits")
    game = Game(
        "interest",
        size=(side, side),
        tick_hz=rules.HZ,
        cell=rules.CELL,
        interest_radius=rules.CELL,
        history_s=0.0,
    )

    @attrs.frozen
    class Turn:
        heading: Heading

    heading_motion = motion.Heading(speed=rules.SPEED, still=crowd is not None)

    @game.entity(motion=heading_motion if courses else None)
    @attrs.define
    class Walker:
        x: Coord
        y: Coord
        vx: Speed if courses else Flag = 0  # type: ignore[valid-type]
        vy: Speed if courses else Flag = 0  # type: ignore[valid-type]
        heading: Heading = 0
        hp: Annotated[float, quant(0, 100, step=1)] = 100
        roams: Flag = 0

    def walker(world: World, salt: int, *, roams: bool) -> Any:
        x, y, heading = (
            world.rng.uniform(salt, name) for name in ("place.x", "place.y", "place.heading")
        )
        whole = float(int(heading * rules.HEADINGS))
        x, y = (low + place * (high - low) for place in (x, y))
        return Walker(x=x, y=y, heading=whole, roams=float(roams))

    @game.setup
    def fill(world: World) -> None:
        for number in range(roamers):
            world.spawn(walker(world, number + 1, roams=True))

    @game.join
    def join(world: World, name: str) -> Any:
        return walker(world, (1 << 32) + int(name or 0), roams=False)

    @game.on_input(Turn, once=True)
    def turn(_: World, me: Walker, command: Turn) -> None:
        me.heading = command.heading

    _declare_systems(game, Walker, bounds=(low, high), courses=courses, pace=crowd or Crowd())
    return game


def _declare_systems(
    game: Game, walker: Any, *, bounds: tuple[float, float], courses: bool, pace: Crowd
) -> None:
    @game.system
    def walk(world: World) -> None:
        walkers = world[walker]
        ids, heading = walkers.id, walkers.heading
        if pace.still:
            heading[:] = _REST
            return
        chance = world.rng.uniform(ids, "turn")
        turned = (walkers.roams > 0) & (chance < rules.ROAMER_TURNS_HZ / rules.HZ)
        some = turned.nonzero()[0]
        heading[some] = world.rng.integers(ids[some], "heading", 0, rules.HEADINGS)
        _turn_back(heading, walkers.x, walkers.y, *bounds)
        if not courses:
            _go(walkers)

    @game.system
    def hurt(world: World) -> None:
        walkers = world[walker]
        ids = walkers.id
        some = (world.rng.uniform(ids, "hurt") < rules.HP_RATE).nonzero()[0]
        if len(some) and not pace.still:
            walkers.hp[some] = world.rng.integers(ids[some], "hp", 0, 100)


def _go(walkers: Any) -> None:
    """A tick's way, for walkers without courses."""
    index = walkers.heading.astype(np.int64)
    walkers.x = np.clip(walkers.x + _VX[index] / rules.HZ, 0, _SIDE_MAX)
    walkers.y = np.clip(walkers.y + _VY[index] / rules.HZ, 0, _SIDE_MAX)


def _middle(side: float) -> tuple[float, float]:
    """Where the middle cell begins and ends, along either axis; with some room to turn back in."""
    first = side // rules.CELL // 2 * rules.CELL
    return first + 1.0, first + rules.CELL - 1.0


def _turn_back(heading: Any, x: Any, y: Any, low: float, high: float) -> None:
    """Mirror the headings of those who would leave the world, or their cell, within a tick."""
    index = heading.astype(np.int64)
    reach = rules.SPEED / rules.HZ
    for position, speed, mirror in ((x, _VX, _HALF), (y, _VY, rules.HEADINGS)):
        pace = speed[index]
        out = (position < low + reach) & (pace < 0)
        out |= (position > high - reach) & (pace > 0)
        some = out.nonzero()[0]
        if len(some):
            heading[some] = (mirror - index[some]) % rules.HEADINGS
            index = heading.astype(np.int64)
