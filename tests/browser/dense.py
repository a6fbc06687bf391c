"""A pond in which everybody sees everybody: more bodies than Lanterns shows at once.

Its kinds are named like those of Lanterns, so the page draws them as it draws those.
"""

from typing import Annotated

import attrs
import numpy as np

from sim import Entity, Game, World, motion, quant, text
from sim.math import cos, sin

SIDE = 640.0
FISH = 320

game = Game("dense", tick_hz=20, size=(SIDE, SIDE), cell=64, interest_radius=1000)
Coord = Annotated[float, quant(0, SIDE, 1 / 16)]
Speed = Annotated[float, quant(-128, 127.75, 1 / 4, sim_step=1 / 64)]
Unit = Annotated[float, quant(-1, 1, 1 / 128)]


@attrs.frozen
class Steer:
    dx: Unit
    dy: Unit


@game.entity(motion=motion.Thrust(accel=360, drag=3, max_speed=80, steer=Steer))
@attrs.define
class Diver(Entity):
    x: Coord
    y: Coord
    vx: Speed = 0
    vy: Speed = 0
    name: Annotated[str, text(16)] = ""
    light: Annotated[float, quant(0, 1000, 1 / 4)] = 100


@game.entity(motion=motion.Free())
@attrs.define
class Fish(Entity):
    x: Coord
    y: Coord
    vx: Speed = 0
    vy: Speed = 0
    species: Annotated[int, quant(0, 5, 1)] = 0


@game.join
def join(world: World, name: str) -> Diver:
    return Diver(x=SIDE / 2, y=SIDE / 2, name=name)


@game.setup
def stock(world: World) -> None:
    for number in range(FISH):
        x, y = 40 + 35.0 * (number % 16), 40 + 28.0 * (number // 16)
        world.spawn(Fish(x=x, y=y, species=number % 6))


@game.system
def swim(world: World) -> None:
    """Twice a second, a part of them turns: all swim in circles."""
    fish = world[Fish]
    due = np.flatnonzero((fish.id + np.uint64(world.step)) % np.uint64(10) == 0)
    way = (fish.id[due] % np.uint64(16)).astype(np.float64) + world.step * 0.04
    fish.vx[due] = 30 * cos(way)
    fish.vy[due] = 30 * sin(way)
