"""Sessions whose link is gone: their owner is told until it no longer lists them.

The bus delivers at most once, so the fact is repeated; a shard ignores what it knows.

Must not know: links.
"""

from collections.abc import Callable

import attrs

from server.gateway import limits
from server.shard.mail import Detach, Leave

__all__ = ["Detached"]

Owner = Callable[[int, int], int | None]


@attrs.define
class _Lost:
    fact: Detach | Leave
    next_at: float = 0.0
    listed_at: float | None = None


class Detached:
    """The lost sessions that one gateway reminds shards of."""

    def __init__(self) -> None:
        self._lost: dict[int, _Lost] = {}

    def __len__(self) -> int:
        return len(self._lost)

    def add(self, fact: Detach | Leave) -> None:
        """Tell the owner of the session from now on. A player who left has left for good."""
        known = self._lost.get(fact.session)
        if known and isinstance(known.fact, Leave) and known.fact.generation >= fact.generation:
            return
        if len(self._lost) >= limits.DETACHED_MAX:
            del self._lost[next(iter(self._lost))]
        self._lost[fact.session] = _Lost(fact)

    def forget(self, session: int) -> None:
        """The session is over, or has a link again."""
        self._lost.pop(session, None)

    def due(self, owner: Owner, now: float) -> list[tuple[int, Detach | Leave]]:
        """(shard, fact) of those that must be told now.

        `owner(session, generation)` is the shard whose newest frame lists the session with that
        link, or None while no frame does: then it is in transit, or over.
        """
        facts = []
        for session, lost in list(self._lost.items()):
            if lost.next_at > now:
                continue
            if lost.listed_at is None:
                lost.listed_at = now
            shard = owner(session, lost.fact.generation)
            told = shard is not None
            lost.next_at = now + (limits.DETACH_AGAIN_S if told else limits.ASK_AGAIN_S)
            if shard is not None:
                lost.listed_at = now
                facts.append((shard, lost.fact))
            elif now - lost.listed_at > limits.DETACH_FORGET_S:
                del self._lost[session]
        return facts
