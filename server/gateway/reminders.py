"""Who came back after a lost link, and which shards have not said yet what it may have missed.

Nobody knows what the lost link still brought, so every shard is asked what it remembers of durable
events, until it has answered: one that changes its owner answers later. The client passes over what
it has heard before.

Must not know: the bus, how links are written.
"""

from collections.abc import Sequence

import attrs

from server.gateway import limits
from server.gateway.links import LinkState, Phase, Playing
from server.shard.mail import Remind, Reminded

__all__ = ["Reminders"]


@attrs.define(eq=False)
class _Returned:
    state: LinkState
    playing: Playing
    missing: list[int]
    next_at: float = 0.0


class Reminders:
    """The players of one gateway who came back. `shards` are all of the world."""

    def __init__(self, shards: Sequence[int]) -> None:
        self._shards = shards
        self._returned: dict[int, _Returned] = {}  # by session

    def cut_anew(self, shards: Sequence[int]) -> None:
        """These are all shards now; who is being asked already goes on."""
        self._shards = shards

    def __len__(self) -> int:
        return len(self._returned)

    def begin(self, state: LinkState, playing: Playing) -> None:
        """A session goes on over `state`."""
        self._returned[playing.session] = _Returned(state, playing, list(self._shards))

    def due(self, now: float) -> list[tuple[int, Remind]]:
        """(shard, question) of those that are to be asked now."""
        questions = []
        for session, returned in list(self._returned.items()):
            state, playing = returned.state, returned.playing
            if state.phase is Phase.CLOSED or state.session is not playing:
                del self._returned[session]
            elif state.interest is not None and now >= returned.next_at:
                returned.next_at = now + limits.ASK_AGAIN_S
                cells = state.interest.cells
                question = Remind(session, playing.generation, playing.entity, cells)
                questions += [(shard, question) for shard in returned.missing]
        return questions

    def answered(self, item: Reminded) -> LinkState | None:
        """The link to which an answer is to be told, None if it was answered before."""
        returned = self._returned.get(item.session)
        if (
            returned is None
            or returned.playing.generation != item.generation
            or returned.state.phase is Phase.CLOSED
            or item.shard not in returned.missing
        ):
            return None
        returned.missing.remove(item.shard)
        if not returned.missing:
            del self._returned[item.session]
        return returned.state
