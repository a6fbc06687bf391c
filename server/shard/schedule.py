"""When a shard steps: the slots of the world's schedule, and the announced pattern of dilation.

Tick t begins at start + t / hz, for ever; nothing drifts. A tick runs at most once and never late
by a whole slot: what was missed is skipped, not caught up, since a shard that is behind would only
fall behind further. A shard that cannot keep up skips ticks in a pattern that every receiver can
compute from one number, so that clients slow down with it instead of stuttering.

Must not know: a clock (times are arguments, in seconds of one monotonic clock), trio, shards.
"""

import math
from typing import Final

import attrs

from server.shard import limits

__all__ = ["FULL_SPEED", "Pace", "Schedule", "Slot", "Ticker", "runs"]

FULL_SPEED: Final = 1000  # permille

# Of a slot's time: above the first the shard is overloaded, the second is what it then aims for,
# and it speeds up again only while that would keep it below the third. The gaps between them are
# the hysteresis; the rest of the slot belongs to the gateway and the kernel.
_OVERLOAD: Final = 0.9
_TARGET: Final = 0.75
_RECOVER: Final = 0.8
_MISSED: Final = 0.15  # missed slots per tick that count as overload, whoever used the time
_MISSED_AT_ONCE: Final = 2  # more in a row are a pause, after which the speed is what it was
_SMOOTHING: Final = 1 / 16  # weight of the newest tick: a lone garbage collection does not count
_CALM_S: Final = 2.0  # how long it must go well before the shard speeds up
_SPEED_UP: Final = 9 / 8  # at most, each time


def runs(tick: int, permille: int) -> bool:
    """Whether `tick` runs at `permille` of full speed: evenly spread, as Bresenham draws a line."""
    return tick * permille // FULL_SPEED != (tick - 1) * permille // FULL_SPEED


@attrs.define
class Schedule:
    """The world's slots: tick 0 begins at `start_s`, and `hz` ticks begin in each second.

    Whoever keeps the time may move `start_s` by a little, for all who go by this schedule.
    """

    start_s: float
    hz: int

    def begins_s(self, tick: int) -> float:
        """When `tick` begins."""
        return self.start_s + tick / self.hz

    def tick_at(self, now_s: float) -> int:
        """The newest tick that has begun at `now_s`; negative before the start."""
        tick = math.floor((now_s - self.start_s) * self.hz)
        # The division may round to either side of a slot's beginning; `begins_s` decides.
        if self.begins_s(tick + 1) <= now_s:
            return tick + 1
        return tick if self.begins_s(tick) <= now_s else tick - 1


@attrs.frozen
class Slot:
    """A tick to run, when it begins, and how many that should have run were missed before it."""

    tick: int
    begins_s: float
    missed: int


class Pace:
    """The overrun policy: watches what steps cost and sets the dilation."""

    def __init__(self, hz: int) -> None:
        self._hz = hz
        self._cost_s = 0.0
        self._missed = 0.0
        self._calm_ticks = 0
        self.permille = FULL_SPEED

    @property
    def cost_s(self) -> float:
        """What a step costs, smoothed."""
        return self._cost_s

    @property
    def load(self) -> float:
        """The share of all time that goes into steps at the present speed."""
        return self._cost_s * self._hz * self.permille / FULL_SPEED

    def observe(self, cost_s: float, missed: int) -> None:
        """Note what the newest tick cost and how many were missed before it; adapt the speed."""
        self._cost_s += (cost_s - self._cost_s) * _SMOOTHING
        self._missed += (min(missed, _MISSED_AT_ONCE) - self._missed) * _SMOOTHING
        if self.load > _OVERLOAD or self._missed > _MISSED:
            self._slow_down()
        elif self.permille < FULL_SPEED:
            self._calm_ticks += 1
            if self._calm_ticks >= _CALM_S * self._hz * self.permille / FULL_SPEED:
                self._speed_up()

    def _slow_down(self) -> None:
        bearable = self.permille / (1 + self._missed)
        if self.load > _TARGET:
            bearable = min(bearable, self.permille * _TARGET / self.load)
        self.permille = max(limits.DILATION_FLOOR, int(bearable))
        self._missed = 0.0  # those were missed at the former speed
        self._calm_ticks = 0

    def _speed_up(self) -> None:
        self._calm_ticks = 0
        faster = min(_SPEED_UP, _RECOVER / self.load) if self.load > 0 else _SPEED_UP
        if faster > 1:
            self.permille = min(FULL_SPEED, math.ceil(self.permille * faster))


class Ticker:
    """Hands out the slots to run, each at most once and in order."""

    def __init__(self, schedule: Schedule, *, last: int = 0) -> None:
        self.schedule = schedule
        self.last = last

    def next_slot(self, now_s: float, permille: int = FULL_SPEED) -> Slot:
        """The slot to run next: the one that is on now, or else the first to come.

        It counts as run. `permille` is the announced speed; slots that its pattern leaves out are
        neither run nor missed.
        """
        tick = max(self.last + 1, self.schedule.tick_at(now_s))
        while not runs(tick, permille):
            tick += 1
        missed = _planned(tick - 1, permille) - _planned(self.last, permille)
        self.last = tick
        return Slot(tick, self.schedule.begins_s(tick), missed)


def _planned(tick: int, permille: int) -> int:
    """How many of the ticks up to and including `tick` run at `permille`, up to a constant."""
    return tick * permille // FULL_SPEED
