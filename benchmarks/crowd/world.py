"""A world whose players gather in a corner, and whose steps cost what a crowd costs.

Everybody goes where the whole crowd goes: all over the world at first, then to one corner, then to
the opposite one, by the tick. There each mills about from place to place. In every step everybody
feels the press of all others of the shard, by so many rounds of relaxation as the environment says:
twice the crowd costs four times as much, so two halves cost half of the whole.

Must not know: servers, clients.
"""

import os
from typing import Annotated, Final

import attrs
import numpy as np
import numpy.typing as npt

from benchmarks.crowd import ROUNDS
from sim import Game, World, motion, quant, server_only

__all__ = ["CORNERS", "HZ", "SIDE", "game", "press", "window"]

HZ: Final = 20
CELL: Final = 32.0
SIDE: Final = 16 * CELL
JOINING_S: Final = 20  # all over the world
STAY_S: Final = 35  # in each corner
CORNER: Final = 7 * CELL  # along each side
EDGE: Final = 16.0
SPEED: Final = 30.0
THINK_STEPS: Final = 10
ARRIVED: Final = 6.0
CORNERS: Final = ((EDGE, EDGE), (SIDE - EDGE - CORNER, SIDE - EDGE - CORNER))

Floats = npt.NDArray[np.float64]

game = Game("crowd", tick_hz=HZ, size=(SIDE, SIDE), cell=CELL, interest_radius=CELL, history_s=0.0)
Coord = Annotated[float, quant(0, SIDE, step=1 / 32)]
Speed = Annotated[float, quant(-32, 31, step=1 / 4)]
Place = Annotated[float, server_only]
_rounds = int(os.environ.get(ROUNDS, "1"))


@attrs.frozen
class Turn:
    """A new heading, which is shown."""

    heading: Annotated[float, quant(0, 255, step=1)]


@game.entity(motion=motion.Free())
@attrs.define
class Walker:
    """Somebody in the crowd, on the way to a place in it."""

    x: Coord
    y: Coord
    vx: Speed = 0
    vy: Speed = 0
    heading: Annotated[float, quant(0, 255, step=1)] = 0
    to_x: Place = 0
    to_y: Place = 0
    felt: Place = 0


def window(corner: int) -> tuple[int, int]:
    """The ticks in which the crowd is in that corner, or on the way there."""
    begins = (JOINING_S + corner * STAY_S) * HZ
    return begins, begins + STAY_S * HZ


def _ground(tick: int) -> tuple[float, float, float]:
    """Where the crowd goes at a tick: the corner of a square, and its side."""
    for corner, at in enumerate(CORNERS):
        begins, ends = window(corner)
        if begins <= tick < ends:
            return *at, CORNER
    return EDGE, EDGE, SIDE - 2 * EDGE


@game.join
def join(world: World, name: str) -> Walker:
    """A player, anywhere."""
    salt = (1 << 32) + int(name or 0)
    x, y = (EDGE + world.rng.uniform(salt, at) * (SIDE - 2 * EDGE) for at in ("x", "y"))
    return Walker(x=x, y=y, to_x=x, to_y=y)


@game.on_input(Turn, once=True)
def turn(_: World, me: Walker, command: Turn) -> None:
    """Show another heading."""
    me.heading = command.heading


@game.system
def feel(world: World) -> None:
    """Everybody feels the press."""
    walkers = world[Walker]
    if len(walkers) > 1:
        walkers.felt = press(walkers.x, walkers.y, _rounds)


@game.system
def walk(world: World) -> None:
    """Those whose turn it is look where to go."""
    walkers = world[Walker]
    mine = (walkers.id + np.uint64(world.step)) % np.uint64(THINK_STEPS) == 0
    some = np.flatnonzero(mine)
    if not len(some):
        return
    left, top, side = _ground(world.tick)
    x, y, ids = walkers.x[some], walkers.y[some], walkers.id[some]
    to_x, to_y = walkers.to_x[some], walkers.to_y[some]
    there = np.hypot(to_x - x, to_y - y) < ARRIVED
    away = (to_x < left) | (to_x > left + side) | (to_y < top) | (to_y > top + side)
    new = there | away
    to_x[new] = left + side * world.rng.uniform(ids[new], "to x")
    to_y[new] = top + side * world.rng.uniform(ids[new], "to y")
    walkers.to_x[some], walkers.to_y[some] = to_x, to_y
    dx, dy = to_x - x, to_y - y
    far = np.maximum(np.hypot(dx, dy), 1.0)
    pace = np.minimum(SPEED, far * HZ / THINK_STEPS)
    walkers.vx[some], walkers.vy[some] = dx / far * pace, dy / far * pace


def press(x: Floats, y: Floats, rounds: int) -> Floats:
    """How much each of N feels the others: all pairs, some rounds of relaxation."""
    felt = np.ones(len(x))
    for _ in range(rounds):
        dx, dy = x[:, None] - x, y[:, None] - y
        square = dx * dx + dy * dy
        weight = np.where(square < CELL * CELL, 1 / (square + 64), 0)
        felt = 0.5 * felt + weight @ felt
        felt /= max(felt.max(), 1e-9)
    return felt
