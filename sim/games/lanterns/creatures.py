"""What lives in the sea: divers, fish, flares and the leviathan, and how they move.

What it is: the declarations alone, so that the rules in the other modules can name any creature.
"""

from typing import Annotated, Final

import attrs

from sim import Entity, ident, motion, owner_only, quant, server_only, text
from sim.games.lanterns.sea import HEIGHT, HZ, WIDTH, CoordX, CoordY, Direction, Speed, game

MOST_LIGHT: Final = 16_000.0
EMBER: Final = 10.0  # the light that a diver begins with
FLARE_STEPS: Final = 4 * HZ
SPECIES: Final = 6  # of fish

Light = Annotated[float, quant(0, MOST_LIGHT, 1 / 4, sim_step=1 / 4)]  # always in whole quarters
Wait = Annotated[int, quant(0, 255, 1)]  # steps to go


@attrs.frozen
class Steer:
    """Swim in this direction until told otherwise."""

    dx: Direction
    dy: Direction


@attrs.frozen
class Dash:
    """Three times the speed for a fifth of a second; again after two seconds."""


SWIMMING: Final = motion.Thrust(
    accel=480,
    drag=4,
    max_speed=80,
    dash=motion.Dash(factor=3, seconds=0.2, cooldown=2),
    steer=Steer,
    dash_input=Dash,
)


@game.entity(motion=SWIMMING)
@attrs.define
class Diver(Entity):
    """A player's diver. Only the player is told how long the weapons must wait."""

    x: CoordX
    y: CoordY
    vx: Speed = 0
    vy: Speed = 0
    name: Annotated[str, text(16)] = ""
    light: Light = EMBER
    harpoon_wait: Annotated[Wait, owner_only] = 0
    flare_wait: Annotated[Wait, owner_only] = 0


@game.entity(motion=motion.Free(), ghost_fields=("species",))
@attrs.define
class Fish(Entity):
    """A glowing fish."""

    x: CoordX
    y: CoordY
    vx: Speed = 0
    vy: Speed = 0
    species: Annotated[int, quant(0, SPECIES - 1, 1)] = 0


@game.entity(motion=motion.Free())
@attrs.define
class Flare(Entity):
    """A burning flare. It drifts straight ahead, so its course lasts its whole life."""

    x: CoordX
    y: CoordY
    vx: Speed
    vy: Speed
    thrower: Annotated[int, ident]
    left: Annotated[Wait, server_only] = FLARE_STEPS


@game.entity(motion=motion.Free())
@attrs.define
class Leviathan(Entity):
    """The beast, and the waypoint that it has in mind."""

    x: CoordX
    y: CoordY
    vx: Speed = 0
    vy: Speed = 0
    light: Light = 100
    goal_x: Annotated[CoordX, server_only] = WIDTH / 2
    goal_y: Annotated[CoordY, server_only] = HEIGHT / 2
