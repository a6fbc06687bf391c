"""Whose players may have missed durable events, and which shards have not said yet what they were.

They came back after a lost link, of which nobody knows what it still brought, or more events were
waiting for their link than are kept. Every shard is asked what it remembers, until it has answered:
one that changes its owner answers later. The client passes over what it has heard before.

A link that is late, or has much waiting, is asked for later: it could not be told the answers. Of
answers that come together some may find no room; those shards are asked again.

Must not know: the bus, how links are written.
"""

from collections.abc import Sequence

import attrs

from server.gateway import limits
from server.gateway.links import LinkState, Phase, Playing
from server.shard.mail import Remind, Reminded

__all__ = ["Reminders"]


@attrs.define(eq=False)
class _Missing:
    state: LinkState
    playing: Playing
    shards: list[int]
    times: int
    next_at: float = 0.0


class Reminders:
    """The players of one gateway who may have missed something. `shards` are all of the world."""

    def __init__(self, shards: Sequence[int]) -> None:
        self._shards = shards
        self._open: dict[int, _Missing] = {}  # by session

    def cut_anew(self, shards: Sequence[int]) -> None:
        """These are all shards now; who is being asked already goes on."""
        self._shards = shards

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, state: LinkState, playing: Playing) -> None:
        """A session goes on over `state`, where it may have missed something."""
        times, playing.missed_times = playing.missed_times, playing.missed_times + 1
        self._open[playing.session] = _Missing(state, playing, list(self._shards), times)

    def due(self, now: float, awake: float) -> list[tuple[int, Remind]]:
        """(shard, question) of those that are to be asked now; links are late in `awake` time."""
        questions = []
        for session, missing in list(self._open.items()):
            state, playing = missing.state, missing.playing
            if state.phase is Phase.CLOSED or state.session is not playing:
                del self._open[session]
            elif (
                state.interest is not None
                and now >= missing.next_at
                and len(state.events) < limits.EVENTS_CAUGHT_UP
                and not state.flow.late(awake)
            ):
                missing.next_at = now + limits.ASK_AGAIN_S
                cells = state.interest.cells
                question = Remind(session, playing.generation, playing.entity, cells, missing.times)
                questions += [(shard, question) for shard in missing.shards]
        return questions

    def answered(self, item: Reminded) -> LinkState | None:
        """The link to which an answer is to be told; None if it was before, or there is no room."""
        missing = self._open.get(item.session)
        if (
            missing is None
            or missing.playing.generation != item.generation
            or missing.times != item.times
            or missing.state.phase is Phase.CLOSED
            or item.shard not in missing.shards
            or len(item.told) > missing.state.events.room
        ):
            return None
        missing.shards.remove(item.shard)
        if not missing.shards:
            del self._open[item.session]
        return missing.state
