"""The record of a tick: everything that the tick consumed, so that replay needs nothing else.

The simulation's part is `sim.engine.TickInput`, as bytes: joins, leaves, inputs, commands,
arrivals, ghosts. Around it stands what the shard itself consumed: how far other shards' outboxes
were taken, which sessions changed, and who was cut out afterwards.

Must not know: the journal.
"""

from typing import Any

import attrs

from protocol import cbor
from protocol.errors import ProtocolError
from server.shard.arrivals import Progress

__all__ = ["RecordError", "TickRecord"]


class RecordError(ValueError):
    """A tick's record is not of the form that this module writes: the journal is damaged."""


@attrs.frozen
class TickRecord:
    """What one tick consumed.

    `departures` are (entity, to), in the order in which they were cut; `sessions` the changed
    sessions as `Session.to_data` gives them, `ended` the ids of those that are over, `applied`
    pairs of session and newest applied input; `checksum` that of the world after the departures,
    in the ticks that have one.
    """

    tick: int
    step: int
    tree_version: int
    game: str
    tick_input: bytes
    departures: tuple[tuple[int, int], ...] = ()
    progress: dict[int, Progress] = attrs.field(factory=dict)
    sessions: tuple[list[Any], ...] = ()
    ended: tuple[int, ...] = ()
    applied: tuple[tuple[int, int], ...] = ()
    checksum: int | None = None

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
                [[source, at.number, at.position] for source, at in self.progress.items()],
                list(self.sessions),
                list(self.ended),
                self.applied,
                self.checksum,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> "TickRecord":
        """The record in `data`; `RecordError` if it is none."""
        try:
            body: Any = cbor.loads(data)
            tick, step, tree, game, given, departures, progress, *rest = body
            sessions, ended, applied, checksum = rest
            return cls(
                tick=tick,
                step=step,
                tree_version=tree,
                game=game,
                tick_input=given,
                departures=tuple((entity, to) for entity, to in departures),
                progress={source: Progress(*at) for source, *at in progress},
                sessions=tuple(sessions),
                ended=tuple(ended),
                applied=tuple((session, seq) for session, seq in applied),
                checksum=checksum,
            )
        except (ProtocolError, TypeError, ValueError) as error:
            raise RecordError("not the record of a tick") from error
