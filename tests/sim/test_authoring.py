"""The authoring API is as short as it was promised to be: this game is the design's own sample."""

from typing import Annotated

import attrs

from sim import Game, World, motion, quant, server_only
from sim.engine import TickInput

game = Game("comets", tick_hz=20, size=(2048, 1024), interest_radius=300)
Coord = Annotated[float, quant(0, 2048, step=1 / 16)]
Speed = Annotated[float, quant(-128, 127, step=1 / 4)]


@game.entity(motion=motion.Thrust(accel=120, drag=0.3, max_speed=60))
@attrs.define
class Comet:
    x: Coord
    y: Coord
    vx: Speed = 0
    vy: Speed = 0
    hp: Annotated[float, quant(0, 100, 1)] = 100
    cooldown: Annotated[float, server_only] = 0


@attrs.frozen
class Steer:
    dx: Annotated[float, quant(-1, 1, 1 / 100)]
    dy: Annotated[float, quant(-1, 1, 1 / 100)]


@game.join
def join(world: World, name: str) -> Comet:
    return Comet(x=100, y=512)


@game.on_input(Steer)
def steer(world: World, me: Comet, cmd: Steer) -> None:
    motion.thrust(me, cmd.dx, cmd.dy)


@game.system
def heal(world: World) -> None:
    comets = world[Comet]
    comets.hp = (comets.hp + world.dt).clip(0, 100)


def test_the_sample_plays() -> None:
    world = World(game, seed=7)
    joined = world.advance(TickInput(1, 1, joins=[(1, "ann")])).joined
    me = world.get(joined[1], Comet)
    assert me is not None
    me.hp = 50
    east = game.rules.inputs[0].encode(Steer(dx=1, dy=0))
    world.advance(TickInput(2, 2, inputs=[(1, 0, east, 0)]))
    for step in range(3, 23):
        world.advance(TickInput(step, step))
    assert me.x > 120
    assert (me.y, me.vx) == (512, 60)
    assert 51 < me.hp < 51.2
