"""A game whose every deed can be counted from outside: serial numbers on all that is durable.

Divers swim about and lay pearls, which drift and burst. A diver's pearls are numbered from one
without a gap, and so is what a bell tolls, so each durable event has a name that may occur once.
Fish and bells are there from the beginning and never end, so their number is known. Laying a pearl
tags the nearest fish, whoever owns it: as many tags are got as were given.

Must not know: who counts.
"""

from typing import Annotated, Any, Final

import attrs
import numpy as np

from sim import Entity, Game, World, ident, motion, owner_only, quant, server_only

__all__ = ["Bell", "Diver", "Fish", "Pearl", "game"]

SIZE: Final = 640.0
FISH: Final = 15  # of each shard
FISH_SPEED: Final = 30.0
TOLL_STEPS: Final = 100  # a bell tolls so often
PEARL_STEPS: Final = 80  # a pearl lasts so long
TAG_REACH: Final = 40.0

game = Game("wrecks", size=(SIZE, SIZE), cell=32, interest_radius=64, reach=TAG_REACH)

Coord = Annotated[float, quant(0, SIZE, step=1 / 16)]
Speed = Annotated[float, quant(-128, 127, step=1 / 4)]
Unit = Annotated[float, quant(-1, 1, step=1 / 100)]
Count = Annotated[int, quant(0, 2**30, 1)]


@attrs.frozen
class Steer:
    """Swim in this direction until told otherwise."""

    dx: Unit
    dy: Unit


@attrs.frozen
class Lay:
    """Lay a pearl; `nonce` numbers what this player has asked for."""

    nonce: Count


@game.entity(motion=motion.Thrust(accel=400, drag=4, max_speed=80, steer=Steer))
@attrs.define
class Diver(Entity):
    """A player. `player` is its number, `laid` how many pearls it has laid."""

    x: Coord
    y: Coord
    vx: Speed = 0
    vy: Speed = 0
    player: Count = 0
    laid: Annotated[Count, owner_only] = 0
    gave: Annotated[Count, server_only] = 0


@game.entity(motion=motion.Free())
@attrs.define
class Fish(Entity):
    """It is always there, and remembers how often it was tagged."""

    x: Coord
    y: Coord
    vx: Speed = 0
    vy: Speed = 0
    got: Annotated[Count, server_only] = 0


@game.entity(motion=motion.Free())
@attrs.define
class Pearl(Entity):
    """What a diver laid, under its number."""

    x: Coord
    y: Coord
    vx: Speed
    vy: Speed
    diver: Annotated[int, ident]
    player: Count
    number: Count
    left: Annotated[Count, server_only] = PEARL_STEPS


@game.entity
@attrs.define
class Bell(Entity):
    """One in each shard."""

    x: Coord
    y: Coord
    tolled: Annotated[Count, server_only] = 0


@game.event(durable=True)
@attrs.frozen
class Laid:
    """To the player: this pearl is laid, as asked by `nonce`."""

    player: Count
    number: Count
    nonce: Count


@game.event(durable=True)
@attrs.frozen
class Burst:
    """To the player who laid it, wherever it drifted: this pearl is no more."""

    player: Count
    number: Count


@game.event(durable=True)
@attrs.frozen
class Tolled:
    """To everybody: a bell tolled."""

    bell: Count
    number: Count


@game.setup
def fill(world: World) -> None:
    """Fish and a bell."""
    x0, y0, x1, y1 = world.bounds
    ids = np.arange(FISH, dtype=np.uint64) + np.uint64(world.maker * 1000)
    xs, ys = world.rng.uniform(ids, "x", x0, x1), world.rng.uniform(ids, "y", y0, y1)
    for x, y in zip(xs.tolist(), ys.tolist(), strict=True):
        world.spawn(Fish(x, y))
    world.spawn(Bell((x0 + x1) / 2, (y0 + y1) / 2))


@game.join
def join(world: World, name: str) -> Diver:
    """Somewhere, by one's number."""
    player = int("".join(filter(str.isdigit, name)) or 0)
    x0, y0, x1, y1 = world.bounds
    x, y = (world.rng.uniform(player, axis) for axis in ("join.x", "join.y"))
    return Diver(x0 + x * (x1 - x0), y0 + y * (y1 - y0), player=player)


@game.on_input(Lay, once=True)
def lay(world: World, me: Diver, cmd: Lay) -> None:
    """A pearl, an event that says so, and a tag for the nearest fish."""
    me.laid += 1
    vx, vy = (world.rng.uniform(me.id, axis, -40, 40) for axis in ("pearl.x", "pearl.y"))
    world.spawn(Pearl(me.x, me.y, vx, vy, diver=me.id, player=me.player, number=me.laid))
    world.emit(Laid(me.player, me.laid, cmd.nonce), to=me.id)
    fish = world.everyone(Fish)
    if len(fish.id):
        gaps = np.hypot(fish.x - me.x, fish.y - me.y)
        nearest = int(np.argmin(gaps))
        if gaps[nearest] < TAG_REACH:
            me.gave += 1
            world.command(int(fish.id[nearest]), tag)


@game.command
def tag(world: World, me: Fish) -> None:
    """Once more."""
    del world
    me.got += 1


@game.system
def drift(world: World) -> None:
    """Fish turn now and then, and at the edges."""
    fish: Any = world[Fish]
    turning = world.rng.uniform(fish.id, "turn") < 0.03
    for axis, position in (("vx", fish.x), ("vy", fish.y)):
        chosen = world.rng.uniform(fish.id, axis, -FISH_SPEED, FISH_SPEED)
        speed = np.where(turning, chosen, getattr(fish, axis))
        speed = np.where(position < 8, abs(speed), speed)
        setattr(fish, axis, np.where(position > SIZE - 8, -abs(speed), speed))


@game.system
def age(world: World) -> None:
    """Pearls burst when their time is over."""
    pearls: Any = world[Pearl]
    if not len(pearls):
        return
    pearls.left = np.maximum(pearls.left - 1, 0)
    over = (pearls.left == 0).nonzero()[0]
    for place in over.tolist():
        burst = Burst(int(pearls.player[place]), int(pearls.number[place]))
        world.emit(burst, to=int(pearls.diver[place]))
    if len(over):
        world.destroy(pearls.id[over])


@game.system
def toll(world: World) -> None:
    """A bell counts what it tolls."""
    if world.step % TOLL_STEPS:
        return
    bells: Any = world[Bell]
    bells.tolled = bells.tolled + 1
    for place in range(len(bells)):
        world.emit(Tolled(world.maker, int(bells.tolled[place])))
