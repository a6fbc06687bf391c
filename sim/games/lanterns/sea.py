"""The sea: the game's frame, the fields that its creatures share, and what moves in it.

What it is: the `Game` on which the other modules declare creatures and rules, and small helpers on
columns. It must not know any creature.
"""

from typing import Annotated, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sim import Game, World, math, quant

Array: TypeAlias = npt.NDArray[np.float64]

WIDTH: Final = 2048.0
HEIGHT: Final = 1024.0
HZ: Final = 20

# The four widths of a lantern, in units: as far as its diver sees.
LANTERNS: Final = (140.0, 200.0, 260.0, 320.0)

game = Game(
    "lanterns",
    tick_hz=HZ,
    size=(WIDTH, HEIGHT),
    cell=64,
    interest_radius=LANTERNS,
    reach=256,  # a harpoon flies 200 units, and its target has swum on since it was seen
    jump=64,
    history_s=0.5,  # a shot is judged by what its shooter saw, up to so long ago
)

CoordX = Annotated[float, quant(0, WIDTH, 1 / 16)]
CoordY = Annotated[float, quant(0, HEIGHT, 1 / 16)]
Speed = Annotated[float, quant(-256, 255.75, 1 / 4, sim_step=1 / 64)]  # units per second
Direction = Annotated[float, quant(-1, 1, 1 / 128)]

# A whirl of the current is about 380 units wide (radians per unit).
_WHIRL: Final = 1 / 120


def current(x: Array, y: Array, seconds: float, stream: Array) -> tuple[Array, Array]:
    """A drift of length up to 1, in slowly wandering whirls; each stream has its own.

    It flows as an incompressible fluid does (without divergence), so that fish do not pile up.
    """
    across = x * _WHIRL + stream * 1.7 + seconds * 0.09
    along = y * _WHIRL - stream * 2.3 - seconds * 0.06
    # sin(a) cos(b) and -cos(a) sin(b), by two sines in place of four functions.
    both, apart = math.sin(across + along), math.sin(across - along)
    return 0.5 * (both + apart), 0.5 * (apart - both)


def inward(x: Array, y: Array, margin: float) -> tuple[Array, Array]:
    """A push away from the world's edges: 0 beyond `margin` units from them, 1 at the edge."""
    left, right = np.maximum(margin - x, 0), np.maximum(x - (WIDTH - margin), 0)
    top, bottom = np.maximum(margin - y, 0), np.maximum(y - (HEIGHT - margin), 0)
    return (left - right) / margin, (top - bottom) / margin


def unit(x: Array, y: Array) -> tuple[Array, Array]:
    """The directions of vectors; the zero vector stays zero."""
    length = math.length(x, y)
    scale = 1.0 / np.where(length > 0, length, 1.0)
    return x * scale, y * scale


def aimed(dx: float, dy: float) -> tuple[float, float]:
    """The direction of one vector; the zero vector stays zero."""
    length = math.length(dx, dy)
    return (dx / length, dy / length) if length > 0 else (0.0, 0.0)


def lots(world: World, count: int) -> npt.NDArray[np.uint64]:
    """Numbers to draw with for what has no id yet; no other shard has the same."""
    first = (world.maker << 40) + world.created
    return np.arange(first, first + count, dtype=np.uint64)
