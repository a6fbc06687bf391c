"""Prediction of one's own avatar: the server's step function, run ahead on one row.

Built from the schema's plain data alone, so it predicts any game that binds a built-in motion to
its inputs. The state is the server's, in its integers: a course, and the model's private columns.
Each authoritative state replaces the predicted one, and the inputs that it does not yet contain are
replayed; what is drawn keeps a render offset that decays, so a correction never jumps and the
simulated state is never smoothed.

In dilated time the shard skips ticks, and the avatar is stepped and drawn at that pace: ticks lie
on a straight line over steps. At full speed the line is the ticks themselves, to the bit.

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
    """What the server said last: at `tick` the shard had done `step`, and goes on at `pace` steps a
    tick. `number` is the step's here: ticks since the first word, without those that were skipped.
    """

    tick: int
    step: int
    number: int
    pace: float


@attrs.frozen
class _Pending:
    seq: int
    tick: int
    name: str
    values: Mapping[str, float]


@attrs.frozen
class _State:
    """After one step: a course whose steps are numbered as here, and the model's columns."""

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
        self._states: dict[int, _State] = {}  # by number, from the authority's to the last one
        self._last = 0
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
        if self._authority is None:
            return
        number = self._effective(tick)
        if number > self._last:
            return
        before = self._drawn_place()
        self._replay(number - 1, self._last)
        self._keep_drawn(before)

    def correct(
        self,
        tick: int,
        step: int,
        course: tuple[int, int, int, int, int],
        private: Mapping[str, float],
        applied: int,
        pace: float = 1.0,
    ) -> None:
        """The server's state after `tick` came: go on from it.

        It is the avatar's course at the shard's `step`, its private columns by name, and the newest
        input that they contain. `pace` is how many steps a tick brings from here on. If this is
        what was predicted, nothing is computed anew. What is older than the last is ignored, and so
        is a state whose private columns are not all known.
        """
        if not self.predictable or any(name not in private for name in self._columns):
            return
        last = self._authority
        if last is not None and tick <= last.tick:
            return
        while self._pending and self._pending[0].seq <= applied:
            self._pending.popleft()
        number = tick if last is None else last.number + _steps_since(last, tick, step)
        x0, y0, vx, vy, step0 = course
        known = {name: private[name] for name in self._columns}
        state = _State((x0, y0, vx, vy, step0 + number - step), known)
        authority = Authority(tick, step, number, pace)
        if last is None or not self._confirmed(state, authority, last):
            self._go_on_from(state, authority)
        self._authority = authority
        for old in [old for old in self._states if old < number]:
            del self._states[old]

    def advance(self, tick: int) -> None:
        """Predict up to the end of `tick`, not too far ahead of what the server said."""
        if self._authority is None:
            return
        until = min(tick, self._authority.tick + limits.PREDICTED_TICKS)
        if until > self.tick:
            self.tick = until
            self._replay(self._last, self._needed(until))

    def position(self, tick: float, elapsed_s: float) -> tuple[float, float, float, float] | None:
        """Where to draw the avatar at a tick with its fraction: x, y, vx, vy; None if unknown.

        `elapsed_s` is the time since the last call, by which the offset decays.
        """
        if self._authority is None:
            return None
        self._decay(elapsed_s)
        self._drawn = tick
        x, y = self._place_at(tick)
        _, _, vx, vy, _ = self._states[self._known(_floor(self._number(tick)) + 1)].course
        speed = self._form["speed_step"] * self._authority.pace
        return x + self._offset[0], y + self._offset[1], vx * speed, vy * speed

    def place(self, tick: int) -> tuple[float, float] | None:
        """Where the avatar is at the end of `tick`, as far as it is predicted; None if unknown.

        It is the simulation's own place, whatever is drawn: what the avatar does in the next tick
        begins there.
        """
        if self._authority is None:
            return None
        known = self._known(self._done(tick))
        return self._place(self._states[known].course, known)

    # --- the state -------------------------------------------------------------------------------

    def _number(self, tick: float) -> float:
        """The number of the step at a tick with its fraction, on the line."""
        assert self._authority is not None, "there is no line before the server's first word"
        return self._authority.number + (tick - self._authority.tick) * self._authority.pace

    def _done(self, tick: int) -> int:
        """The number of the last step that is done at the end of `tick`, as far as one can say.

        Where in its pattern the shard was at its last word is not known: in the middle, then.
        """
        assert self._authority is not None, "there is no line before the server's first word"
        return _floor(self._number(tick) + self._authority.pace / 2)

    def _effective(self, tick: int) -> int:
        """The number of the step in which an input for `tick` takes effect."""
        assert self._authority is not None, "there is no line before the server's first word"
        return max(self._done(tick - 1), self._authority.number) + 1

    def _needed(self, tick: int) -> int:
        """The number of the step up to which one predicts to draw `tick`."""
        return -_floor(-self._number(tick))

    def _confirmed(self, state: _State, authority: Authority, last: Authority) -> bool:
        """Whether the server's state, and the tick at which it came, are what was predicted."""
        number = authority.number
        guess = self._states.get(number)
        if guess is None or last.pace != authority.pace or self._number(authority.tick) != number:
            return False
        return self._same(guess, state, number)

    def _go_on_from(self, state: _State, authority: Authority) -> None:
        """Snap to the server's state and replay; the offset hides the jump."""
        last, before, guess = self._authority, self._drawn_place(), None
        if last is not None:
            # Half a step of a dilated pattern is no surprise; a tick that was skipped is one.
            expected = self._number(authority.tick)
            is_near = abs(expected - authority.number) < 1
            number = authority.number if is_near else _floor(expected + 0.5)
            guess = self._states.get(number)
        if guess is not None and self._moves(guess, number) != self._moves(state, authority.number):
            self.corrections += 1
        self._authority = authority
        self._states = {authority.number: state}
        self.tick = max(self.tick, authority.tick)
        self._replay(authority.number, max(self._needed(self.tick), authority.number))
        if guess is None:
            return
        self.error = self._keep_drawn(before)
        if self.error > self._jump:
            self._offset = (0.0, 0.0)  # a teleport: nothing to smooth
        elif self.error > RUBBER_BAND:
            self.rubber_bands += 1

    def _replay(self, number: int, until: int) -> None:
        """Step from after step `number` to after step `until`."""
        self._last = until
        for each in range(number + 1, until + 1):
            self._step(each)

    def _step(self, number: int) -> None:
        state = self._states[number - 1]
        columns = {name: np.array([value]) for name, value in state.columns.items()}
        for pending in self._pending:
            if self._effective(pending.tick) == number:
                intend(self._parameters, columns, pending.name, pending.values)
        x, y = self._place(state.course, number - 1)
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
            course = (*self._integers(course, number - 1), vx, vy, number - 1)
        self._states[number] = _State(course, {name: float(c[0]) for name, c in columns.items()})

    def _same(self, one: _State, other: _State, number: int) -> bool:
        moves = self._moves(one, number)
        return one.columns == other.columns and moves == self._moves(other, number)

    def _moves(self, state: _State, number: int) -> tuple[int, ...]:
        """Place and velocity in integers: the same course may be told from different steps."""
        return (*self._integers(state.course, number), *state.course[2:4])

    def _integers(self, course: Sequence[int], number: int) -> tuple[int, int]:
        x0, y0, vx, vy, step0 = course
        num, den = self._form["num"], self._form["den"]
        age = number - step0
        half = den // 2
        return x0 + (vx * age * num + half) // den, y0 + (vy * age * num + half) // den

    def _place(self, course: Sequence[int], number: int) -> tuple[float, float]:
        x, y = self._integers(course, number)
        return x * self._form["step"], y * self._form["step"]

    # --- what is drawn ---------------------------------------------------------------------------

    def _known(self, number: int) -> int:
        assert self._authority is not None
        return min(max(number, self._authority.number), self._last)

    def _place_at(self, tick: float) -> tuple[float, float]:
        number = self._number(tick)
        whole = _floor(number)
        before, after = self._known(whole), self._known(whole + 1)
        x, y = self._place(self._states[before].course, before)
        ahead_x, ahead_y = self._place(self._states[after].course, after)
        part = number - whole
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


def _steps_since(last: Authority, tick: int, step: int) -> int:
    """How many steps the server has done since its last word; another shard counts differently."""
    passed, done = tick - last.tick, step - last.step
    return done if 0 < done <= passed else passed


def _floor(number: float) -> int:
    return int(number // 1)


def _length(vector: tuple[float, float]) -> float:
    return float(length(vector[0], vector[1]))
