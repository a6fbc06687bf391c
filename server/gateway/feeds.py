"""All shards' feeds, and asking for what was missed on the bus.

Must not know: links, interest.
"""

from collections.abc import Mapping
from math import inf

from protocol.errors import ProtocolError
from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.parts import PartTable
from protocol.schema import Schema
from server.gateway import limits
from server.gateway.feed import Feed, Taken
from server.gateway.post import Post
from server.shard.mail import Resync
from server.shard.space import Partition

__all__ = ["Feeds"]


class Feeds:
    """One feed for each shard of the world; frames of others are dropped.

    `awaited` are those of which a frame comes at every tick.
    """

    def __init__(
        self,
        schema: Schema,
        geometry: Geometry,
        post: Post,
        owners: Mapping[int, PartTable],
    ) -> None:
        self.by_shard: dict[int, Feed] = {}
        self.gaps = 0
        self.damaged = 0
        self._schema = schema
        self._post = post
        self._asked_at: dict[int, float] = {}
        self._heard_at: dict[int, float] = {}
        self._partial_at = -inf
        self._owners = owners
        self._began: int | None = None  # the first tick of which anything was heard
        self.cut_anew(Partition.of(geometry))

    def cut_anew(self, partition: Partition) -> None:
        """The world is cut so from now on. Shards without a rectangle are heard, not awaited."""
        self._geometry = geometry = partition.geometry
        for shard in partition.shards:
            if shard not in self.by_shard:
                table = self._owners.get(shard)
                # Of a shard that is new in the world, links may have missed all that ever was.
                self.by_shard[shard] = Feed(self._schema, geometry, shard, table, self._began)
        for feed in self.by_shard.values():
            feed.strays.cut_anew(geometry, feed.tick)
        self.awaited = [self.by_shard[shard] for shard in geometry.shards]

    def take(self, data: bytes, now: float) -> Frame | None:
        """The frame in `data` if it goes on from what is held, None otherwise."""
        try:
            frame = Frame.decode(data)
        except ProtocolError:
            self.damaged += 1
            return None
        feed = self.by_shard.get(frame.shard)
        if feed is None or not self._fits(frame):
            self.damaged += 1
            return None
        self._heard_at[frame.shard] = now
        self._began = frame.tick if self._began is None else self._began
        match feed.take(frame):
            case Taken.OLD:
                return None
            case Taken.GAP:
                self.gaps += 1
                held = feed.position
                same = held is not None and held.epoch == frame.epoch and not feed.damaged
                self._ask(feed, feed.tick if same else 0, now)
                return None
        return frame

    def composed(self) -> None:
        """The frames taken so far are in snapshots."""
        for feed in self.by_shard.values():
            feed.composed()

    @property
    def newest_tick(self) -> int:
        """The newest tick that any shard has published."""
        return max(feed.tick for feed in self.by_shard.values())

    def _fits(self, frame: Frame) -> bool:
        """Whether a frame is of this very world; one of another version of it is not."""
        return (
            frame.kinds == len(self._schema.kinds)
            and frame.cells == self._geometry.cells
            and all(event.kind < len(self._schema.events) for event in frame.events)
        )

    def whole_for(self, now: float) -> float:
        """Since how many seconds every shard has been heard of all along."""
        return now - self._partial_at

    def away(self, now: float) -> list[int]:
        """The shards that have not been heard of for longer than a takeover takes."""
        oldest = now - limits.WORLD_AWAY_S
        return [f.shard for f in self.awaited if self._heard_at.get(f.shard, -inf) < oldest]

    def mend(self, now: float) -> None:
        """Ask for what turned out to be damaged, and note who is silent."""
        oldest = now - limits.SHARD_SILENT_S
        if any(self._heard_at.get(feed.shard, -inf) < oldest for feed in self.awaited):
            self._partial_at = now
        for feed in self.by_shard.values():
            if feed.damaged:
                self._ask(feed, 0, now)

    def _ask(self, feed: Feed, since: int, now: float) -> None:
        if now - self._asked_at.get(feed.shard, -limits.RESYNC_AGAIN_S) < limits.RESYNC_AGAIN_S:
            return
        self._asked_at[feed.shard] = now
        self._post.add(feed.shard, Resync(since))
