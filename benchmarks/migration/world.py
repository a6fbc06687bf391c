"""The world that moves: like `benchmarks.interest`'s, with players who count their inputs.

2,000 entities when 100 players are in it. What a player counts comes in a private section, so that
a client knows of every single input whether it took effect.

Must not know: servers, clients.
"""

import math
from typing import Annotated, Final

import attrs
import numpy as np

from benchmarks.interest import rules
from sim import Game, World, motion, owner_only, quant, server_only

__all__ = ["ENTITIES", "PLAYERS", "game"]

ENTITIES: Final = 2000
PLAYERS: Final = 100
COUNT_MAX: Final = 65535
_SIDE: Final = rules.world_side(ENTITIES)
_ANGLES: Final = np.arange(rules.HEADINGS) * (2 * math.pi / rules.HEADINGS)
_REACH: Final = rules.SPEED / rules.HZ

game = Game(
    "migration",
    size=(_SIDE, _SIDE),
    tick_hz=rules.HZ,
    cell=rules.CELL,
    interest_radius=rules.CELL,
    history_s=0.0,
)
Coord = Annotated[float, quant(0, 65535 * rules.QUANTUM, step=rules.QUANTUM)]
Speed = Annotated[float, quant(-8, 8, step=rules.QUANTUM)]
Heading = Annotated[float, quant(0, rules.HEADINGS - 1, step=1)]


@attrs.frozen
class Turn:
    """A new heading; each one is counted."""

    heading: Heading


@game.entity(motion=motion.Heading(speed=rules.SPEED))
@attrs.define
class Walker:
    """Somebody who goes straight on until they turn."""

    x: Coord
    y: Coord
    vx: Speed = 0
    vy: Speed = 0
    heading: Heading = 0
    turns: Annotated[float, quant(0, COUNT_MAX, step=1), owner_only] = 0
    roams: Annotated[float, server_only] = 0


def _walker(world: World, salt: int, *, roams: bool) -> Walker:
    x, y, heading = (
        world.rng.uniform(salt, name) for name in ("place.x", "place.y", "place.heading")
    )
    whole = float(int(heading * rules.HEADINGS))
    return Walker(x=x * _SIDE, y=y * _SIDE, heading=whole, roams=float(roams))


@game.setup
def fill(world: World) -> None:
    """The roamers."""
    for number in range(ENTITIES - PLAYERS):
        world.spawn(_walker(world, number + 1, roams=True))


@game.join
def join(world: World, name: str) -> Walker:
    """A player."""
    return _walker(world, (1 << 32) + int(name or 0), roams=False)


@game.on_input(Turn, once=True)
def turn(_: World, me: Walker, command: Turn) -> None:
    """Turn, and count it."""
    me.heading = command.heading
    me.turns = min(me.turns + 1, COUNT_MAX)


@game.system
def walk(world: World) -> None:
    """Roamers turn by chance; whoever would leave the world goes for its middle."""
    walkers = world[Walker]
    ids, heading = walkers.id, walkers.heading
    chance = world.rng.uniform(ids, "turn")
    turned = (walkers.roams > 0) & (chance < rules.ROAMER_TURNS_HZ / rules.HZ)
    some = turned.nonzero()[0]
    heading[some] = world.rng.integers(ids[some], "heading", 0, rules.HEADINGS)
    index = heading.astype(np.int64)
    x = walkers.x + _REACH * np.cos(_ANGLES[index])
    y = walkers.y + _REACH * np.sin(_ANGLES[index])
    lost = ((x < 0) | (x > _SIDE) | (y < 0) | (y > _SIDE)).nonzero()[0]
    if len(lost):
        heading[lost] = (heading[lost] + rules.HEADINGS // 2) % rules.HEADINGS
