"""The record of a tick: everything that the tick consumed, so that replay needs nothing else.

The simulation's part is `sim.engine.TickInput`, as bytes: joins, leaves, inputs, commands,
arrivals, ghosts. Around it stands what the shard itself consumed: how far other shards' outboxes
were taken, which sessions changed, who was cut out afterwards, and which commands went elsewhere.

Must not know: the journal.
"""

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from protocol import cbor
from protocol.errors import ProtocolError
from server.shard.arrivals import Progress
from server.shard.outbox import Letter

__all__ = ["RecordError", "TickRecord", "differing_columns", "pack_digests"]


class RecordError(ValueError):
    """A tick's record is not of the form that this module writes: the journal is damaged."""


@attrs.frozen
class TickRecord:
    """What one tick consumed.

    `departures` are (entity, to, its session or None), in the order in which they were cut;
    `letters` the commands for entities of other shards; `sessions` the changed sessions that are
    still here. Sessions are as `Session.to_data` gives them. `ended` are the ids of those that are
    over, `applied` pairs of session and newest applied input; `digests` those of the world after
    the departures, as `pack_digests` gives them, in the ticks that have them. `bounds` is the
    shard's rectangle in the ticks that begin with another one, in units.
    """

    tick: int
    step: int
    tree_version: int
    game: str
    tick_input: bytes
    departures: tuple[tuple[int, int, list[Any] | None], ...] = ()
    letters: tuple[Letter, ...] = ()
    progress: dict[int, Progress] = attrs.field(factory=dict)
    sessions: tuple[list[Any], ...] = ()
    ended: tuple[int, ...] = ()
    applied: tuple[tuple[int, int], ...] = ()
    digests: bytes = b""
    bounds: tuple[float, float, float, float] | None = None

    def encode(self) -> bytes:
        """The record as CBOR bytes."""
        return cbor.dumps(
            [
                self.tick,
                self.step,
                self.tree_version,
                self.game,
                self.tick_input,
                [list(departure) for departure in self.departures],
                [list(attrs.astuple(letter, recurse=False)) for letter in self.letters],
                [[source, at.number, at.position] for source, at in self.progress.items()],
                list(self.sessions),
                list(self.ended),
                self.applied,
                self.digests,
                None if self.bounds is None else list(self.bounds),
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> "TickRecord":
        """The record in `data`; `RecordError` if it is none."""
        try:
            body: Any = cbor.loads(data)
            tick, step, tree, game, given, departures, letters, progress, *rest = body
            sessions, ended, applied, digests, *later = rest
            (bounds,) = later or (None,)  # older versions cut no world anew
            return cls(
                tick=tick,
                step=step,
                tree_version=tree,
                game=game,
                tick_input=given,
                departures=tuple((entity, to, held) for entity, to, held in departures),
                letters=tuple(Letter(*letter) for letter in letters),
                progress={source: Progress(*at) for source, *at in progress},
                sessions=tuple(sessions),
                ended=tuple(ended),
                applied=tuple((session, seq) for session, seq in applied),
                digests=digests,
                bounds=None if bounds is None else _rectangle(bounds),
            )
        except (ProtocolError, TypeError, ValueError) as error:
            raise RecordError("not the record of a tick") from error


def _rectangle(given: Any) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = map(float, given)
    return x0, y0, x1, y1


def pack_digests(digests: Mapping[str, int]) -> bytes:
    """A world's digests as bytes: their order follows from the game's code."""
    return np.fromiter(digests.values(), "<u4", len(digests)).tobytes()


def differing_columns(digests: Mapping[str, int], recorded: bytes) -> list[str]:
    """The columns in which a world differs from one whose digests were packed."""
    now = np.frombuffer(pack_digests(digests), "<u4")
    then = np.frombuffer(recorded, "<u4")
    if len(now) != len(then):
        return list(digests)
    return [name for name, differs in zip(digests, now != then, strict=True) if differs]
