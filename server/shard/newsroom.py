"""What a frame tells besides state: events, scores, and sessions that were handed over.

Durable events wait until the journal has the tick in which they happened; all others go out with
the frame of their tick.

Must not know: frames' bytes, the bus, the journal.
"""

from collections import deque
from collections.abc import Sequence

import attrs

from protocol import cbor
from protocol.frame import FrameEvent, Scope
from protocol.geometry import Geometry
from protocol.schema import Schema
from sim.engine import EmittedEvent, Score

__all__ = ["News", "Newsroom"]


@attrs.define
class News:
    """What the next frame tells. `scores` is None while unchanged."""

    events: list[FrameEvent] = attrs.field(factory=list)
    scores: list[tuple[int, str, int]] | None = None
    handed: list[tuple[int, int]] = attrs.field(factory=list)


class Newsroom:
    """Gathers the news of one shard."""

    def __init__(self, schema: Schema, geometry: Geometry) -> None:
        self._durable_kinds = [event.durable for event in schema.events]
        self._geometry = geometry
        self._next = News()
        self._held: deque[tuple[int, list[FrameEvent]]] = deque()

    def report(
        self, tick: int, events: Sequence[EmittedEvent], scores: Sequence[Score] | None
    ) -> None:
        """Take in what happened in `tick`; `scores` None when nobody asked for them."""
        held: list[FrameEvent] = []
        for event in events:
            told = held if self._durable_kinds[event.kind] else self._next.events
            told.append(self._addressed(event))
        if held:
            self._held.append((tick, held))
        if scores is not None:
            self._next.scores = [(row.entity, row.name, row.score) for row in scores]

    def handed(self, session: int, to: int) -> None:
        """Tell that a session is to be found at shard `to`."""
        self._next.handed.append((session, to))

    def durable(self, tick: int) -> None:
        """Release the durable events of all ticks up to `tick`."""
        while self._held and self._held[0][0] <= tick:
            self._next.events += self._held.popleft()[1]

    def take(self) -> News:
        """The news for the next frame."""
        news, self._next = self._next, News()
        return news

    def _addressed(self, event: EmittedEvent) -> FrameEvent:
        values = cbor.dumps([event.kind, *event.values])
        if event.at is not None:
            return FrameEvent(event.kind, values, Scope.CELL, self._geometry.cell_of(*event.at))
        if event.to is not None:
            return FrameEvent(event.kind, values, Scope.ENTITY, event.to)
        return FrameEvent(event.kind, values, Scope.WORLD)
