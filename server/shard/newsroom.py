"""What a frame tells besides state: events, scores, and sessions that were handed over.

Durable events wait until the journal has the tick in which they happened; all others go out with
the frame of their tick. Durable ones are remembered for a while, for players who come back after a
lost link: nobody knows what that link still brought. A client tells by tick, shard and values what
it has heard before. They are repeated, too, after a recovery and for a gateway that missed a frame,
which tells by the tick: durable events are told in their order.

Must not know: frames' bytes, the bus, the journal.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from protocol import cbor
from protocol.frame import FrameEvent, Scope
from protocol.geometry import Geometry
from protocol.schema import Schema
from server.shard import limits
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

    def __init__(self, schema: Schema, geometry: Geometry, shard: int) -> None:
        self._durable_kinds = [event.durable for event in schema.events]
        self._geometry = geometry
        self._shard = shard
        self._next = News()
        self._held: deque[tuple[int, list[FrameEvent]]] = deque()
        self._past: deque[FrameEvent] = deque(maxlen=limits.EVENTS_REMEMBERED)

    def report(
        self, tick: int, events: Sequence[EmittedEvent], scores: Sequence[Score] | None
    ) -> None:
        """Take in what happened in `tick`; `scores` None when nobody asked for them."""
        held: list[FrameEvent] = []
        for event in events:
            if self._durable_kinds[event.kind]:
                held.append(self._addressed(event, tick))
            else:
                self._next.events.append(self._addressed(event))
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
            released = self._held.popleft()[1]
            self._next.events += released
            self._past += released

    # --- what was told before --------------------------------------------------------------------

    def concerning(
        self, entity: int, cells: Iterable[int], now: int
    ) -> tuple[tuple[int, bytes], ...]:
        """What is remembered and concerns the player of `entity`, who sees `cells`: tick and item.

        The oldest come first.
        """
        seen = frozenset(cells)
        return tuple(
            (event.tick, event.values)
            for event in self._remembered(now)
            if event.scope is Scope.WORLD
            or (event.scope is Scope.ENTITY and event.target == entity)
            or (event.scope is Scope.CELL and event.target in seen)
        )

    def recall(self, tick: int, events: Sequence[EmittedEvent]) -> None:
        """Remember the durable ones of a tick that is replayed."""
        self._past += [
            self._addressed(event, tick) for event in events if self._durable_kinds[event.kind]
        ]

    def to_data(self) -> list[Any]:
        """Plain data for a checkpoint."""
        waiting = [event for _, events in self._held for event in events]
        return [list(attrs.astuple(event)) for event in (*self._past, *waiting)]

    def load(self, data: list[Any]) -> None:
        """Be as `to_data` described, when all of it is durable."""
        for kind, values, scope, target, tick, shard, _ in data:
            self._past.append(FrameEvent(kind, values, Scope(scope), target, tick, shard))

    def go_on(self, now: int) -> None:
        """Repeat what the former owner may not have told any more."""
        self._next.events += self.repeated(max(now - limits.COMMIT_LAG_TICKS, 1), now)

    def repeated(self, since: int, now: int) -> list[FrameEvent]:
        """The durable events that frames after that of `since` may have told; 0: all of them."""
        after = max(since - limits.COMMIT_LAG_TICKS, 0)
        return [
            attrs.evolve(event, repeated=True)
            for event in self._remembered(now)
            if event.tick > after
        ]

    def _remembered(self, now: int) -> list[FrameEvent]:
        while self._past and now - self._past[0].tick > limits.GRACE_TICKS:
            self._past.popleft()
        return list(self._past)

    def take(self) -> News:
        """The news for the next frame."""
        news, self._next = self._next, News()
        return news

    def _addressed(self, event: EmittedEvent, tick: int = 0) -> FrameEvent:
        values = cbor.dumps([event.kind, *event.values])
        scope, target = Scope.WORLD, 0
        if event.at is not None:
            scope, target = Scope.CELL, self._geometry.cell_of(*event.at)
        elif event.to is not None:
            scope, target = Scope.ENTITY, event.to
        return FrameEvent(event.kind, values, scope, target, tick, self._shard if tick else 0)
