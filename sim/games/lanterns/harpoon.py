"""The harpoon: an instant ray that hits what its shooter saw, and steals light.

A player sees the others a little late. So the server rewinds them to the moment that was on the
shooter's screen, half a second at most, and judges the shot there. The shooter is not rewound: its
own diver is predicted, it sees itself where it is.
"""

from typing import Annotated, Final

import attrs
import numpy as np

from sim import World, ident
from sim.games.lanterns.creatures import Diver, Leviathan
from sim.games.lanterns.light import rob
from sim.games.lanterns.sea import HZ, CoordX, CoordY, Direction, aimed, game
from sim.history import Positions

RANGE: Final = 200.0
REWIND_S: Final = 0.5
WAIT_STEPS: Final = HZ
SHARE, LEAST = 0.3, 1.0  # of the victim's light
WIDTHS: Final = {Diver: 10.0, Leviathan: 30.0}  # half as wide as what the ray must touch


@attrs.frozen
class Harpoon:
    """Shoot in this direction."""

    dx: Direction
    dy: Direction


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
    dx, dy = aimed(aim.dx, aim.dy)
    if me.harpoon_wait > 0 or (dx, dy) == (0, 0):
        return
    me.harpoon_wait = WAIT_STEPS
    seen = world.rewound(world.view, REWIND_S)
    hits = [
        hit
        for kind, width in WIDTHS.items()
        if (hit := first_hit(seen[kind], me, dx, dy, width)) is not None
    ]
    end_x, end_y = me.x + RANGE * dx, me.y + RANGE * dy
    hit = min(hits, key=lambda hit: hit.along, default=Hit(0, RANGE, end_x, end_y))
    if hit.target:
        world.command(hit.target, rob, thief=me.id, share=SHARE, least=LEAST)
    shot = Harpooned(me.id, hit.target, x=me.x, y=me.y, hit_x=hit.x, hit_y=hit.y)
    world.emit(shot, at=(me.x, me.y))


def first_hit(seen: Positions, me: Diver, dx: float, dy: float, width: float) -> Hit | None:
    """The nearest that the ray from `me` along (dx, dy) passes within `width` units of."""
    x, y = seen.x - me.x, seen.y - me.y
    along, aside = x * dx + y * dy, np.abs(x * dy - y * dx)
    met = (along > 0) & (along <= RANGE) & (aside <= width) & (seen.ids != np.uint64(me.id))
    if not met.any():
        return None
    first = int(np.where(met, along, np.inf).argmin())
    return Hit(
        int(seen.ids[first]), float(along[first]), float(seen.x[first]), float(seen.y[first])
    )
