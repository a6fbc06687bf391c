"""Fish: shoals that drift with the current, flee what hunts them, and are light to eat.

Each fish thinks four times a second, staggered by its id, and swims straight in between, so that
its course lasts: most fish of a step need no bytes at all. A shoal does not notice borders, because
neighbours are looked for among owned fish and ghosts alike.
"""

from typing import Annotated, Any, Final

import attrs
import numpy as np
import numpy.typing as npt

from sim import World, ident
from sim.games.lanterns.creatures import SPECIES, Diver, Fish, Flare, Leviathan
from sim.games.lanterns.light import gain
from sim.games.lanterns.sea import (
    HEIGHT,
    HZ,
    WIDTH,
    Array,
    CoordX,
    CoordY,
    current,
    game,
    inward,
    lots,
    unit,
)
from sim.grid import pairs_within

POPULATION: Final = 500  # in the whole world
SHOAL: Final = 10  # fish that come together
GOLDEN: Final = 5  # the species that is rare and worth more
WORTH: Final = (5.0, 20.0)  # the light of a fish, and of a golden one

TOUCH: Final = 12.0
THINK_STEPS: Final = HZ // 4
CALM, PANIC = 22.0, 48.0  # units per second
SIGHT: Final = 42.0  # of its own species
CLOSE: Final = 13.0
FEAR: Final = 85.0  # of divers
DREAD: Final = 170.0  # of the leviathan
LURE: Final = 130.0  # of a flare
SHORE: Final = 70.0
STEADY: Final = 3.0  # a smaller change of velocity is not worth a new course


@game.event
@attrs.frozen
class Eaten:
    """A diver ate a fish here."""

    diver: Annotated[int, ident]
    x: CoordX
    y: CoordY


@game.setup
def stock(world: World) -> None:
    """A new sea has its fish from the first step."""
    _spawn(world, _wanted(world))


@game.system
def breed(world: World) -> None:
    """Once a second, keep as many fish as this shard's waters feed: a shoal comes, or one fades."""
    if world.step % HZ:
        return
    fish = world[Fish]
    missing = _wanted(world) - len(fish)
    if missing >= SHOAL:
        _spawn(world, SHOAL)
    elif missing < -2 * SHOAL:
        world.destroy(fish.id[: SHOAL // 2])


@game.system
def swim(world: World) -> None:
    """Those whose turn it is choose a new velocity."""
    fish = world[Fish]
    turn = np.flatnonzero((fish.id + np.uint64(world.step)) % np.uint64(THINK_STEPS) == 0)
    if not len(turn):
        return
    x, y, vx, vy = fish.x[turn], fish.y[turn], fish.vx[turn], fish.vy[turn]
    species = fish.species[turn].astype(np.float64)
    ahead_x, ahead_y = unit(vx, vy)
    mates_x, mates_y = _mates(world, x, y, species)
    drift_x, drift_y = current(x, y, world.step * world.dt, species)
    edge_x, edge_y = inward(x, y, SHORE)
    diver_x, diver_y, fear = _away(world, Diver, x, y, FEAR)
    beast_x, beast_y, dread = _away(world, Leviathan, x, y, DREAD)
    flare_x, flare_y, _ = _away(world, Flare, x, y, LURE)
    wish_x, wish_y = unit(
        ahead_x + mates_x + 0.5 * drift_x + 2.5 * edge_x + 4 * (diver_x + beast_x) - 2 * flare_x,
        ahead_y + mates_y + 0.5 * drift_y + 2.5 * edge_y + 4 * (diver_y + beast_y) - 2 * flare_y,
    )
    speed = CALM + (PANIC - CALM) * np.minimum(fear + dread, 1)
    wish_x, wish_y = wish_x * speed, wish_y * speed
    new = (wish_x - vx) ** 2 + (wish_y - vy) ** 2 > STEADY**2
    fish.vx[turn[new]] = wish_x[new]
    fish.vy[turn[new]] = wish_y[new]


@game.system
def feed(world: World) -> None:
    """A diver eats the fish that it touches, on whichever side of a border; the nearest diver."""
    fish, divers = world[Fish], world.everyone(Diver)
    if not len(fish) or not len(divers.id):
        return
    hunter, prey, square = pairs_within((fish.x, fish.y), (divers.x, divers.y), TOUCH)
    eater: dict[int, int] = {}
    for pair in np.argsort(square, kind="stable"):
        eater.setdefault(int(prey[pair]), int(divers.id[hunter[pair]]))
    for row, diver in eater.items():
        x, y = float(fish.x[row]), float(fish.y[row])
        world.command(diver, gain, light=WORTH[int(fish.species[row] == GOLDEN)])
        world.emit(Eaten(diver, x, y), at=(x, y))
    world.destroy(fish.id[sorted(eater)])


def _wanted(world: World) -> int:
    """The shard's part of the population, by its area."""
    left, top, right, bottom = world.bounds
    return int(POPULATION * (right - left) * (bottom - top) / (WIDTH * HEIGHT))


def _spawn(world: World, count: int) -> None:
    """New fish in shoals, each of one species, at places drawn within this shard."""
    left, top, right, bottom = world.bounds
    fish = lots(world, count)
    shoal = fish - np.arange(count, dtype=np.uint64) % np.uint64(SHOAL)
    draw = world.rng
    x = draw.uniform(shoal, "shoal x", left, right) + 20 * draw.normal(fish, "fish x")
    y = draw.uniform(shoal, "shoal y", top, bottom) + 20 * draw.normal(fish, "fish y")
    # One shoal in eleven is golden.
    species = draw.integers(shoal, "species", 0, 2 * SPECIES - 1) // 2
    for column in zip(
        x.clip(left, right - 1), y.clip(top, bottom - 1), species.tolist(), strict=True
    ):
        world.spawn(Fish(x=float(column[0]), y=float(column[1]), species=column[2]))


def _mates(world: World, x: Array, y: Array, species: Array) -> tuple[Array, Array]:
    """Swim where the neighbours swim, towards their middle, but not into them."""
    everyone = world.everyone(Fish)
    me, mate, square = pairs_within((everyone.x, everyone.y), (x, y), SIGHT)
    kin = (everyone.species[mate] == species[me]) & (square > 0)
    me, mate, square = me[kin], mate[kin], square[kin]
    count = np.maximum(np.bincount(me, minlength=len(x)), 1) * SIGHT
    # Nearer than CLOSE the pull to the middle gives way to a push, stronger the nearer.
    pull = 1.2 / count[me] - np.where(square < CLOSE * CLOSE, 1.7 / (square + 4), 0)
    toward_x = _sum(me, (everyone.x[mate] - x[me]) * pull, len(x))
    toward_y = _sum(me, (everyone.y[mate] - y[me]) * pull, len(x))
    along_x, along_y = unit(
        _sum(me, everyone.vx[mate], len(x)), _sum(me, everyone.vy[mate], len(x))
    )
    return 0.8 * along_x + toward_x, 0.8 * along_y + toward_y


def _away(
    world: World, kind: type[Any], x: Array, y: Array, radius: float
) -> tuple[Array, Array, Array]:
    """Pushes away from all of a kind within a radius (1 each, when on top), and their strength."""
    others = world.everyone(kind)
    if not len(others):
        nothing = np.zeros(len(x))
        return nothing, nothing, nothing
    me, other, square = pairs_within((others.x, others.y), (x, y), radius)
    strength = 1 - np.sqrt(square) / radius
    dx, dy = unit(x[me] - others.x[other], y[me] - others.y[other])
    return (
        _sum(me, dx * strength, len(x)),
        _sum(me, dy * strength, len(x)),
        _sum(me, strength, len(x)),
    )


def _sum(rows: npt.NDArray[np.int64], values: Array, count: int) -> Array:
    """Add up the values of each row, in their order."""
    return np.asarray(np.bincount(rows, values, minlength=count), np.float64)
