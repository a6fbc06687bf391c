"""The feeds of the shards that are followed, and asking for what was missed on the bus.

Must not know: links, interest.
"""

from collections.abc import Mapping

from protocol.errors import ProtocolError
from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.parts import PartTable
from protocol.schema import Schema
from server.gateway import limits
from server.gateway.feed import Feed, Taken
from server.gateway.post import Post
from server.gateway.pulse import Pulse
from server.shard.mail import Resync

__all__ = ["Feeds"]


class Feeds:
    """One feed for each shard that is followed; frames of others are dropped.

    Those of the shards in `owners` have the shards' own tables. `awaited` are those of which a
    frame comes at every tick: a shard without a rectangle may rest.
    """

    def __init__(
        self,
        schema: Schema,
        geometry: Geometry,
        pulse: Pulse,
        post: Post,
        owners: Mapping[int, PartTable],
    ) -> None:
        self.by_shard: dict[int, Feed] = {}
        self.awaited: list[Feed] = []
        self.gaps = 0
        self.damaged = 0
        self._schema = schema
        self._geometry = geometry
        self._pulse = pulse
        self._post = post
        self._owners = owners
        self._asked_at: dict[int, float] = {}

    def cut_anew(self, geometry: Geometry) -> None:
        """Shards have other cells from now on."""
        self._geometry = geometry
        for feed in self.by_shard.values():
            feed.strays.cut_anew(geometry, feed.tick)
        self._await()

    def begin(self, shard: int, known: int | None = None) -> None:
        """Take a shard's frames. Links may have missed what it told since `known`, if given."""
        owners = self._owners.get(shard)
        self.by_shard[shard] = Feed(self._schema, self._geometry, shard, owners, known=known)
        self._await()

    def ask_all_of(self, shard: int, now: float) -> None:
        """Ask a shard for everything."""
        self._asked_at.pop(shard, None)
        self._ask(self.by_shard[shard], 0, now)

    def end(self, shard: int) -> None:
        """Take a shard's frames no more, and forget what it has."""
        self.by_shard.pop(shard, None)
        self._await()

    def _await(self) -> None:
        settled = frozenset(self._geometry.shards)
        self.awaited = [feed for shard, feed in self.by_shard.items() if shard in settled]

    def take(self, data: bytes, now: float) -> Frame | None:
        """The frame in `data` if it goes on from what is held, None otherwise."""
        try:
            frame = Frame.decode(data)
        except ProtocolError:
            self.damaged += 1
            return None
        if frame.shard not in self._pulse or not self._fits(frame):
            self.damaged += 1
            return None
        self._pulse.heard(frame.shard, now)
        feed = self.by_shard.get(frame.shard)
        if feed is None:
            return None  # it is followed no more
        match feed.take(frame):
            case Taken.OLD:
                return None
            case Taken.GAP:
                self.gaps += 1
                held = feed.newest
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
        return max((feed.tick for feed in self.by_shard.values()), default=0)

    def _fits(self, frame: Frame) -> bool:
        """Whether a frame is of this very world; one of another version of it is not."""
        return (
            frame.kinds == len(self._schema.kinds)
            and frame.cells == self._geometry.cells
            and all(event.kind < len(self._schema.events) for event in frame.events)
        )

    def mend(self, now: float) -> None:
        """Ask for what turned out to be damaged."""
        for feed in self.by_shard.values():
            if feed.damaged:
                self._ask(feed, 0, now)

    def _ask(self, feed: Feed, since: int, now: float) -> None:
        if now - self._asked_at.get(feed.shard, -limits.RESYNC_AGAIN_S) < limits.RESYNC_AGAIN_S:
            return
        self._asked_at[feed.shard] = now
        self._post.add(feed.shard, Resync(since))
