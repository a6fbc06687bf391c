"""How a recording is played: where it is, how fast it goes, whether it stands still.

Whoever watches from a terminal presses keys, the page asks by an action; both do the same.

Must not know: shards, frames, trio.
"""

import math
from typing import Final

import attrs

from server.net.action import Action, Told

__all__ = ["REPLAY_ACTION", "SPEEDS", "Deck"]

REPLAY_ACTION: Final = "/replay"  # where the page tells of it and asks for something else
SPEEDS: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_PAUSE, _SLOWER, _FASTER, _STEP = " ", "-", "+", "."
_KEYS: Final = {"1": 1.0, "2": 2.0, "4": 4.0, "8": 8.0}


@attrs.define
class Deck:
    """Plays the ticks after `tick` up to `last`; `first` is where the recording begins.

    `hz` is how many ticks of it are a second. At a speed above 1 a slot has several ticks, below 1
    not every slot has one.
    """

    first: int
    last: int
    hz: int
    tick: int
    speed: float = 1.0
    paused: bool = False
    _single: int = 0
    _owed: float = 0.0  # of a tick, at a speed below 1

    @property
    def ended(self) -> bool:
        """Whether nothing is left to play."""
        return self.tick >= self.last

    def due(self) -> int:
        """How many ticks the present slot has; single ones that were asked for are done then."""
        self._owed = self._single if self.paused else self._owed + self.speed
        self._single = 0
        ahead = int(self._owed)
        self._owed -= ahead
        return min(ahead, self.last - self.tick)

    # --- what may be asked for -------------------------------------------------------------------

    def press(self, key: str) -> None:
        """Do what a key means; others mean nothing."""
        if key == _PAUSE:
            self.paused = not self.paused
        elif key in {_SLOWER, _FASTER}:
            place = SPEEDS.index(self.speed) + (1 if key == _FASTER else -1)
            self.speed = SPEEDS[min(max(place, 0), len(SPEEDS) - 1)]
        elif key == _STEP:
            self.step()
        elif key in _KEYS:
            self.speed = _KEYS[key]

    def step(self) -> None:
        """Go one tick on; that pauses what is running."""
        self._single += self.paused
        self.paused = True

    @property
    def action(self) -> Action:
        """For the page: GET tells how it is played; POST takes `paused`, `speed` and `step`."""
        return Action(tell=self.tell, act=self.wish)

    def tell(self) -> Told:
        """How it is played, as plain data."""
        return {
            "tick": self.tick,
            "first": self.first,
            "last": self.last,
            "hz": self.hz,
            "speed": self.speed,
            "speeds": list(SPEEDS),
            "paused": self.paused,
            "ended": self.ended,
        }

    def wish(self, wish: Told) -> tuple[int, Told]:
        """Do what is asked for, all or nothing of it; HTTP's status and what to say."""
        paused, speed = wish.get("paused", self.paused), wish.get("speed", self.speed)
        step = wish.get("step", False)
        if not wish or wish.keys() - {"paused", "speed", "step"}:
            return 400, {"error": "there are paused, speed and step"}
        if type(paused) is not bool or type(step) is not bool:
            return 400, {"error": "paused and step are true or false"}
        if type(speed) not in {int, float} or speed not in SPEEDS:
            return 400, {"error": f"speed is one of {', '.join(map(_plain, SPEEDS))}"}
        self.paused, self.speed = paused, float(speed)
        if step:
            self.step()
        return 200, self.tell()

    # --- for people ------------------------------------------------------------------------------

    def line(self) -> str:
        """How it is played, in words."""
        state = "ended" if self.ended else "paused" if self.paused else "playing"
        return (
            f"{state} {_plain(self.speed)}x · {self._clock(self.tick)} of {self._clock(self.last)}"
            f" · tick {self.tick} of {self.last}"
        )

    def _clock(self, tick: int) -> str:
        seconds = math.ceil(max(tick - self.first, 0) / self.hz)
        return f"{seconds // 60}:{seconds % 60:02}"


def _plain(speed: float) -> str:
    return f"{speed:g}"
