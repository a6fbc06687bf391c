"""The built-in motion models: how an intent becomes a velocity.

What it is: the thrust / drag / cap / dash model that a game declares for a kind of entity, the free
model (the game sets velocities itself), and `step_columns`, the one step function of both. The
server runs it on columns of N rows, a predicting client on columns of one row, with the same bits:
it uses only + - * /, square root, floor and comparisons, and reads nothing but its own row. Its
parameters are plain data in the schema, so a client in any language can predict any game that uses
it. The third model, heading, has no steps to compute: `sim.headings` has its tables.

The order of operations, for one row. All numbers are 64-bit floats, every operation rounds once (no
fused multiply-add), sums and products are taken from left to right. `snap(v, s)` is
`floor(v / s + 1/2) * s`. From the schema: `hz, size, speed_step, accel, drag, max_speed,
dash_factor, dash_steps, dash_wait_steps`. Derived once::

    push = accel / hz                       keep = 1 - drag / hz
    gain = 256 * max_speed                  if drag = 0
         = min(push * keep / (drag / hz), 256 * max_speed)   otherwise
    fast = max_speed * dash_factor          (0 for a model without dash)

Thrust, 1 to 5, for the model "thrust" only. (x, y) is the position at the end of the previous step.

1. Dash: `dash_wait = max(dash_wait - 1, 0)`. If `dash > 0` and `dash_wait = 0`:
   `dash_left = dash_steps` and `dash_wait = dash_wait_steps`. Then `dash = 0`.
2. Push: `ax = (vx + thrust_x * push) * keep`, and so for y. If `ax * ax + ay * ay` is more than
   `max_speed * max_speed`, both are multiplied by `max_speed / sqrt(ax * ax + ay * ay)`.
3. Settle: the velocity that this thrust ends at is `wx = thrust_x * gain`, `wy = thrust_y * gain`,
   capped in the same way. If `dx = wx - ax`, `dy = wy - ay` and
   `dx * dx + dy * dy <= (push / 2) * (push / 2)`, then `ax, ay = wx, wy`.
   So a held thrust reaches one constant velocity after a finite time and its course lasts, and a
   diver who lets go comes to rest.
4. While `dash_left > 0`: the heading is the thrust if `thrust_x * thrust_x + thrust_y * thrust_y`
   is more than 0, else the old velocity; with its length `h = sqrt(hx * hx + hy * hy)`,
   `ax, ay = hx * (fast / h), hy * (fast / h)`, or unchanged when h = 0.
5. `dash_left = max(dash_left - 1, 0)`.

Edges, 6, for these two models, per axis, with `a` the new velocity (free: what the game has set):

6. `v = snap(a, speed_step)`. With `ahead = (size - x) * hz` and `behind = x * hz`: if `v > ahead`,
   `v = floor(ahead / speed_step) * speed_step`; if then `v < -behind`,
   `v = -(floor(behind / speed_step) * speed_step)`. So nobody leaves the world, and whoever pushes
   against its edge rests there, with a course that lasts.

It must not know tables, courses, or who calls it.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Parameters: TypeAlias = Mapping[str, Any]

THRUST_STEP: Final = 1 / 256
_TIMER_MAX: Final = 65535.0


@attrs.frozen
class State:
    """A column that a model adds to its kind: private to the owner, kept at `step`."""

    name: str
    low: float
    high: float
    step: float


@attrs.frozen
class Dash:
    """A burst: `factor` times the speed for `seconds`, again after `cooldown` seconds.

    The cooldown counts from the start of the burst.
    """

    factor: float
    seconds: float
    cooldown: float


@attrs.frozen
class Free:
    """Courses without a model: the game sets vx and vy itself, in units per second."""

    def state(self) -> tuple[State, ...]:
        """No columns of its own."""
        return ()

    def parameters(self, hz: float, size: tuple[float, float], speed_step: float) -> dict[str, Any]:
        """Plain data for `step_columns`."""
        return {
            "model": "free",
            "hz": float(hz),
            "size": [float(side) for side in size],
            "speed_step": float(speed_step),
        }


@attrs.frozen
class Thrust:
    """Thrust, drag and a speed cap; units are the world's, per second.

    `steer` names the input class whose fields dx and dy are the thrust, `dash_input` the one-shot
    that dashes: with these in the schema, any client can predict the motion.
    """

    accel: float
    drag: float
    max_speed: float
    dash: Dash | None = None
    steer: type | None = None
    dash_input: type | None = None

    def state(self) -> tuple[State, ...]:
        """The thrust that is held, and with a dash its request and its two timers in steps."""
        thrust = tuple(State(name, -1.0, 1.0, THRUST_STEP) for name in ("thrust_x", "thrust_y"))
        if self.dash is None:
            return thrust
        timers = tuple(State(name, 0.0, _TIMER_MAX, 1.0) for name in ("dash_left", "dash_wait"))
        return (*thrust, State("dash", 0.0, 1.0, 1.0), *timers)

    def parameters(self, hz: float, size: tuple[float, float], speed_step: float) -> dict[str, Any]:
        """Plain data for `step_columns` and for the schema. Raises ValueError on nonsense."""
        if self.accel <= 0 or self.max_speed <= 0 or not 0 <= self.drag < hz:
            raise ValueError(
                "Thrust needs accel and max_speed above 0 and a drag of 0 to below hz."
            )
        dash = self.dash or Dash(factor=0.0, seconds=0.0, cooldown=0.0)
        return Free().parameters(hz, size, speed_step) | {
            "model": "thrust",
            "accel": float(self.accel),
            "drag": float(self.drag),
            "max_speed": float(self.max_speed),
            "dash_factor": float(dash.factor),
            "dash_steps": int(dash.seconds * hz + 0.5),
            "dash_wait_steps": int(dash.cooldown * hz + 0.5),
            "input": self.steer.__name__ if self.steer else None,
            "dash_input": self.dash_input.__name__ if self.dash_input else None,
        }


@attrs.frozen
class Heading:
    """One speed in the direction that a public field says: a turn is sent as one byte.

    `field` names a quant float of n <= 256 wire steps. Its wire step k is the direction k / n of a
    full circle, anticlockwise from +x; with `still`, the last one stands still and the others share
    the circle. The engine sets vx and vy at the end of each step, to what the field then says; a
    game reads them and sets the field.

    A velocity that is told by its heading alone cannot be slowed at the world's edge: who pushes
    against it is held inside, and has a new course in every step, each of them sent. So games
    should turn their walkers round before the edge.
    """

    speed: float
    field: str = "heading"
    still: bool = False

    def state(self) -> tuple[State, ...]:
        """No columns of its own: the field is the game's."""
        return ()

    def parameters(self, hz: float, size: tuple[float, float], speed_step: float) -> dict[str, Any]:
        """Plain data for the schema, whose course has the tables."""
        return Free().parameters(hz, size, speed_step) | {
            "model": "heading",
            "speed": float(self.speed),
            "field": self.field,
        }


Motion: TypeAlias = Thrust | Free | Heading


def thrust(row: Any, dx: float, dy: float) -> None:
    """Hold this thrust until told otherwise: a direction, at most of length 1."""
    row.thrust_x, row.thrust_y = held_thrust(dx, dy)


def dash(row: Any) -> None:
    """Ask for a burst; the next step grants it unless the last one is too recent."""
    row.dash = 1.0


def held_thrust(dx: float, dy: float) -> tuple[float, float]:
    """The thrust that (dx, dy) asks for: shortened to length 1, at whole multiples of 1/256."""
    square = dx * dx + dy * dy
    scale = 1.0 / float(np.sqrt(square)) if square > 1.0 else 1.0
    return _snapped(dx * scale), _snapped(dy * scale)


def intend(
    parameters: Parameters,
    columns: MutableMapping[str, Array],
    input_name: str,
    values: Mapping[str, float],
) -> None:
    """Apply an input by its name to a predictor's columns, as the game's handler would to a row.

    Inputs that the model does not bind change nothing.
    """
    if input_name == parameters.get("input"):
        held = held_thrust(values["dx"], values["dy"])
        columns["thrust_x"], columns["thrust_y"] = np.array([held[0]]), np.array([held[1]])
    elif input_name == parameters.get("dash_input"):
        columns["dash"] = np.ones(1)


def step_columns(parameters: Parameters, columns: Mapping[str, Array]) -> dict[str, Array]:
    """The columns that one step changes: vx, vy, and the dash's columns if the model has one.

    Not for the model "heading", whose velocities are looked up.
    `columns` holds float64 arrays of one length N (1 for a predictor) named x, y, vx, vy and as in
    `state()`; it is not modified. The module's docstring gives the exact order of operations.
    """
    changed: dict[str, Array] = {}
    vx, vy = columns["vx"], columns["vy"]
    if parameters["model"] == "thrust":
        vx, vy = _thrusted(parameters, columns)
        if "dash" in columns:
            dashing = _dash_timers(parameters, columns, changed)
            vx, vy = _dashed(parameters, columns, dashing, (vx, vy))
    width, height = parameters["size"]
    changed["vx"] = _kept_inside(parameters, columns["x"], vx, width)
    changed["vy"] = _kept_inside(parameters, columns["y"], vy, height)
    return changed


def edge_reach(parameters: Parameters, fastest: float) -> float:
    """How near an edge must be for point 6 to change a velocity of at most `fastest`.

    A little more, so that rounding in point 6 cannot matter.
    """
    reach: float = fastest / parameters["hz"] * (1.0 + 2.0**-40)
    return reach


def _thrusted(parameters: Parameters, columns: Mapping[str, Array]) -> tuple[Array, Array]:
    """Points 2 and 3."""
    hz, cap, drag = parameters["hz"], parameters["max_speed"], parameters["drag"]
    push = parameters["accel"] / hz
    keep = 1.0 - drag / hz
    gain = 256.0 * cap
    if drag > 0:
        gain = min(push * keep / (drag / hz), gain)
    thrust_x, thrust_y = columns["thrust_x"], columns["thrust_y"]
    ax, ay = _capped(
        (columns["vx"] + thrust_x * push) * keep, (columns["vy"] + thrust_y * push) * keep, cap
    )
    wx, wy = _capped(thrust_x * gain, thrust_y * gain, cap)
    dx, dy = wx - ax, wy - ay
    settled = dx * dx + dy * dy <= (push / 2.0) * (push / 2.0)
    return np.where(settled, wx, ax), np.where(settled, wy, ay)


def _dash_timers(
    parameters: Parameters, columns: Mapping[str, Array], changed: dict[str, Array]
) -> npt.NDArray[np.bool_]:
    """Points 1 and 5; says who dashes in this step."""
    wait = np.maximum(columns["dash_wait"] - 1.0, 0.0)
    starts = (columns["dash"] > 0) & (wait == 0)
    left = np.where(starts, float(parameters["dash_steps"]), columns["dash_left"])
    changed["dash_wait"] = np.where(starts, float(parameters["dash_wait_steps"]), wait)
    changed["dash_left"] = np.maximum(left - 1.0, 0.0)
    changed["dash"] = np.zeros_like(left)
    return left > 0


def _dashed(
    parameters: Parameters,
    columns: Mapping[str, Array],
    dashing: npt.NDArray[np.bool_],
    velocity: tuple[Array, Array],
) -> tuple[Array, Array]:
    """Point 4."""
    if not dashing.any():
        return velocity
    thrust_x, thrust_y = columns["thrust_x"], columns["thrust_y"]
    steered = thrust_x * thrust_x + thrust_y * thrust_y > 0
    hx = np.where(steered, thrust_x, columns["vx"])
    hy = np.where(steered, thrust_y, columns["vy"])
    heading = np.sqrt(hx * hx + hy * hy)
    dashing = dashing & (heading > 0)
    scale = (parameters["max_speed"] * parameters["dash_factor"]) / np.where(dashing, heading, 1.0)
    return np.where(dashing, hx * scale, velocity[0]), np.where(dashing, hy * scale, velocity[1])


def _capped(x: Array, y: Array, cap: float) -> tuple[Array, Array]:
    """The vectors, shortened to length `cap` where they are longer."""
    square = x * x + y * y
    over = square > cap * cap
    scale = np.where(over, cap / np.sqrt(np.where(over, square, 1.0)), 1.0)
    return x * scale, y * scale


def _kept_inside(parameters: Parameters, position: Array, speed: Array, side: float) -> Array:
    """Point 6."""
    hz, step = parameters["hz"], parameters["speed_step"]
    ahead, behind = (side - position) * hz, position * hz
    speed = np.floor(speed / step + 0.5) * step
    if not ((speed > ahead) | (speed < -behind)).any():
        return speed
    speed = np.where(speed > ahead, np.floor(ahead / step) * step, speed)
    return np.where(speed < -behind, -(np.floor(behind / step) * step), speed)


def _snapped(value: float) -> float:
    return float(np.floor(value / THRUST_STEP + 0.5)) * THRUST_STEP
