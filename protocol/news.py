"""What shards tell besides state: events, and the scores of those who play in them.

Events of a shard's own cells and sessions are in its frames. What concerns others as well, who may
not hear its frames at all, is in its bulletins, with the scores: `Bulletin` is small, goes to every
gateway of the world, and says besides that the shard lives.

Reading is strict although the hop is trusted: a damaged bulletin is an error, not a guess.
Must not know: state, sessions.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, TypeAlias

import attrs

from protocol import cbor, limits
from protocol.checks import ID_MAX, SHARD_MAX, typed, whole
from protocol.errors import RemoteProtocolError

__all__ = ["Bulletin", "FrameEvent", "Scope", "ScoreRow", "event_items", "read_events"]

ScoreRow: TypeAlias = tuple[int, str, int]  # entity, name, score


class Scope(IntEnum):
    """Whom an event concerns: a cell's watchers, one entity's owner, or everybody."""

    WORLD = 0
    CELL = 1
    ENTITY = 2


@attrs.frozen
class FrameEvent:
    """An event: `values` is the encoded item [kind, values...]; `target` a cell or an entity.

    `tick` and `shard` are where it happened; tick 0 means in the frame's own. They differ when it
    was told late, or is told again. `repeated`: it may have been told before, in a frame that was
    missed or by a former owner; who has heard of its tick, or of a later one, passes it over.
    """

    kind: int
    values: bytes
    scope: Scope
    target: int = 0
    tick: int = 0
    shard: int = 0
    repeated: bool = False


@attrs.frozen
class Bulletin:
    """What a shard tells everybody at one tick.

    Durable events are told in the order of their ticks: `after` is the tick of the newest one that
    was told before this bulletin, 0 for none. A `recap` tells all that the shard remembers once
    more, for whoever missed one. `scores` is None while unchanged.
    """

    shard: int
    epoch: int
    tick: int
    after: int = 0
    recap: bool = False
    events: Sequence[FrameEvent] = ()
    scores: Sequence[ScoreRow] | None = None

    def encode(self) -> bytes:
        """The bulletin as bytes."""
        return cbor.dumps(
            [
                [self.shard, self.epoch, self.tick, self.after],
                self.recap,
                event_items(self.events),
                None if self.scores is None else [list(row) for row in self.scores],
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> "Bulletin":
        """The reverse. Raises RemoteProtocolError when `data` is no bulletin."""
        item: Any = cbor.loads(data)
        try:
            (shard, epoch, tick, after), recap, events, scores = item
            return cls(
                whole(shard, SHARD_MAX),
                whole(epoch),
                whole(tick),
                whole(after),
                typed(recap, bool),
                read_events(events),
                None
                if scores is None
                else [(whole(a, ID_MAX), typed(b, str), typed(c, int)) for a, b, c in scores],
            )
        except (TypeError, ValueError) as error:
            raise RemoteProtocolError(f"a damaged bulletin: {error!r}") from None


def event_items(events: Iterable[FrameEvent]) -> list[list[Any]]:
    """Events as plain items."""
    return [
        [e.kind, bytes(e.values), int(e.scope), e.target, e.tick, e.shard, e.repeated]
        for e in events
    ]


def read_events(items: Any) -> list[FrameEvent]:
    """The reverse. Raises TypeError or ValueError when they are none."""
    return [
        FrameEvent(
            whole(kind, limits.EVENT_KINDS_MAX - 1),
            typed(values, bytes),
            Scope(whole(scope)),
            whole(target, ID_MAX),
            whole(tick),
            whole(shard, SHARD_MAX),
            typed(repeated, bool),
        )
        for kind, values, scope, target, tick, shard, repeated in items
    ]
