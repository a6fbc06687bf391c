"""The leviathan: one in the whole world. It roams, hunts light, and shoals scatter before it.

It swims from waypoint to waypoint and so across every border. A flare turns its head, a diver close
by is hunted and bitten. The light that it eats stays in it, and a harpoon can win it back.
"""

from typing import Final

import numpy as np

from sim import World
from sim.games.lanterns.creatures import Diver, Flare, Leviathan
from sim.games.lanterns.light import rob
from sim.games.lanterns.sea import HEIGHT, WIDTH, aimed, game

ROAMS, HUNTS = 40.0, 68.0  # units per second; a diver swims 80
THINK_STEPS: Final = 8
SMELL: Final = 220.0
MOUTH: Final = 30.0
BITE_STEPS: Final = 10
BITE_SHARE, BITE_LEAST = 0.15, 4.0  # of its victim's light
ARRIVED: Final = 60.0
SHORE: Final = 100.0  # waypoints keep away from the world's edges


@game.setup
def hatch(world: World) -> None:
    """Only the shard that owns the middle of the world makes a leviathan."""
    left, top, right, bottom = world.bounds
    if left <= WIDTH / 2 < right and top <= HEIGHT / 2 < bottom:
        world.spawn(Leviathan(x=WIDTH / 2, y=HEIGHT / 2))


@game.system
def prowl(world: World) -> None:
    """Think now and then, bite now and then; in the shard where it is."""
    for beast in world[Leviathan].rows():
        if world.step % THINK_STEPS == 0:
            _turn(world, beast)
        if world.step % BITE_STEPS == 0:
            _bite(world, beast)


def _turn(world: World, beast: Leviathan) -> None:
    """Head for a flare, else for a diver, else for the waypoint; slowly, as it is heavy."""
    prey = _nearest(world, Flare, beast) or _nearest(world, Diver, beast)
    x, y = prey or _waypoint(world, beast)
    dx, dy = aimed(x - beast.x, y - beast.y)
    speed = HUNTS if prey else ROAMS
    beast.vx = 0.6 * beast.vx + 0.4 * speed * dx
    beast.vy = 0.6 * beast.vy + 0.4 * speed * dy


def _nearest(
    world: World, kind: type[Diver | Flare], beast: Leviathan
) -> tuple[float, float] | None:
    """Where the nearest of a kind is, if it can be smelt."""
    others = world.everyone(kind)
    square = (others.x - beast.x) ** 2 + (others.y - beast.y) ** 2
    if not len(square) or square.min() > SMELL**2:
        return None
    nearest = int(square.argmin())
    return float(others.x[nearest]), float(others.y[nearest])


def _waypoint(world: World, beast: Leviathan) -> tuple[float, float]:
    """Where it roams to; a new place when it has arrived."""
    if abs(beast.goal_x - beast.x) + abs(beast.goal_y - beast.y) < ARRIVED:
        beast.goal_x = world.rng.uniform(beast.id, "goal x", SHORE, WIDTH - SHORE)
        beast.goal_y = world.rng.uniform(beast.id, "goal y", SHORE, HEIGHT - SHORE)
    return beast.goal_x, beast.goal_y


def _bite(world: World, beast: Leviathan) -> None:
    """Take light from every diver before its mouth, on whichever side of a border."""
    divers = world.everyone(Diver)
    near = (divers.x - beast.x) ** 2 + (divers.y - beast.y) ** 2 < MOUTH**2
    for diver in divers.id[np.flatnonzero(near)].tolist():
        world.command(diver, rob, thief=beast.id, share=BITE_SHARE, least=BITE_LEAST)
