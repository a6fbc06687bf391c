"""Comets, a whole game in one file: `shoal demo examples.comets:game` runs it."""

from typing import Annotated

import attrs

from sim import Game, World, motion, quant, server_only

game = Game("comets", tick_hz=20, size=(2048, 1024), interest_radius=300)
Coord = Annotated[float, quant(0, 2048, step=1 / 16)]
Speed = Annotated[float, quant(-128, 127, step=1 / 4)]
Unit = Annotated[float, quant(-1, 1, step=1 / 100)]


@attrs.frozen
class Steer:  # an intent: it holds until the player sends another
    dx: Unit
    dy: Unit


@game.entity(motion=motion.Thrust(accel=120, drag=0.3, max_speed=60, steer=Steer))
@attrs.define
class Comet:  # x, y follow vx, vy
    x: Coord
    y: Coord
    vx: Speed = 0
    vy: Speed = 0
    hp: Annotated[float, quant(0, 100, step=1)] = 100
    cooldown: Annotated[float, server_only] = 0


@game.join
def join(world: World, name: str) -> Comet:
    return Comet(x=100, y=512)


@game.system  # whole columns of this shard at once
def heal(world: World) -> None:
    comets = world[Comet]
    comets.hp = (comets.hp + world.dt).clip(0, 100)
