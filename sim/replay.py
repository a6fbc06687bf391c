"""Recording a run and running it again.

What it is: `Recorder` keeps a world's beginning and what each of its steps consumed; `replay` does
the same steps from the same beginning and compares the state after each.

Invariants: a replay that ends has reached the recorded checksum in every step. One that differs
stops at the first tick that does, and names the columns.

It must not know files or journals.
"""

from collections.abc import Iterable, Iterator, Sequence

import attrs
import cbor2

from sim.engine import TickInput, TickOutput
from sim.errors import EngineError
from sim.game import Game
from sim.world import World


@attrs.frozen
class RecordedStep:
    """What one step consumed, who departed after it, and the digests of the state after that."""

    given: bytes
    departed: tuple[int, ...]
    digests: dict[str, int]


@attrs.frozen
class Recording:
    """A run: the code that it ran under, a checkpoint, and steps."""

    code: str
    start: bytes
    steps: tuple[RecordedStep, ...]

    def to_bytes(self) -> bytes:
        """The whole as bytes."""
        steps = [[step.given, list(step.departed), step.digests] for step in self.steps]
        return cbor2.dumps([self.code, self.start, steps])

    @classmethod
    def from_bytes(cls, data: bytes) -> "Recording":
        """What `to_bytes` gave. Raises EngineError on anything else."""
        try:
            code, start, steps = cbor2.loads(data)
            read = (RecordedStep(given, tuple(gone), sums) for given, gone, sums in steps)
            return cls(code, start, tuple(read))
        except (cbor2.CBORDecodeError, TypeError, ValueError) as error:
            raise EngineError("These bytes are not a recording.") from error


class DivergenceError(EngineError):
    """A replay differs from what was recorded: at `tick` and `step`, first, in `columns`."""

    def __init__(self, tick: int, step: int, columns: Sequence[str]) -> None:
        named = ", ".join(columns)
        super().__init__(
            f"The replay differs at tick {tick} (step {step}) for the first time, in {named}."
        )
        self.tick = tick
        self.step = step
        self.columns = tuple(columns)


class Recorder:
    """Steps a world and keeps what it consumed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._start = world.checkpoint()
        self._steps: list[RecordedStep] = []

    def advance(self, given: TickInput) -> TickOutput:
        """One step, recorded."""
        output = self.world.advance(given)
        self._steps.append(RecordedStep(given.to_bytes(), (), self.world.digests()))
        return output

    def depart(self, ids: Sequence[int]) -> list[bytes]:
        """Cut entities out after a step, recorded with it."""
        last = self._steps.pop()
        bodies = self.world.depart(ids)
        departed = (*last.departed, *ids)
        self._steps.append(RecordedStep(last.given, departed, self.world.digests()))
        return bodies

    def finish(self) -> Recording:
        """What was recorded so far."""
        return Recording(self.world.game.code, self._start, tuple(self._steps))


def replay(game: Game, recording: Recording) -> World:
    """Run a recording to its end. Raises DivergenceError, and EngineError for other code."""
    for world in replay_steps(game, recording):
        last = world
    return last


def replay_steps(game: Game, recording: Recording) -> Iterator[World]:
    """The world at the recording's beginning and after each step, for those who watch it."""
    if recording.code != game.code:
        raise EngineError(
            f"This was recorded under other code ({recording.code}, now {game.code}): its steps "
            "would lead elsewhere."
        )
    world = World.restore(game, recording.start)
    yield world
    for step in recording.steps:
        world.advance(TickInput.from_bytes(step.given))
        world.depart(step.departed)
        differing = differences(step.digests, world.digests())
        if differing:
            raise DivergenceError(world.tick, world.step, differing)
        yield world


def differences(recorded: dict[str, int], found: dict[str, int]) -> list[str]:
    """The columns whose digests differ."""
    names: Iterable[str] = recorded | found
    return [name for name in names if recorded.get(name) != found.get(name)]
