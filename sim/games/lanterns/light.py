"""Light, which is life, sight and score at once, and how it changes hands.

Invariant: what is taken is neither lost nor doubled, though taker and victim may live in different
shards: the victim's owner takes it away and sends exactly that to the taker's owner. All light is
in whole quarters, so no rounding creates or destroys any.
"""

from typing import Annotated

import attrs
import numpy as np

from sim import World, ident
from sim.games.lanterns.creatures import MOST_LIGHT, Diver, Leviathan, Light
from sim.games.lanterns.sea import CoordX, CoordY, game


@game.event
@attrs.frozen
class Robbed:
    """Somebody lost this much light to somebody else."""

    victim: Annotated[int, ident]
    thief: Annotated[int, ident]
    light: Light
    x: CoordX
    y: CoordY


@game.command
def gain(world: World, me: Diver | Leviathan, light: float) -> None:
    """Receive light."""
    me.light = min(me.light + light, MOST_LIGHT)


@game.command
def rob(world: World, me: Diver | Leviathan, thief: int, share: float, least: float) -> None:
    """Lose a share of the light, at least so much of it, to a thief anywhere in the world."""
    loot = min(me.light, max(float(np.floor(me.light * share * 4)) / 4, least))
    me.light -= loot
    world.command(thief, gain, light=loot)
    world.emit(Robbed(victim=me.id, thief=thief, light=loot, x=me.x, y=me.y), at=(me.x, me.y))
