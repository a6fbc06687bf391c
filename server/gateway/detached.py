"""Sessions whose link is gone: their owner is told until it no longer lists them.

The bus delivers at most once, so the fact is repeated; a shard ignores what it knows.

Must not know: links.
"""

from collections.abc import Callable, Iterable

import attrs

from server.gateway import limits
from server.shard.mail import Detach, Leave

__all__ = ["Detached"]

Owner = Callable[[int, int], int | None]


@attrs.define
class _Lost:
    fact: Detach | Leave
    at: set[int]
    next_at: float = 0.0
    listed_at: float | None = None


class Detached:
    """The lost sessions that one gateway reminds shards of."""

    def __init__(self) -> None:
        self._lost: dict[int, _Lost] = {}

    def __len__(self) -> int:
        return len(self._lost)

    @property
    def shards(self) -> frozenset[int]:
        """Where the sessions are, or may be soon."""
        return frozenset().union(*(lost.at for lost in self._lost.values()))

    def add(self, fact: Detach | Leave, shards: Iterable[int]) -> None:
        """Tell the owner of the session from now on, which is one of `shards`, or will be.

        A player who left has left for good.
        """
        known = self._lost.get(fact.session)
        if known and isinstance(known.fact, Leave) and known.fact.generation >= fact.generation:
            return
        if len(self._lost) >= limits.DETACHED_MAX:
            del self._lost[next(iter(self._lost))]
        self._lost[fact.session] = _Lost(fact, set(shards))

    def forget(self, session: int) -> None:
        """The session is over, or has a link again."""
        self._lost.pop(session, None)

    def handed(self, session: int, heir: int) -> None:
        """The owner of a session let it go to another one."""
        lost = self._lost.get(session)
        if lost is not None:
            lost.at.add(heir)

    def due(self, owner: Owner, now: float) -> list[tuple[int | None, Detach | Leave]]:
        """(shard, fact) of those that must be told now; None: all shards must.

        `owner(session, generation)` is the shard whose newest frame lists the session with that
        link, or None while no frame does: then it is in transit, or over, or nobody knows where.
        """
        facts: list[tuple[int | None, Detach | Leave]] = []
        for session, lost in list(self._lost.items()):
            if lost.next_at > now:
                continue
            if lost.listed_at is None:
                lost.listed_at = now
            shard = owner(session, lost.fact.generation)
            told = shard is not None
            sought = now - lost.listed_at >= limits.SEEK_AFTER_S
            again = told or sought
            lost.next_at = now + (limits.DETACH_AGAIN_S if again else limits.ASK_AGAIN_S)
            if shard is not None:
                lost.listed_at = now
                lost.at = {shard}
                facts.append((shard, lost.fact))
            elif now - lost.listed_at > limits.DETACH_FORGET_S:
                del self._lost[session]
            elif sought:
                facts.append((None, lost.fact))
        return facts
