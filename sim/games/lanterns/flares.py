"""Flares: slow lights that divers throw. Fish gather around them, and the leviathan turns to look.

Everybody whose lantern reaches the flare sees it, so it shows what swims in the dark beside it.
"""

from typing import Final

import attrs

from sim import World
from sim.games.lanterns.creatures import Diver, Flare
from sim.games.lanterns.sea import HZ, Direction, aimed, game

COST: Final = 1.0  # light of its thrower, which the flare burns
DRIFT: Final = 40.0  # units per second
WAIT_STEPS: Final = 6 * HZ


@attrs.frozen
class ThrowFlare:
    """Throw a flare in this direction."""

    dx: Direction
    dy: Direction


@game.on_input(ThrowFlare, once=True)
def throw(world: World, me: Diver, aim: ThrowFlare) -> None:
    """A diver with light to spare throws a flare."""
    if me.flare_wait > 0 or me.light <= COST:
        return
    me.light -= COST
    me.flare_wait = WAIT_STEPS
    dx, dy = aimed(aim.dx, aim.dy)
    world.spawn(Flare(x=me.x, y=me.y, vx=dx * DRIFT, vy=dy * DRIFT, thrower=me.id))


@game.system
def burn_down(world: World) -> None:
    """A flare lights the sea for four seconds."""
    flares = world[Flare]
    flares.left = flares.left - 1
    flares.destroy(flares.left <= 0)
