"""The rules of the interest workload, the same for Shoal and for every peer.

N players and M roamers move at 6 units a second through a square world; a player takes a new
heading twice a second by an input, a roamer every two seconds by chance; whoever reaches an edge
turns back; each tick the hit points of one entity in a hundred change. A player sees the block of
3 x 3 cells around it, and the world's side is chosen so that about 60 entities are in there.

Must not know: servers, clients.
"""

import math
from typing import Final

HZ: Final = 20
CELL: Final = 32.0  # units
QUANTUM: Final = 1 / 32  # units: the step of positions on the wire
SPEED: Final = 6.0  # units a second
HEADINGS: Final = 256  # in a full circle
ROAMER_TURNS_HZ: Final = 0.5
PLAYER_TURNS_HZ: Final = 2.0
HP_RATE: Final = 0.01  # of all entities, each tick
VISIBLE: Final = 60
CROWD_CELLS: Final = 5  # along each side of the world whose middle cell holds a crowd
TICK_INTERVAL_MS_MAX: Final = 75.0  # at the 99th percentile, to count as held
HZ_MIN: Final = 19.5


def world_side(entities: int, visible: float = VISIBLE) -> float:
    """The side in units of a square world in which a player sees about `visible` of `entities`."""
    if visible >= entities:
        return 3 * CELL
    low, high = 1.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        if entities * _share_of_block(middle) > visible:
            low = middle
        else:
            high = middle
    return low * CELL


def _share_of_block(cells: float) -> float:
    """The share of an evenly spread population that one of it finds in its 3 x 3 cells, on average.

    `cells` is the world's side in cells; the last one may be cut.
    """
    count = math.ceil(cells)
    widths = [min(1.0, cells - column) for column in range(count)]
    near = [sum(widths[max(0, column - 1) : column + 2]) for column in range(count)]
    along = sum(width * reach for width, reach in zip(widths, near, strict=True)) / cells**2
    return along**2
