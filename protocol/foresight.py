"""The own avatar's prediction as a client sees it: when to tell the predictor what.

Must not know: the simulation (the predictor comes from outside), sockets.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from protocol.messages import Input
from protocol.replica import Replica
from protocol.schema import InputKind
from protocol.steps import Steps

__all__ = ["Foresight", "Predictor", "PredictorFactory"]


class Predictor(Protocol):
    """What a client needs of `sim.predict.Predictor`; positions in units, times in ticks."""

    tick: int
    corrections: int
    rubber_bands: int
    error: float

    @property
    def predictable(self) -> bool:
        """Whether the kind has a motion model that inputs drive."""

    def apply(self, seq: int, tick: int, name: str, values: Mapping[str, float]) -> None:
        """An input was sent for `tick`."""

    def correct(
        self,
        tick: int,
        step: int,
        course: tuple[int, int, int, int, int],
        private: Mapping[str, float],
        applied: int,
        pace: float,
    ) -> None:
        """The server's state after `tick`, and how many steps a tick brings."""

    def advance(self, tick: int) -> None:
        """Predict up to the end of `tick`."""

    def position(self, tick: float, elapsed_s: float) -> tuple[float, float, float, float] | None:
        """Where to draw the avatar: x, y, vx, vy."""

    def place(self, tick: int) -> tuple[float, float] | None:
        """Where the avatar is at the end of a whole tick: x, y."""


class PredictorFactory(Protocol):
    """Makes a predictor for a kind of a schema."""

    def __call__(self, schema: Mapping[str, Any], kind_index: int, /) -> Predictor:
        """A predictor of the kind's motion."""


class Foresight:
    """Feeds the predictor of one entity of one kind."""

    def __init__(self, predictor: Predictor, entity: int, kind: int) -> None:
        self.predictor = predictor
        self.entity = entity
        self.kind = kind
        self._drawn_at: float | None = None
        self._steps: dict[int, Steps] = {}  # by shard

    @property
    def corrections(self) -> int:
        """How often the server knew better."""
        return self.predictor.corrections

    @property
    def rubber_bands(self) -> int:
        """How often that was drawn as a jump of more than 10 units."""
        return self.predictor.rubber_bands

    @property
    def error(self) -> float:
        """By how many units the last correction moved the prediction; 0 before the first."""
        return self.predictor.error

    def sent(self, entry: Input, form: InputKind) -> None:
        """An input of the kind `form` went out. What the server will read is predicted with."""
        told = zip(form.fields, form.decode(entry.values), strict=True)
        values = {field.name: value for field, value in told if not isinstance(value, str)}
        self.predictor.apply(entry.seq, entry.tick, form.name, values)

    def snapshot(self, replica: Replica, private: Mapping[str, Any], applied: int) -> None:
        """A snapshot was applied: tell the predictor what the server says."""
        for shard, told in replica.tables.items():
            self._steps.setdefault(shard, Steps()).add(told.tick, told.step)
        view = replica.entity(self.entity)
        if view is None or view.course is None or view.held or view.kind != self.kind:
            return
        table = replica.tables[view.shard]
        pace = self._steps[view.shard].pace
        self.predictor.correct(table.tick, table.step, view.course, private, applied, pace)

    def position(self, tick: float, now: float) -> tuple[float, float, float, float] | None:
        """Where to draw the avatar when inputs are sent for `tick`, predicted so far if need be.

        That is a tick less: what an input changes then lies just ahead of what is drawn, so it
        shows at once and without a jump.
        """
        elapsed = 0.0 if self._drawn_at is None else max(now - self._drawn_at, 0.0)
        self._drawn_at = now
        self.predictor.advance(int(tick))
        return self.predictor.position(tick - 1, elapsed)

    def origin(self, tick: int) -> tuple[float, float] | None:
        """Where the avatar stands when an input for `tick` takes effect: at the end of the last."""
        self.predictor.advance(tick)
        return self.predictor.place(tick - 1)
