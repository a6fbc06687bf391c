"""The events of one tick, by whom they concern.

Must not know: links. Events addressed to an entity are taken apart by `addressed`; the others
belong to interests, and all links with the same interest are told the same bytes.
"""

from math import inf

import attrs

from protocol.frame import Frame, Scope
from protocol.schema import Schema
from server.gateway import limits
from server.gateway.events import Waiting
from server.gateway.interest import Interest

__all__ = ["News"]

_EVERYWHERE = -1


@attrs.define(eq=False)
class News:
    """Events of the frames since the last snapshots.

    `addressed` holds (entity, event). Bounded by the frames that the bus buffers.
    """

    addressed: list[tuple[int, Waiting]] = attrs.field(factory=list)
    _placed: list[tuple[int, Waiting]] = attrs.field(factory=list)
    _cells: set[int] = attrs.field(factory=set)
    _by_interest: dict[Interest, list[Waiting]] = attrs.field(factory=dict)

    def add(self, frame: Frame, schema: Schema, now: float) -> None:
        """Take the events of `frame`."""
        for event in frame.events:
            lasting = event.scope is Scope.ENTITY or schema.events[event.kind].durable
            expires_at = inf if lasting else now + limits.EVENT_S
            waiting = Waiting(frame.tick, frame.shard, event.values, expires_at)
            if event.scope is Scope.ENTITY:
                self.addressed.append((event.target, waiting))
            else:
                cell = event.target if event.scope is Scope.CELL else _EVERYWHERE
                self._placed.append((cell, waiting))
                self._cells.add(cell)

    def of(self, interest: Interest) -> list[Waiting]:
        """The events that happened in `interest`, or everywhere, in order."""
        if not self._placed:
            return []
        found = self._by_interest.get(interest)
        if found is None:
            found = self._by_interest[interest] = self._select(interest)
        return found

    def __bool__(self) -> bool:
        return bool(self._placed or self.addressed)

    def _select(self, interest: Interest) -> list[Waiting]:
        cells = interest.cell_set
        if _EVERYWHERE not in self._cells and cells.isdisjoint(self._cells):
            return []
        return [event for cell, event in self._placed if cell == _EVERYWHERE or cell in cells]
