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
import numpy.typing as npt

from sim import limits
from sim.math import exp, length
from sim.motion import intend, step_columns

Column = npt.NDArray[np.float64]

_HALF_LIFE_SMALL_S: Final = 0.225
_HALF_LIFE_LARGE_S: Final = 0.071  # from a unit on
_LN_2: Final = 0.6931471805599453
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


@attrs.define
class _State:
    course: tuple[int, int, int, int, int]
    columns: dict[str, Column]


class Predictor:
    """Predicts the avatar of one kind. Positions are in units, times in ticks."""

    def __init__(self, schema: Mapping[str, Any], kind_index: int) -> None:
        kind = schema["kinds"][kind_index]
        self._form = kind["course"]
        self._parameters = kind["motion"]
        self._hz = schema["hz"]
        self._jump = schema["jump"]
        self._private = [field["name"] for field in kind["private"]]
        self._state: _State | None = None
        self._authority: Authority | None = None
        self._pending: deque[_Pending] = deque(maxlen=limits.PREDICTED_INPUTS)
        self._path: dict[int, tuple[float, float]] = {}
        self._offset = (0.0, 0.0)
        self.tick = 0
        self.corrections = 0
        self.rubber_bands = 0
        self.error = 0.0

    @property
    def ready(self) -> bool:
        """Whether there is anything to predict and a state to predict it from."""
        return self._state is not None

    @property
    def predictable(self) -> bool:
        """Whether the kind has a motion model that inputs drive."""
        return self._form is not None and self._parameters is not None

    def apply(self, seq: int, tick: int, name: str, values: Mapping[str, float]) -> None:
        """An input was sent for `tick`. One for a tick that is predicted already is replayed."""
        self._pending.append(_Pending(seq, tick, name, values))
        if self._authority is not None and tick <= self.tick:
            self._replay(self._authority, self.tick)

    def correct(
        self,
        tick: int,
        step: int,
        course: tuple[int, int, int, int, int],
        private: Mapping[str, float],
        applied: int,
    ) -> None:
        """The server's state came: go on from it. See `Authority` for what the arguments are."""
        if not self.predictable or any(name not in private for name in self._private):
            return
        known = {name: private[name] for name in self._private}
        authority = Authority(tick, step, course, known, applied)
        if self._authority is not None and authority.tick <= self._authority.tick:
            return
        before = self._drawn_end()
        guess = self._path.get(authority.tick)
        self._authority = authority
        while self._pending and self._pending[0].seq <= authority.applied:
            self._pending.popleft()
        truth = self._replay(authority, max(self.tick, authority.tick))
        self._note_correction(guess, truth, before)
        for old in [old for old in self._path if old < authority.tick]:
            del self._path[old]

    def advance(self, tick: int) -> None:
        """Predict up to the end of `tick`."""
        if self._state is None or tick - self.tick > limits.PREDICTED_TICKS:
            return
        while self.tick < tick:
            self._step(self.tick + 1)

    def position(self, tick: float, elapsed_s: float) -> tuple[float, float, float, float] | None:
        """Where to draw the avatar at a tick with its fraction: x, y, vx, vy; None if unknown.

        `elapsed_s` is the time since the last call, by which the offset decays.
        """
        if self._state is None:
            return None
        self._decay(elapsed_s)
        whole = min(int(tick), self.tick)
        there = self._path.get(whole, self._place(self._state.course, self.tick))
        after = self._path.get(min(whole + 1, self.tick), there)
        part = min(max(tick - whole, 0.0), 1.0)
        speed = self._form["speed_step"]
        return (
            there[0] + (after[0] - there[0]) * part + self._offset[0],
            there[1] + (after[1] - there[1]) * part + self._offset[1],
            self._state.course[2] * speed,
            self._state.course[3] * speed,
        )

    # --- inside ----------------------------------------------------------------------------------

    def _replay(self, authority: Authority, until: int) -> tuple[float, float]:
        """Start over from the authority and step to `until`; gives the authority's place."""
        columns = {name: np.array([value]) for name, value in authority.private.items()}
        # Courses' steps are shifted so that a step's number is its tick's from here on.
        x0, y0, vx, vy, step0 = authority.course
        shifted = (x0, y0, vx, vy, step0 + authority.tick - authority.step)
        self._state = _State(shifted, columns)
        self.tick = authority.tick
        truth = self._path[self.tick] = self._place(shifted, self.tick)
        for tick in [tick for tick in self._path if tick > self.tick]:
            del self._path[tick]
        for tick in range(self.tick + 1, until + 1):
            self._step(tick)
        return truth

    def _step(self, tick: int) -> None:
        state = self._state
        assert state is not None, "Only a known state is stepped."
        first = self._authority is None or tick == self._authority.tick + 1
        for pending in self._pending:
            if pending.tick == tick or (first and pending.tick < tick):
                intend(self._parameters, state.columns, pending.name, pending.values)
        x, y = self._place(state.course, tick - 1)
        speed = self._form["speed_step"]
        columns = state.columns | {
            "x": np.array([x]),
            "y": np.array([y]),
            "vx": np.array([state.course[2] * speed]),
            "vy": np.array([state.course[3] * speed]),
        }
        changed = step_columns(self._parameters, columns)
        velocity = tuple(int(np.floor(changed[axis][0] / speed + 0.5)) for axis in ("vx", "vy"))
        if velocity != state.course[2:4]:
            px, py = self._integers(state.course, tick - 1)
            state.course = (px, py, velocity[0], velocity[1], tick - 1)
        for name, column in changed.items():
            if name in state.columns:
                state.columns[name] = column
        self.tick = tick
        self._path[tick] = self._place(state.course, tick)

    def _integers(self, course: Sequence[int], tick: int) -> tuple[int, int]:
        x0, y0, vx, vy, step0 = course
        num, den = self._form["num"], self._form["den"]
        age = tick - step0
        half = den // 2
        return x0 + (vx * age * num + half) // den, y0 + (vy * age * num + half) // den

    def _place(self, course: Sequence[int], tick: int) -> tuple[float, float]:
        x, y = self._integers(course, tick)
        return x * self._form["step"], y * self._form["step"]

    def _drawn_end(self) -> tuple[float, float] | None:
        end = self._path.get(self.tick)
        return None if end is None else (end[0] + self._offset[0], end[1] + self._offset[1])

    def _note_correction(
        self,
        guess: tuple[float, float] | None,
        truth: tuple[float, float],
        before: tuple[float, float] | None,
    ) -> None:
        if guess is None or before is None or guess == truth:
            return
        self.corrections += 1
        after = self._path[self.tick]
        self._offset = (before[0] - after[0], before[1] - after[1])
        self.error = _length(self._offset)
        if self.error > self._jump:
            self._offset = (0.0, 0.0)  # a teleport: nothing to smooth
        elif self.error > RUBBER_BAND:
            self.rubber_bands += 1

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
