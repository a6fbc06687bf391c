"""`shoal replay --verify`: a recording stepped through at full speed and compared."""

import sys
import time
from functools import partial
from typing import Any, Final

import attrs
import trio

from server.recording.pieces import RecordingError
from server.recording.recording import Recording
from server.recording.replayer import DivergedError, Replayer
from server.replay.service import wind
from sim.game import Game

__all__ = ["Progress", "Verdict", "verify"]

QUIET_S: Final = 2.0  # what takes no longer says nothing in between
EVERY_S: Final = 1.0


@attrs.frozen
class Verdict:
    """What came of it. `diverged` is where it led elsewhere, None if that never happened."""

    recording: Recording
    ticks: int
    shards: int
    steps: int
    seconds: float
    diverged: DivergedError | None

    def to_data(self) -> dict[str, Any]:
        """Plain data for a program."""
        told = {
            "ticks": self.ticks,
            "shards": self.shards,
            "steps": self.steps,
            "ticks_per_s": round(self.ticks / max(self.seconds, 1e-9), 1),
            "complete": not self.recording.shortfall,
            "identical": self.diverged is None,
        }
        if self.diverged is not None:
            shard, tick, step, columns = attrs.astuple(_Place.of(self.diverged))
            told |= {"shard": shard, "tick": tick, "step": step, "columns": columns}
        return told

    def sentence(self) -> str:
        """The same for a person."""
        if self.diverged is not None:
            return f"{self.recording.name}: {self.diverged}"
        return (
            f"{self.recording.name}: {self.ticks} ticks of {self.shards} shards, "
            f"{self.ticks / max(self.seconds, 1e-9):.0f} ticks/s: identical"
        )


@attrs.frozen
class _Place:
    shard: int
    tick: int
    step: int
    columns: list[str]

    @classmethod
    def of(cls, error: DivergedError) -> "_Place":
        return cls(error.shard, error.tick, error.step, list(error.columns))


class Progress:
    """Lines on standard error while something takes long."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._began = self._said = time.perf_counter()
        self._first: int | None = None

    def __call__(self, tick: int) -> None:
        """Note how far it is."""
        now = time.perf_counter()
        self._first = tick if self._first is None else self._first
        if now - self._began < QUIET_S or now - self._said < EVERY_S:
            return
        self._said = now
        pace = (tick - self._first) / (now - self._began)
        print(f"tick {tick} of {self._last}, {pace:.0f} ticks/s", file=sys.stderr, flush=True)


def verify(game: Game, recording: Recording) -> Verdict:
    """Step through all of it. RecordingError when it cannot be, or holds nothing to compare."""
    began = time.perf_counter()
    replayer = Replayer(game, recording)
    first = replayer.tick
    diverged = None
    try:
        trio.run(partial(wind, replayer, recording.last, Progress(recording.last)))
    except DivergedError as error:
        diverged = error
    if diverged is None and not replayer.compared:
        raise RecordingError(f"{recording.name} holds no checksums to verify it by")
    seconds = time.perf_counter() - began
    ticks, shards = replayer.tick - first, len(replayer.shards)
    return Verdict(recording, ticks, shards, replayer.steps, seconds, diverged)
