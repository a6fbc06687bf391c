"""The interest workload without clients, for worlds of any size: everybody roams by chance.

The rules are those of `benchmarks.interest.rules`, except that every second entity turns as often
as if it had a player. Who has one turns by input.

Must not know: shards, what is measured.
"""

import math
from typing import Annotated, Any, Final

import attrs
import numpy as np
import numpy.typing as npt

from benchmarks.interest import rules
from sim import Game, World, motion, quant

__all__ = ["make_game"]

_SIDE_MAX: Final = 1 << 14
_COUNTER: Final = np.uint64((1 << 40) - 1)
_ANGLES: Final = np.arange(rules.HEADINGS) * (2 * math.pi / rules.HEADINGS)
_EAST: Final = np.cos(_ANGLES)
_SOUTH: Final = np.sin(_ANGLES)

Coord = Annotated[float, quant(0, _SIDE_MAX, step=rules.QUANTUM)]
Speed = Annotated[float, quant(-8, 8, step=rules.QUANTUM)]
Heading = Annotated[int, quant(0, rules.HEADINGS - 1, step=1)]
Health = Annotated[int, quant(0, 100, step=1)]


def make_game(entities: int, *, players: int = 0, thrust: bool = False) -> Game:
    """A world in which about `rules.VISIBLE` of `entities` are in view.

    The last `players` of them are not there until they join; a player's name is a number. With
    `thrust` they move by the built-in thrust and drag, at about the same speed.
    """
    roamers = entities - players
    side = rules.world_side(entities)
    if side > _SIDE_MAX:
        raise ValueError(f"{entities} entities need a world of {side:.0f} units, over {_SIDE_MAX}")
    model = motion.Thrust(accel=24, drag=4, max_speed=rules.SPEED) if thrust else motion.Free()
    game = Game(
        "roaming", size=(side, side), tick_hz=rules.HZ, cell=rules.CELL,
        interest_radius=rules.CELL,
    )  # fmt: skip

    @game.entity(motion=model)
    @attrs.define
    class Roamer:
        x: Coord
        y: Coord
        vx: Speed = 0
        vy: Speed = 0
        heading: Heading = 0
        hp: Health = 100

    @attrs.frozen
    class Turn:
        heading: Heading

    @game.on_input(Turn, once=True)
    def turn(_: World, me: Roamer, command: Turn) -> None:
        me.heading = command.heading
        if thrust:
            motion.thrust(me, float(_EAST[command.heading]), float(_SOUTH[command.heading]))
        else:
            me.vx = rules.SPEED * float(_EAST[command.heading])
            me.vy = rules.SPEED * float(_SOUTH[command.heading])

    @game.setup
    def fill(world: World) -> None:
        salts = np.arange(roamers, dtype=np.uint64)
        x = world.rng.uniform(salts, "x", 0, side)
        y = world.rng.uniform(salts, "y", 0, side)
        for place in zip(x.tolist(), y.tolist(), strict=True):
            world.spawn(Roamer(*place))
        world.flush()
        _steer(world, world[Roamer], np.arange(roamers), thrust=thrust)

    @game.join
    def join(world: World, name: str) -> Roamer:
        x, y = (world.rng.uniform(int(name), salt, 0, side) for salt in ("join.x", "join.y"))
        return Roamer(x, y)

    @game.system
    def walk(world: World) -> None:
        table = world[Roamer]
        number = table.id & _COUNTER  # of its making: players come last
        hz = np.where(number % np.uint64(2), rules.PLAYER_TURNS_HZ, rules.ROAMER_TURNS_HZ)
        hz[number > roamers] = 0.0
        turning = world.rng.uniform(table.id, "turn") < hz / rules.HZ
        turning |= _leaving(table, side)
        _steer(world, table, turning.nonzero()[0], thrust=thrust)

    @game.system
    def hurt(world: World) -> None:
        table = world[Roamer]
        some = (world.rng.uniform(table.id, "hurt") < rules.HP_RATE).nonzero()[0]
        # Never the same as before, so that it changes for just as many as the rules say.
        more = world.rng.integers(table.id[some], "hp", 1, 101)
        table.hp[some] = (table.hp[some] + more) % 101

    return game


def _leaving(table: Any, side: float) -> npt.NDArray[np.bool_]:
    """Who is about to walk out of the world; whoever it is takes a new heading until it is not."""
    reach = rules.SPEED / rules.HZ
    out: npt.NDArray[np.bool_] = (table.x < reach) & (table.vx < 0)
    out |= (table.x > side - reach) & (table.vx > 0)
    out |= (table.y < reach) & (table.vy < 0)
    out |= (table.y > side - reach) & (table.vy > 0)
    return out


def _steer(world: World, table: Any, some: npt.NDArray[np.int64], *, thrust: bool) -> None:
    """A new heading for `some`."""
    heading = world.rng.integers(table.id[some], "heading", 0, rules.HEADINGS)
    table.heading[some] = heading
    if thrust:
        table.thrust_x[some], table.thrust_y[some] = _EAST[heading], _SOUTH[heading]
    else:
        table.vx[some] = rules.SPEED * _EAST[heading]
        table.vy[some] = rules.SPEED * _SOUTH[heading]
