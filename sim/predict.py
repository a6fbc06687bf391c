"""Prediction of one's own avatar: the server's step function, run ahead on one row.

Built from the schema's plain data alone, so it predicts any game that binds a built-in motion to
its inputs. The state is the server's, in its integers: a course, and the model's private columns.
Each authoritative state replaces the predicted one, and the inputs that it does not yet contain are
replayed; what is drawn keeps a render offset that decays, so a correction never jumps and the
simulated state is never smoothed.

It must not know messages, clocks or how states travel. Source of the decay: Gaffer on Games.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import numpy as np

from sim import limits
from sim.math import exp, length
from sim.motion import intend, step_columns

_HALF_LIFE_SMALL_S: Final = 0.225
_HALF_LIFE_LARGE_S: Final = 0.071  # from a unit on
_LN_2: Final = 0.6931471805599453
# What `step_columns` reads and changes besides the motion; other private columns are not ours.
_MODEL: Final = frozenset({"thrust_x", "thrust_y", "dash", "dash_left", "dash_wait"})
RUBBER_BAND: Final = 10.0  # units; a drawn correction above is felt


@attrs.frozen
class Authority:
    """The avatar's state after `tick`: its course at `step`, and its private columns by name.

    `applied` is the newest input that it contains.
    """

    tick: int
    step: int
    course: tuple[int, int, int, int, int]
    private: Mapping[str, float]
    applied: int


@attrs.frozen
class _Pending:
    seq: int
    tick: int
    name: str
    values: Mapping[str, float]


@attrs.frozen
class _State:
    """After one tick: a course whose steps are numbered as ticks, and the model's columns."""

    course: tuple[int, int, int, int, int]
    columns: Mapping[str, float]


class Predictor:
    """Predicts the avatar of one kind. Positions are in units, times in ticks."""

    def __init__(self, schema: Mapping[str, Any], kind_index: int) -> None:
        kind = schema["kinds"][kind_index]
        self._form = kind["course"]
        self._parameters = kind["motion"]
        self._jump = schema["jump"]
        self._columns = [name for field in kind["private"] if (name := field["name"]) in _MODEL]
        self._authority: Authority | None = None
        self._pending: deque[_Pending] = deque(maxlen=limits.PREDICTED_INPUTS)
        self._states: dict[int, _State] = {}  # from the authority's tick to the predicted one
        self._offset = (0.0, 0.0)
        self._drawn: float | None = None
        self.tick = 0
        self.corrections = 0
        self.rubber_bands = 0
        self.error = 0.0

    @property
    def ready(self) -> bool:
        """Whether there is anything to predict and a state to predict it from."""
        return self._authority is not None

    @property
    def predictable(self) -> bool:
        """Whether the kind has a motion model that inputs drive."""
        return self._form is not None and (self._parameters or {}).get("model") == "thrust"

    @property
    def offset(self) -> tuple[float, float]:
        """What is drawn lies so far from what is predicted, in units; it decays."""
        return self._offset

    def apply(self, seq: int, tick: int, name: str, values: Mapping[str, float]) -> None:
        """An input was sent for `tick`. For a tick that is predicted already it is replayed."""
        self._pending.append(_Pending(seq, tick, name, values))
        if self._authority is None or tick > self.tick:
            return
        before = self._drawn_place()
        self._replay(max(tick - 1, self._authority.tick))
        self._keep_drawn(before)

    def correct(
        self,
        tick: int,
        step: int,
        course: tuple[int, int, int, int, int],
        private: Mapping[str, float],
        applied: int,
    ) -> None:
        """The server's state came: go on from it. See `Authority` for what the arguments are.

        If it is what was predicted, nothing is computed anew. What is older than the last is
        ignored, and so is a state whose private columns are not all known.
        """
        if not self.predictable or any(name not in private for name in self._columns):
            return
        known = {name: private[name] for name in self._columns}
        authority = Authority(tick, step, course, known, applied)
        if self._authority is not None and authority.tick <= self._authority.tick:
            return
        while self._pending and self._pending[0].seq <= authority.applied:
            self._pending.popleft()
        # Courses' steps are shifted so that a step's number is its tick's from here on.
        x0, y0, vx, vy, step0 = authority.course
        state = _State((x0, y0, vx, vy, step0 + authority.tick - authority.step), known)
        guess = self._states.get(authority.tick)
        self._authority = authority
        if guess is None or not self._same(guess, state, authority.tick):
            self._go_on_from(state, authority.tick, guess)
        for old in [old for old in self._states if old < authority.tick]:
            del self._states[old]

    def advance(self, tick: int) -> None:
        """Predict up to the end of `tick`, not too far ahead of what the server said."""
        if self._authority is None:
            return
        until = min(tick, self._authority.tick + limits.PREDICTED_TICKS)
        while self.tick < until:
            self._step(self.tick + 1)

    def position(self, tick: float, elapsed_s: float) -> tuple[float, float, float, float] | None:
        """Where to draw the avatar at a tick with its fraction: x, y, vx, vy; None if unknown.

        `elapsed_s` is the time since the last call, by which the offset decays.
        """
        if self._authority is None:
            return None
        self._decay(elapsed_s)
        self._drawn = tick
        x, y = self._place_at(tick)
        _, _, vx, vy, _ = self._states[self._known(int(tick) + 1)].course
        speed = self._form["speed_step"]
        return x + self._offset[0], y + self._offset[1], vx * speed, vy * speed

    def place(self, tick: int) -> tuple[float, float] | None:
        """Where the avatar is at the end of `tick`, as far as it is predicted; None if unknown.

        It is the simulation's own place, whatever is drawn: what the avatar does in the next tick
        begins there.
        """
        if self._authority is None:
            return None
        known = self._known(tick)
        return self._place(self._states[known].course, known)

    # --- the state -------------------------------------------------------------------------------

    def _go_on_from(self, state: _State, tick: int, guess: _State | None) -> None:
        """Snap to the server's state and replay; the offset hides the jump."""
        before = self._drawn_place() if guess is not None else None
        until = max(self.tick, tick)
        self._states[tick] = state
        self.tick = until
        self._replay(tick)
        if guess is None:
            return
        if self._moves(guess, tick) != self._moves(state, tick):
            self.corrections += 1
        self.error = self._keep_drawn(before)
        if self.error > self._jump:
            self._offset = (0.0, 0.0)  # a teleport: nothing to smooth
        elif self.error > RUBBER_BAND:
            self.rubber_bands += 1

    def _replay(self, tick: int) -> None:
        """Step again from the end of `tick` to where the prediction was."""
        until, self.tick = self.tick, tick
        while self.tick < until:
            self._step(self.tick + 1)

    def _step(self, tick: int) -> None:
        state, authority = self._states[tick - 1], self._authority
        assert authority is not None, "Only a known state is stepped."
        columns = {name: np.array([value]) for name, value in state.columns.items()}
        first = tick == authority.tick + 1
        for pending in self._pending:
            if pending.tick == tick or (first and pending.tick < tick):
                intend(self._parameters, columns, pending.name, pending.values)
        x, y = self._place(state.course, tick - 1)
        speed = self._form["speed_step"]
        velocity = {
            "vx": np.array([state.course[2] * speed]),
            "vy": np.array([state.course[3] * speed]),
        }
        place = {"x": np.array([x]), "y": np.array([y])}
        columns |= step_columns(self._parameters, columns | place | velocity)
        vx, vy = (int(np.floor(columns.pop(axis)[0] / speed + 0.5)) for axis in ("vx", "vy"))
        course = state.course
        if (vx, vy) != course[2:4]:
            course = (*self._integers(course, tick - 1), vx, vy, tick - 1)
        self._states[tick] = _State(course, {name: float(c[0]) for name, c in columns.items()})
        self.tick = tick

    def _same(self, one: _State, other: _State, tick: int) -> bool:
        return one.columns == other.columns and self._moves(one, tick) == self._moves(other, tick)

    def _moves(self, state: _State, tick: int) -> tuple[int, ...]:
        """Place and velocity in integers: the same course may be told from different steps."""
        return (*self._integers(state.course, tick), *state.course[2:4])

    def _integers(self, course: Sequence[int], tick: int) -> tuple[int, int]:
        x0, y0, vx, vy, step0 = course
        num, den = self._form["num"], self._form["den"]
        age = tick - step0
        half = den // 2
        return x0 + (vx * age * num + half) // den, y0 + (vy * age * num + half) // den

    def _place(self, course: Sequence[int], tick: int) -> tuple[float, float]:
        x, y = self._integers(course, tick)
        return x * self._form["step"], y * self._form["step"]

    # --- what is drawn ---------------------------------------------------------------------------

    def _known(self, tick: int) -> int:
        assert self._authority is not None
        return min(max(tick, self._authority.tick), self.tick)

    def _place_at(self, tick: float) -> tuple[float, float]:
        whole = int(tick)
        before, after = self._known(whole), self._known(whole + 1)
        x, y = self._place(self._states[before].course, before)
        ahead_x, ahead_y = self._place(self._states[after].course, after)
        part = tick - whole
        return x + (ahead_x - x) * part, y + (ahead_y - y) * part

    def _drawn_place(self) -> tuple[float, float] | None:
        """What the screen shows, offset included; None before anything was drawn."""
        if self._drawn is None:
            return None
        x, y = self._place_at(self._drawn)
        return x + self._offset[0], y + self._offset[1]

    def _keep_drawn(self, before: tuple[float, float] | None) -> float:
        """Choose the offset so that what is drawn stays; gives how far the prediction moved."""
        if before is None or self._drawn is None:
            return 0.0
        x, y = self._place_at(self._drawn)
        moved = _length((before[0] - self._offset[0] - x, before[1] - self._offset[1] - y))
        self._offset = (before[0] - x, before[1] - y)
        return moved

    def _decay(self, elapsed_s: float) -> None:
        size = _length(self._offset)
        if size < 1e-3:
            self._offset = (0.0, 0.0)
            return
        share = min(size, 1.0)
        half_life = _HALF_LIFE_SMALL_S + (_HALF_LIFE_LARGE_S - _HALF_LIFE_SMALL_S) * share
        keep = float(exp(-_LN_2 * elapsed_s / half_life))
        self._offset = (self._offset[0] * keep, self._offset[1] * keep)


def _length(vector: tuple[float, float]) -> float:
    return float(length(vector[0], vector[1]))
