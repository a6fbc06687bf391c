"""Which shards' frames a gateway takes: those that its clients need, and no others.

Needed is a shard into which an interest of a client reaches, or nearly does, one that has a session
of a client or is about to get it, and one that still has to be told that a session lost its link.
A shard that is needed no longer is followed for a while yet: who walks along a border must not make
it start anew each time, and one that was cut may show entities for a while where it owned cells. In
a process that has all shards, all are followed.

Must not know: links, what frames say, how they come.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from server.gateway import limits
from server.gateway.bulletins import Bulletins
from server.gateway.detached import Detached
from server.gateway.feeds import Feeds
from server.gateway.interest import Interests
from server.gateway.sessions import Sessions

__all__ = ["Follow", "Following"]

Follow: TypeAlias = Callable[[frozenset[int]], None]  # hear the frames of these shards from now on


class Following:
    """The shards that one gateway follows; without `follow` all that there are, always."""

    def __init__(
        self,
        shards: Sequence[int],
        feeds: Feeds,
        bulletins: Bulletins,
        sessions: Sessions,
        interests: Interests,
        detached: Detached,
        follow: Follow | None,
    ) -> None:
        self._feeds = feeds
        self._bulletins = bulletins
        self._sessions = sessions
        self._interests = interests
        self._detached = detached
        self._follow = follow
        self._founding = frozenset(shards)
        self._shards: frozenset[int] = frozenset()
        self._needed_at: dict[int, float] = {}
        self.know(shards)

    @property
    def selects(self) -> bool:
        """Whether there may be shards that are not followed."""
        return self._follow is not None

    def know(self, shards: Iterable[int]) -> None:
        """The world has these shards, too."""
        fresh = frozenset(shards) - self._shards
        self._shards |= fresh
        if self._follow is None:
            for shard in sorted(fresh):
                self._feeds.begin(shard, self._told(shard))

    def _told(self, shard: int) -> int | None:
        """Since when links may have missed what a shard told; None: since its first frame.

        Of one that is new in the world, and was not heard of yet, they may have missed all.
        """
        told = self._bulletins.tick(shard)
        return self._bulletins.begun if told is None and shard not in self._founding else told

    def settle(self, now: float) -> None:
        """Follow what is needed now, and leave what has not been needed for long."""
        if self._follow is None:
            return
        needed = self._interests.demand.shards | self._sessions.shards | self._detached.shards
        needed &= self._shards
        self._needed_at.update(dict.fromkeys(needed, now))
        followed = self._feeds.by_shard.keys()
        begun = needed - followed
        oldest = now - limits.UNFOLLOW_AFTER_S
        ended = [
            shard
            for shard in followed
            if shard not in needed
            and self._needed_at[shard] < oldest
            and not self._interests.sees(self._feeds.by_shard[shard].strays.lately)
        ]
        if not begun and not ended:
            return
        # They are heard before they are asked to begin, so that nothing is missed in between.
        self._follow(frozenset(followed | begun).difference(ended))
        for shard in sorted(begun):
            self._feeds.begin(shard, self._told(shard))
            self._feeds.ask_all_of(shard, now)
        for shard in ended:
            self._feeds.end(shard)
            self._sessions.forget(shard)
            del self._needed_at[shard]
