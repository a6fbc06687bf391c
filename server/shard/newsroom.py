"""What a shard tells besides state: events, scores, and sessions that were handed over.

Events of its own cells and players are in its frames. All others, and scores, concern gateways that
may not hear its frames: they are in bulletins, of which there is one when there is something to
tell, and one now and then that says all that is remembered, so that who missed one has it then.

Durable events wait until the journal has the tick in which they happened; all others go out with
the frame of their tick. Durable ones are remembered for a while, for players who come back after a
lost link: nobody knows what that link still brought. A client tells by tick, shard and values what
it has heard before. They are repeated, too, after a recovery and for a gateway that missed a frame,
which tells by the tick: durable events are told in their order.

Must not know: bytes, the bus, the journal.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from protocol import cbor
from protocol.news import Bulletin, FrameEvent, Scope, ScoreRow
from protocol.schema import Schema
from server.shard import limits
from server.shard.space import Space
from sim.engine import EmittedEvent, Score

__all__ = ["News", "Newsroom"]


@attrs.define
class News:
    """What the next frame tells."""

    events: list[FrameEvent] = attrs.field(factory=list)
    handed: list[tuple[int, int]] = attrs.field(factory=list)


class Newsroom:
    """Gathers the news of one shard. `recap_ticks`: how often a bulletin tells everything."""

    def __init__(self, schema: Schema, space: Space, shard: int, *, recap_ticks: int = 20) -> None:
        self._durable_kinds = [event.durable for event in schema.events]
        self._space = space
        self._shard = shard
        self._recap_ticks = recap_ticks
        self._next = News()
        self._held: deque[tuple[int, list[FrameEvent]]] = deque()
        self._past: deque[FrameEvent] = deque(maxlen=limits.EVENTS_REMEMBERED)
        self._handed: deque[tuple[int, int, int]] = deque(maxlen=limits.EVENTS_REMEMBERED)
        # For bulletins: what is new, what was told of it that is durable, up to which tick.
        self._everywhere: list[FrameEvent] = []
        self._told: deque[FrameEvent] = deque(maxlen=limits.EVENTS_REMEMBERED)
        self._told_tick = 0
        self._scores: list[ScoreRow] | None = None
        self._scored = False
        self._recapped: int | None = None

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
            self._scores = [(row.entity, row.name, row.score) for row in scores]
            self._scored = True

    def handed(self, tick: int, session: int, to: int) -> None:
        """Tell that from `tick` on a session is to be found at shard `to`."""
        self._next.handed.append((session, to))
        self._handed.append((tick, session, to))

    def handed_since(self, tick: int) -> list[tuple[int, int]]:
        """(session, shard) of those that were handed over after `tick`, as far as remembered."""
        return [(session, to) for when, session, to in self._handed if when > tick]

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
        for event in events:
            if self._durable_kinds[event.kind]:
                self._recall(self._addressed(event, tick))

    def _recall(self, event: FrameEvent) -> None:
        """An event may have been told already; of a player's nobody knows any more where."""
        self._past.append(event)
        if event.scope is Scope.ENTITY or self._is_far(event, _nobody_plays):
            self._remember_told(event)

    def to_data(self) -> list[Any]:
        """Plain data for a checkpoint."""
        waiting = [event for _, events in self._held for event in events]
        return [list(attrs.astuple(event)) for event in (*self._past, *waiting)]

    def load(self, data: list[Any]) -> None:
        """Be as `to_data` described, when all of it is durable."""
        for kind, values, scope, target, tick, shard, _ in data:
            self._recall(FrameEvent(kind, values, Scope(scope), target, tick, shard))

    def go_on(self, now: int) -> None:
        """Repeat what the former owner may not have told any more."""
        self._next.events += self.repeated(max(now - limits.COMMIT_LAG_TICKS, 1), now)

    def repeated(self, since: int, now: int) -> list[FrameEvent]:
        """The durable events that frames after that of `since` may have told; 0: all of them.

        A cell's may have been told in a frame although the cell is another shard's by now.
        """
        after = max(since - limits.COMMIT_LAG_TICKS, 0)
        return [
            attrs.evolve(event, repeated=True)
            for event in self._remembered(now)
            if event.tick > after and event.scope is not Scope.WORLD
        ]

    def _remembered(self, now: int) -> list[FrameEvent]:
        while self._past and now - self._past[0].tick > limits.GRACE_TICKS:
            self._past.popleft()
        return list(self._past)

    # --- telling ---------------------------------------------------------------------------------

    def take(self, plays: Callable[[int], bool]) -> News:
        """The news for the next frame; `plays` says whether a session here has an entity."""
        news, self._next = self._next, News()
        near: list[FrameEvent] = []
        for event in news.events:
            if not self._is_far(event, plays):
                near.append(event)
            elif not event.repeated:  # those are in the next recap
                self._everywhere.append(event)
        news.events = near
        return news

    def bulletin(self, epoch: int, tick: int) -> Bulletin | None:
        """What everybody is to be told at `tick`, after `take`; None for nothing."""
        # By what has passed, not by the tick's number: a shard that is slowed down skips some.
        recap = self._recapped is None or tick - self._recapped >= self._recap_ticks
        if not (recap or self._everywhere or self._scored):
            return None
        events, self._everywhere = self._everywhere, []
        after = self._told_tick
        for event in events:
            if event.tick:
                self._remember_told(event)
        if recap:
            passing = [event for event in events if not event.tick]
            while self._told and tick - self._told[0].tick > limits.GRACE_TICKS:
                self._told.popleft()
            events = passing + [attrs.evolve(event, repeated=True) for event in self._told]
            first = self._recapped is None  # not those of all shards at one tick
            self._recapped = tick - (self._shard % self._recap_ticks if first else 0)
        scores = self._scores if recap or self._scored else None
        self._scored = False
        return Bulletin(self._shard, epoch, tick, after, recap, events, scores)

    def _remember_told(self, event: FrameEvent) -> None:
        self._told.append(event)
        self._told_tick = max(self._told_tick, event.tick)

    def _is_far(self, event: FrameEvent, plays: Callable[[int], bool]) -> bool:
        """Whether it concerns others than those who hear the shard's frames."""
        if event.scope is Scope.CELL:
            return self._space.partition.geometry.shard_of(event.target) != self._shard
        return event.scope is Scope.WORLD or not plays(event.target)

    def _addressed(self, event: EmittedEvent, tick: int = 0) -> FrameEvent:
        values = cbor.dumps([event.kind, *event.values])
        scope, target = Scope.WORLD, 0
        if event.at is not None:
            scope, target = Scope.CELL, self._space.partition.geometry.cell_of(*event.at)
        elif event.to is not None:
            scope, target = Scope.ENTITY, event.to
        return FrameEvent(event.kind, values, scope, target, tick, self._shard if tick else 0)


def _nobody_plays(_: int) -> bool:
    return False
