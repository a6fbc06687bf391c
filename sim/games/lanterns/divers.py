"""Divers: the players. They burn light, and see as far as their lantern shines.

How they swim is declared with them: the built-in motion is bound to its inputs, so clients can
predict it and no handler is needed.
"""

from typing import Annotated, Any, Final

import attrs
import numpy as np
import numpy.typing as npt

from sim import Table, World, ident
from sim.games.lanterns.creatures import EMBER, Diver
from sim.games.lanterns.sea import HEIGHT, HZ, WIDTH, CoordX, CoordY, game, lots

WIDENS: Final = (40.0, 120.0, 300.0)  # the light at which a lantern takes its next width
BURNS: Final = 0.25  # light a second, for each hundred of light begun


@game.event
@attrs.frozen
class Snuffed:
    """A diver's light went out here."""

    diver: Annotated[int, ident]
    x: CoordX
    y: CoordY


@game.join
def join(world: World, name: str) -> Diver:
    """A new diver begins as an ember, somewhere in this shard's waters."""
    left, top, right, bottom = world.bounds
    lot = int(lots(world, 1)[0])
    return Diver(
        x=world.rng.uniform(lot, "join x", left, right),
        y=world.rng.uniform(lot, "join y", top, bottom),
        name=name,
    )


@game.interest(Diver)
def lantern(divers: Table[Diver]) -> npt.NDArray[Any]:
    """The more light, the wider the lantern, the further its diver sees."""
    return np.searchsorted(WIDENS, divers.light, side="right")


@game.system
def burn(world: World) -> None:
    """Once a second each diver burns light, the brighter the more; and its weapons cool."""
    divers = world[Diver]
    due = (divers.id + np.uint64(world.step)) % np.uint64(HZ) == 0
    cost = BURNS * (1 + np.floor(divers.light / 100))
    divers.light = np.where(due, np.maximum(divers.light - cost, 0), divers.light)
    divers.harpoon_wait = np.maximum(divers.harpoon_wait - 1, 0)
    divers.flare_wait = np.maximum(divers.flare_wait - 1, 0)


@game.system
def rekindle(world: World) -> None:
    """Whoever has no light left begins again as an ember, anywhere in the world."""
    divers = world[Diver]
    for row in np.flatnonzero(divers.light <= 0):
        me = divers.row(int(row))
        world.emit(Snuffed(diver=me.id, x=me.x, y=me.y), at=(me.x, me.y))
        me.x = world.rng.uniform(me.id, "rekindle x", 0, WIDTH)
        me.y = world.rng.uniform(me.id, "rekindle y", 0, HEIGHT)
        me.vx = me.vy = 0
        me.light = EMBER


@game.scoreboard(every=1.0, top=10)
def brightest(world: World) -> list[tuple[int, str, float]]:
    """The ten brightest of this shard; of these the world's ten are chosen."""
    divers = world[Diver]
    best = np.argsort(-divers.light, kind="stable")[:10]
    return [(diver.id, diver.name, diver.light) for diver in map(divers.row, best.tolist())]
