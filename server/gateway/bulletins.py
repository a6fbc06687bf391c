"""What shards tell everybody, taken once: each event that lasts, in its order, whatever is lost.

A bulletin that was missed leaves a gap in the durable events of its shard. Those behind a gap are
not taken until a recap has told what is in it.

Must not know: links, frames.
"""

from collections.abc import Sequence

import attrs

from protocol.errors import ProtocolError
from protocol.news import Bulletin, FrameEvent
from protocol.schema import Schema
from server.gateway.pulse import Pulse

__all__ = ["Bulletins"]


@attrs.define
class _Shard:
    """The newest bulletin of a shard, and up to which tick its durable events are known."""

    epoch: int
    tick: int
    told: int

    def news(self, bulletin: Bulletin) -> Sequence[FrameEvent]:
        """The events of a bulletin that are news, which are known from now on."""
        before = self.told
        gap = not bulletin.recap and bulletin.after > before
        news = [e for e in bulletin.events if not e.tick or (e.tick > before and not gap)]
        self.told = max([before, *(event.tick for event in news)])
        if bulletin.recap:  # what is not in it is forgotten
            self.told = max(self.told, bulletin.after)
        return news


class Bulletins:
    """Takes the bulletins of all shards. `damaged` counts those that were none of this world."""

    def __init__(self, schema: Schema, pulse: Pulse) -> None:
        self.damaged = 0
        self._events = len(schema.events)
        self._pulse = pulse
        self.begun: int | None = None  # the first tick of which anything was heard
        self._shards: dict[int, _Shard] = {}

    def tick(self, shard: int) -> int | None:
        """The tick of a shard's newest bulletin, None before the first."""
        known = self._shards.get(shard)
        return None if known is None else known.tick

    def take(self, data: bytes, now: float) -> Bulletin | None:
        """The bulletin in `data`, with those of its events that are news; None if it is old."""
        try:
            bulletin = Bulletin.decode(data)
        except ProtocolError:
            self.damaged += 1
            return None
        if bulletin.shard not in self._pulse or any(
            event.kind >= self._events for event in bulletin.events
        ):
            self.damaged += 1
            return None
        self._pulse.heard(bulletin.shard, now)
        known = self._shards.get(bulletin.shard)
        if known is None:
            # No link is older than the first bulletin of all, and can have missed what was before.
            if self.begun is None:
                self.begun = bulletin.tick
            told = min(bulletin.after, self.begun)
            known = self._shards[bulletin.shard] = _Shard(bulletin.epoch, 0, told)
        if (bulletin.epoch, bulletin.tick) <= (known.epoch, known.tick):
            return None
        known.epoch, known.tick = bulletin.epoch, bulletin.tick
        return attrs.evolve(bulletin, events=known.news(bulletin))
