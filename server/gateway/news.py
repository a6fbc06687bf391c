"""The events of one tick, by whom they concern.

Must not know: links. Events of cells, or of the whole world, belong to interests, and all links
with the same interest are told the same bytes. Events addressed to an entity are for the one link
that plays it.
"""

from math import inf

import attrs

from protocol.frame import Frame
from protocol.news import Bulletin, Scope
from protocol.schema import Schema
from server.gateway import limits
from server.gateway.events import Waiting
from server.gateway.interest import Interest

__all__ = ["News"]

_EVERYWHERE = -1
_Numbered = tuple[int, Waiting]


@attrs.define(eq=False)
class News:
    """Events of the frames since the last snapshots, numbered in the order in which they came.

    Bounded by the frames that the bus buffers.
    """

    addressed: dict[int, list[_Numbered]] = attrs.field(factory=dict)
    _placed: list[tuple[int, int, Waiting]] = attrs.field(factory=list)
    _cells: set[int] = attrs.field(factory=set)
    _by_interest: dict[Interest, list[_Numbered]] = attrs.field(factory=dict)
    _count: int = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def add(self, source: Frame | Bulletin, schema: Schema, now: float) -> None:
        """Take the events of a frame or a bulletin."""
        told_by = source.tick if isinstance(source, Frame) else -source.tick << 32  # as no answer
        for event in source.events:
            lasting = event.scope is Scope.ENTITY or schema.events[event.kind].durable
            expires_at = inf if lasting else now + limits.EVENT_S
            at = (event.tick, event.shard) if event.tick else (source.tick, source.shard)
            waiting = Waiting(*at, event.values, expires_at, told_by)
            self._count += 1
            if event.scope is Scope.ENTITY:
                self.addressed.setdefault(event.target, []).append((self._count, waiting))
            else:
                cell = event.target if event.scope is Scope.CELL else _EVERYWHERE
                self._placed.append((cell, self._count, waiting))
                self._cells.add(cell)

    def of(self, interest: Interest) -> list[Waiting]:
        """The events that happened in `interest`, or everywhere, in order."""
        return [waiting for _, waiting in self._in(interest)]

    def concerning(self, interest: Interest | None, entity: int) -> list[Waiting]:
        """The events of `interest` and those addressed to `entity`, in order.

        Who is not placed yet (None) sees nothing, but what happened everywhere concerns it.
        """
        placed = self._everywhere() if interest is None else self._in(interest)
        numbered = [*placed, *self.addressed.get(entity, ())]
        return [waiting for _, waiting in sorted(numbered, key=lambda entry: entry[0])]

    def _everywhere(self) -> list[_Numbered]:
        return [(number, event) for cell, number, event in self._placed if cell == _EVERYWHERE]

    def _in(self, interest: Interest) -> list[_Numbered]:
        if not self._placed:
            return []
        found = self._by_interest.get(interest)
        if found is None:
            found = self._by_interest[interest] = self._select(interest)
        return found

    def _select(self, interest: Interest) -> list[_Numbered]:
        cells = interest.cell_set
        if _EVERYWHERE not in self._cells and cells.isdisjoint(self._cells):
            return []
        return [
            (number, event)
            for cell, number, event in self._placed
            if cell == _EVERYWHERE or cell in cells
        ]
