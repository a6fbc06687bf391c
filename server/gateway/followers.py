"""What links are told whose interest is a stream, or was one: each part from what the link holds.

A link that is in step with its stream shares the stream's body. One that lags in some parts gets
updates of its own for those, a few at each tick, until it is in step.

Must not know: sockets, messages.
"""

from collections.abc import Mapping
from typing import Final

import attrs

from protocol.limits import RETAINED_TICKS
from server.gateway.feed import Feed, NotNowError
from server.gateway.interest import Interest
from server.gateway.links import LinkState
from server.gateway.streams import Lags, Part, Stream, Streams, Turn, groups_item, parts_of

__all__ = ["Followers", "Told"]

_TOO_OLD_TICKS: Final = RETAINED_TICKS - 4  # what is held for longer is dropped, or told at once


@attrs.frozen(eq=False)
class Told:
    """The groups item for one link, what it must drop first, and what it holds after that."""

    groups: bytes
    dropped: tuple[int, ...]
    follows: Stream | None
    lags: Lags


class Followers:
    """Brings links into step with streams at one tick, and out of them."""

    def __init__(self, feeds: Mapping[int, Feed], tick: int, streams: Streams) -> None:
        self._feeds = feeds
        self._tick = tick
        self._streams = streams
        self._budget_bytes = streams.budget_bytes

    def concerns(self, state: LinkState, interest: Interest) -> bool:
        """Whether a link's interest is a stream, or was one when it was told last."""
        return state.follows is not None or self._streams.of(interest) is not None

    def shared(self, state: LinkState, interest: Interest) -> bytes | None:
        """The groups item for a link that is in step; None for others. Raises NotNowError."""
        stream = state.follows
        if (
            stream is None
            or state.lags
            or state.sent is not interest
            or state.damaged
            or self._streams.of(interest) is not stream
        ):
            return None
        return stream.advance(self._feeds, self._tick).groups

    def tell(self, state: LinkState, interest: Interest) -> Told:
        """What to send to `state`. Raises NotNowError; `state` is not changed."""
        usable, dropped = self._usable(state, interest)
        stream = self._streams.of(interest)
        if stream is None:
            return self._all(state, interest, usable, dropped)
        lags = state.lags
        if dropped or state.follows is not stream or state.sent is not interest:
            lags = self._lags(state, interest, usable, stream)
        turn = stream.advance(self._feeds, self._tick)
        if not lags:
            return Told(turn.groups, dropped, stream, {})
        updates, left = self._catch_up(lags, stream, turn)
        return Told(groups_item(self._feeds, self._tick, updates), dropped, stream, left)

    def skip(self, state: LinkState) -> None:
        """The link is sent nothing now: note in what it lags from here on."""
        if state.follows is None:
            return
        try:
            turn = state.follows.advance(self._feeds, self._tick)
        except NotNowError:
            return  # then nobody advances
        for part, held in turn.advanced.items():
            state.lags.setdefault(part, held)

    # --- what a link holds -----------------------------------------------------------------------

    def _usable(
        self, state: LinkState, interest: Interest
    ) -> tuple[frozenset[int], tuple[int, ...]]:
        """The cells that the link can go on from, and those that it must drop."""
        if state.sent is None or state.baseline is None:
            return frozenset(), ()
        known = state.sent.cell_set
        if self._tick - state.baseline.tick >= _TOO_OLD_TICKS:
            return frozenset(), tuple(sorted(known))
        usable = (known & interest.cell_set) - state.damaged
        return usable, tuple(sorted(known - usable))

    def _held(self, state: LinkState, part: Part, cell: int, usable: frozenset[int]) -> int | None:
        """The tick of `part` that the link holds; None for nothing."""
        if cell not in usable:
            return None
        if part in state.lags:
            return state.lags[part]
        if state.follows is not None:
            return state.follows.held_before(part, self._tick)
        position = state.baseline.positions.get(part[0]) if state.baseline else None
        return None if position is None else position.tick

    def _lags(
        self, state: LinkState, interest: Interest, usable: frozenset[int], stream: Stream
    ) -> Lags:
        """In what the link differs from those that are in step with `stream`."""
        lags: Lags = {}
        for part, cell in parts_of(interest, self._feeds):
            held = self._held(state, part, cell, usable)
            if held != stream.held_before(part, self._tick):
                lags[part] = held
        return lags

    # --- telling ---------------------------------------------------------------------------------

    def _all(
        self,
        state: LinkState,
        interest: Interest,
        usable: frozenset[int],
        dropped: tuple[int, ...],
    ) -> Told:
        """The interest is told at every tick again: tell everything that is missing."""
        by_since: dict[tuple[int, int | None], list[int]] = {}
        for (shard, key), cell in parts_of(interest, self._feeds):
            held = self._held(state, (shard, key), cell, usable)
            by_since.setdefault((shard, held), []).append(key)
        updates: dict[Part, bytes] = {}
        for (shard, since), keys in by_since.items():
            encoded = self._feeds[shard].table().encode(keys, since)
            pairs = zip(keys, encoded, strict=True)
            updates |= {(shard, key): update for key, update in pairs if update is not None}
        return Told(groups_item(self._feeds, self._tick, updates), dropped, None, {})

    def _catch_up(self, lags: Lags, stream: Stream, turn: Turn) -> tuple[dict[Part, bytes], Lags]:
        """The stream's updates, with own ones for parts in which the link lags; and what is left.

        Only parts that the stream has told of just now can come into step.
        """
        updates, left = dict(turn.updates), dict(lags)
        credit = self._budget_bytes
        for part, since in lags.items():
            if stream.held(part) != self._tick:
                continue
            expiring = since is not None and self._tick - since >= _TOO_OLD_TICKS
            if credit <= 0 and not expiring:
                updates.pop(part, None)
                continue
            (update,) = self._feeds[part[0]].table().encode([part[1]], since)
            if update is None:
                updates.pop(part, None)
            else:
                updates[part] = update
                credit -= len(update)
            del left[part]
        return updates, left
