"""The engine's seam to the server: what goes into a step and what comes out of it, as plain data.

What it is: `TickInput`, everything that one step consumes, which can be written to bytes and read
back, so that a list of them replays a run; `TickOutput`; `Export`, the columns of one kind as they
are replicated.

Invariants: `TickInput.from_bytes(given.to_bytes())` steps a world to the same state as `given`.

It must not know worlds.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import attrs
import cbor2
import numpy as np
import numpy.typing as npt

from sim.courses import Course
from sim.errors import EngineError
from sim.fields import Column
from sim.ghosts import Ghosts

__all__ = [
    "CommandIn",
    "EmittedEvent",
    "Export",
    "Ghosts",
    "InputIn",
    "Outgoing",
    "Score",
    "TickInput",
    "TickOutput",
]


class InputIn(NamedTuple):
    """A player's input: its kind's index, its wire values, and what was on the player's screen.

    `view` is the rendered tick times 256, 0 if it is not known.
    """

    session: int
    kind: int
    values: Sequence[Any]
    view: int


class CommandIn(NamedTuple):
    """What is to be done to an entity; nothing happens if it is not here."""

    target: int
    name: str
    args: Mapping[str, Any]


class Outgoing(NamedTuple):
    """A command for an entity, here or elsewhere: its owner does it in a later step."""

    target: int
    name: str
    args: dict[str, Any]


class Score(NamedTuple):
    """A row of the scoreboard."""

    entity: int
    name: str
    score: int


@attrs.frozen(eq=False)
class TickInput:
    """Everything that the step of one tick consumes. Lists hold tuples or their named twins.

    `arrivals` are entities that `World.depart` cut out elsewhere, each with its age: the ticks
    since the cut, at least 1. `ghosts` is the whole set of this tick.
    """

    tick: int
    step: int
    joins: Sequence[tuple[int, str]] = ()
    leaves: Sequence[int] = ()
    inputs: Sequence[InputIn | tuple[int, int, Sequence[Any], int]] = ()
    commands: Sequence[CommandIn | tuple[int, str, Mapping[str, Any]]] = ()
    arrivals: Sequence[tuple[bytes, int]] = ()
    ghosts: Sequence[Ghosts | tuple[int, Any, Mapping[str, Column]]] = ()

    def to_bytes(self) -> bytes:
        """The whole as bytes, for a journal."""
        ghosts = [
            [kind, _packed(ids), {name: _packed(column) for name, column in fields.items()}]
            for kind, ids, fields in self.ghosts
        ]
        return cbor2.dumps(
            [
                self.tick,
                self.step,
                [list(join) for join in self.joins],
                list(self.leaves),
                [tuple(given) for given in self.inputs],
                [[target, name, dict(args)] for target, name, args in self.commands],
                [list(arrival) for arrival in self.arrivals],
                ghosts,
            ]
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "TickInput":
        """What `to_bytes` gave. Raises EngineError on anything else."""
        try:
            tick, step, joins, leaves, inputs, commands, arrivals, ghosts = cbor2.loads(data)
            return cls(
                tick,
                step,
                joins=[(session, name) for session, name in joins],
                leaves=leaves,
                inputs=[InputIn(*given) for given in inputs],
                commands=[CommandIn(*given) for given in commands],
                arrivals=[(body, age) for body, age in arrivals],
                ghosts=[
                    Ghosts(kind, _column(ids), {name: _column(c) for name, c in fields.items()})
                    for kind, ids, fields in ghosts
                ],
            )
        except (cbor2.CBORDecodeError, TypeError, ValueError, AttributeError) as error:
            raise EngineError("These bytes are not a TickInput.") from error


class EmittedEvent(NamedTuple):
    """An event: its kind's index and wire values; near a place, for an entity, or for everyone."""

    kind: int
    values: tuple[int | str, ...]
    at: tuple[float, float] | None
    to: int | None


@attrs.define
class TickOutput:
    """What a step did. `scores` is None in the steps in which nobody asks for them."""

    joined: dict[int, int] = attrs.field(factory=dict)
    events: list[EmittedEvent] = attrs.field(factory=list)
    commands: list[Outgoing] = attrs.field(factory=list)
    created: list[int] = attrs.field(factory=list)
    destroyed: list[int] = attrs.field(factory=list)
    scores: list[Score] | None = None


@attrs.frozen(eq=False)
class Export:
    """One kind's rows as they are after a step. All arrays live until the world's next step.

    `handles` is the receiver's own: it rides along with its rows and is -1 for new ones. x, y are
    in units, `fields` are the public fields' wire integers in their wire types, and `course` is
    (x0, y0, vx, vy, step0), int64, or None for a kind without a motion.
    """

    ids: npt.NDArray[np.uint64]
    handles: npt.NDArray[np.int64]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    fields: dict[str, Column]
    course: Course | None


def _packed(given: Any) -> list[Any]:
    """A column as type and bytes; integers as short as they may be."""
    column = np.asarray(given)
    if column.dtype.kind == "i" and len(column):
        least, most = int(column.min()), int(column.max())
        if least >= -(1 << 31) and most < 1 << 31:
            short = np.result_type(np.min_scalar_type(least), np.min_scalar_type(most))
            column = column.astype(short)
    little = column.astype(column.dtype.newbyteorder("<"), copy=False)
    return [little.dtype.str, little.tobytes()]


def _column(packed: Sequence[Any]) -> Column:
    dtype, data = packed
    if dtype[1] not in "iufS":
        raise ValueError(f"A column of {dtype} is never written.")
    return np.frombuffer(data, dtype)
