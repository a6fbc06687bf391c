"""The harpoon: an instant ray that hits what its shooter saw, and steals light.

A player sees the others a little late. So the server rewinds them to the moment that was on the
shooter's screen, as far back as the sea remembers, and judges the shot there. The shooter is not
rewound: its own diver is predicted, it sees itself where it is (`Client.origin` says exactly where
the shot will begin).
"""

from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias

import attrs
import numpy as np

from sim import World, ident, quant
from sim.games.lanterns.creatures import Diver, Leviathan
from sim.games.lanterns.light import rob
from sim.games.lanterns.sea import HZ, CoordX, CoordY, aimed, game
from sim.history import Positions
from sim.past import Past

RANGE: Final = 200.0
WAIT_STEPS: Final = HZ
SHARE, LEAST = 0.3, 1.0  # of the victim's light
WIDTHS: Final = {Diver: 10.0, Leviathan: 30.0}  # half as wide as what the ray must touch


Point: TypeAlias = tuple[float, float]
Aim = Annotated[float, quant(-1, 1, 1 / 16384)]  # a coarser one would miss by a unit far away


@attrs.frozen
class Harpoon:
    """Shoot in this direction."""

    dx: Aim
    dy: Aim


@game.event
@attrs.frozen
class Harpooned:
    """A shot, from (x, y) to where its target was for the shooter, or its end if it missed."""

    shooter: Annotated[int, ident]
    target: Annotated[int, ident]  # 0: nobody
    x: CoordX
    y: CoordY
    hit_x: CoordX
    hit_y: CoordY


@attrs.frozen
class Hit:
    """Whom a ray meets, how far along, and where that one was seen."""

    target: int
    along: float
    x: float
    y: float


@game.on_input(Harpoon, once=True)
def shoot(world: World, me: Diver, aim: Harpoon) -> None:
    """Hit the first that the ray meets in the world as the shooter saw it."""
    towards = aimed(aim.dx, aim.dy)
    if me.harpoon_wait > 0 or towards == (0, 0):
        return
    me.harpoon_wait = WAIT_STEPS
    seen = world.rewound(world.view, world.game.history_s)
    hit = first_hit(seen, me.id, (me.x, me.y), towards)
    if hit.target:
        world.command(hit.target, rob, thief=me.id, share=SHARE, least=LEAST)
    shot = Harpooned(me.id, hit.target, x=me.x, y=me.y, hit_x=hit.x, hit_y=hit.y)
    world.emit(shot, at=(me.x, me.y))


def first_hit(
    seen: Mapping[type, Positions] | Past, shooter: int, at: Point, towards: Point
) -> Hit:
    """The first that a ray from `at` along the direction `towards` meets; its end if it misses."""
    end = Hit(0, RANGE, at[0] + RANGE * towards[0], at[1] + RANGE * towards[1])
    hits = [
        hit
        for kind, width in WIDTHS.items()
        if (hit := _nearest(seen[kind], shooter, at, towards, width)) is not None
    ]
    return min(hits, key=lambda hit: hit.along, default=end)


def _nearest(seen: Positions, shooter: int, at: Point, towards: Point, width: float) -> Hit | None:
    """The nearest that the ray passes within `width` units of."""
    x, y = seen.x - at[0], seen.y - at[1]
    along, aside = x * towards[0] + y * towards[1], np.abs(x * towards[1] - y * towards[0])
    met = (along > 0) & (along <= RANGE) & (aside <= width) & (seen.ids != np.uint64(shooter))
    if not met.any():
        return None
    first = int(np.where(met, along, np.inf).argmin())
    return Hit(
        int(seen.ids[first]), float(along[first]), float(seen.x[first]), float(seen.y[first])
    )
