"""Interests that are not told everything at every tick: rings further out, and crowds.

Cells further out are told of at half and at a quarter of the rate, at steps that depend on the cell
alone, so that everybody who sees it is told at the same steps. When what an interest has to be told
is more than its links may be sent, it is thinned: at each tick whole parts are chosen, the nearest
ring first, then the oldest baseline, as many as the budget allows. Either way a part is told of
more seldom, never wrongly: each update stands on what its receiver holds of that very part.

A `Stream` keeps, for one interest, since when its links hold each part. The links that follow it in
step share one body, byte for byte. A link that came later, or was skipped, lags in some parts: its
`Lags` say in which, and it gets updates of its own for those, until it is in step.

In another epoch of a shard its table is a new one, in which everybody has entered since any tick
that was held before, so the ticks need no epochs beside them.

Must not know: links.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from protocol import cbor
from protocol.limits import RETAINED_TICKS
from protocol.messages import group
from server.gateway import limits
from server.gateway.baseline import Position
from server.gateway.feed import Feed
from server.gateway.interest import Interest

__all__ = ["Lags", "Part", "Stream", "Streams", "Turn", "groups_item", "parts_of", "warm"]

Part: TypeAlias = tuple[int, int]  # shard, key
Lags: TypeAlias = dict[Part, int | None]  # the tick that is held of a part, None for nothing
Updates: TypeAlias = dict[Part, bytes]

_STARVED_TICKS: Final = 32  # a part that waits longer goes before nearer ones
# A part whose baseline is nearly as old as deltas reach is told of whatever the budget says: what
# left it would else be forgotten before its receivers hear of it.
_EXPIRING_TICKS: Final = RETAINED_TICKS - 4
_EXPIRING, _STARVED = -2, -1  # ranks before those of rings
_CALM: Final = 0.7  # of the budget: a crowd that needs no more for so long is none any more
_CALM_TICKS: Final = 20


@attrs.frozen(eq=False)
class Turn:
    """What a stream tells at one tick.

    `advanced` are the parts that its links hold anew, with the tick that they held before; those of
    which there was nothing to say are in `quiet`. `complete`: nothing is left behind.
    """

    tick: int
    updates: Updates
    groups: bytes
    advanced: Lags
    quiet: Lags


class Stream:
    """What the links with one interest, in step with each other, hold of each part."""

    def __init__(
        self, interest: Interest, begun: Mapping[int, Position], budget_bytes: float
    ) -> None:
        self.interest = interest
        self.turn: Turn | None = None
        self._budget_bytes = budget_bytes
        self._credit = 0.0
        self._calm_ticks = 0
        self._begun = dict(begun)
        self._held: Lags = {}

    def held(self, part: Part) -> int | None:
        """The tick of `part` that a link in step holds; None for nothing."""
        known = self._held.get(part, _UNKNOWN)
        if known != _UNKNOWN:
            return known
        begun = self._begun.get(part[0])
        return None if begun is None else begun.tick

    def held_before(self, part: Part, tick: int) -> int | None:
        """The same at the tick before `tick`, whether or not `advance` was called for it yet."""
        turn = self.turn
        if turn is not None and turn.tick == tick:
            for lags in (turn.advanced, turn.quiet):
                if part in lags:
                    return lags[part]
        return self.held(part)

    def advance(self, feeds: Mapping[int, Feed], tick: int) -> Turn:
        """Choose what to tell at `tick`; the same again when it is asked again.

        Raises NotNowError when a table has gone on already.
        """
        if self.turn is not None and self.turn.tick == tick:
            return self.turn
        told, quiet = self._candidates(feeds)
        self._credit = min(
            self._credit + self._budget_bytes, limits.BUDGET_BURST * self._budget_bytes
        )
        chosen: Updates = {}
        for rank, part, update in sorted(told, key=lambda each: each[0]):
            if self._credit <= 0 and rank[0] > _EXPIRING:
                break
            chosen[part] = update
            self._credit -= len(update)
        advanced = {part: self.held(part) for part in chosen}
        self._held |= dict.fromkeys((*chosen, *quiet), tick)
        if len(self._held) > limits.STREAM_PARTS:
            self._forget(feeds)
        groups = groups_item(feeds, tick, chosen)
        complete = len(chosen) == len(told)
        calm = complete and len(groups) <= _CALM * self._budget_bytes
        self._calm_ticks = self._calm_ticks + 1 if calm else 0
        self.turn = Turn(tick, chosen, groups, advanced, quiet)
        return self.turn

    @property
    def over(self) -> bool:
        """Whether its links hold everything and could be told everything again at every tick."""
        return self._calm_ticks >= _CALM_TICKS and not self.interest.rings

    def _candidates(
        self, feeds: Mapping[int, Feed]
    ) -> tuple[list[tuple[tuple[int, int], Part, bytes]], Lags]:
        """Parts that have something to tell, each with its rank; and those that have nothing."""
        told: list[tuple[tuple[int, int], Part, bytes]] = []
        quiet: Lags = {}
        for shard, feed in feeds.items():
            newest = feed.newest
            if newest is None:
                continue
            table = feed.table()
            by_since: dict[int | None, list[int]] = {}
            for key in table.parts_in(due_cells(self.interest, feed)):
                by_since.setdefault(self.held((shard, key)), []).append(key)
            for since, keys in by_since.items():
                for key, update in zip(keys, table.encode(keys, since), strict=True):
                    if update is None:
                        quiet[shard, key] = since
                    else:
                        rank = self._rank(table.keys.cell(key), since, newest.tick)
                        told.append((rank, (shard, key), update))
        return told, quiet

    def _rank(self, cell: int, since: int | None, tick: int) -> tuple[int, int]:
        """Who goes first: the lower one."""
        if since is None:
            return self.interest.rings.get(cell, 0), 0
        if tick - since >= _EXPIRING_TICKS:
            return _EXPIRING, since
        if tick - since > _STARVED_TICKS:
            return _STARVED, since
        return self.interest.rings.get(cell, 0), since

    def _forget(self, feeds: Mapping[int, Feed]) -> None:
        """Drop what is known of parts that are no more."""
        alive = {part for part, _ in parts_of(self.interest, feeds)}
        self._held = {part: tick for part, tick in self._held.items() if part in alive}


_UNKNOWN: Final = -1


class Streams:
    """The streams of all interests that have one, and the account of those that may need one.

    `budget_bytes` is what a client may be sent at one tick, in the long run.
    """

    def __init__(self, budget_bytes: float) -> None:
        self.budget_bytes = budget_bytes
        self._streams: dict[Interest, Stream] = {}
        self._credit: dict[Interest, float] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def of(self, interest: Interest) -> Stream | None:
        """The stream of an interest; None while it is told everything at every tick."""
        stream = self._streams.get(interest)
        if stream is None and interest.rings:
            stream = self._streams[interest] = Stream(interest, {}, self.budget_bytes)
        return stream

    def crowded(self, interest: Interest, size: int, begun: Mapping[int, Position]) -> bool:
        """Note that an interest is about to be told `size` bytes at one tick.

        When that is too much in the long run it is given a stream, whose links hold everything as
        of `begun`, and should not be told them.
        """
        budget = self.budget_bytes
        if interest.everything or (size <= budget and interest not in self._credit):
            return False
        most = limits.BUDGET_BURST * budget
        credit = self._credit.get(interest, most) + budget - size
        if credit < 0:
            self._credit.pop(interest, None)
            self._streams[interest] = Stream(interest, begun, budget)
            return True
        if credit >= most:
            del self._credit[interest]
        else:
            self._credit[interest] = credit
        return False

    @property
    def calm(self) -> bool:
        """Whether no interest has a stream, or may soon need one."""
        return not self._streams and not self._credit

    def ringed(self) -> list[Interest]:
        """The interests with rings that links receive."""
        return [interest for interest in self._streams if interest.rings and interest.links]

    def settle(self) -> None:
        """Close the streams that are over, or that nobody follows any more."""
        over = [i for i, stream in self._streams.items() if stream.over or not i.links]
        for interest in over:
            del self._streams[interest]
        gone = [interest for interest in self._credit if not interest.links]
        for interest in gone:
            del self._credit[interest]


def groups_item(feeds: Mapping[int, Feed], tick: int, updates: Updates) -> bytes:
    """The groups of a snapshot that has these updates of the shards' newest frames."""
    by_shard: dict[int, list[bytes]] = {}
    for (shard, _), update in updates.items():
        by_shard.setdefault(shard, []).append(update)
    groups = []
    for shard, feed in feeds.items():
        newest = feed.newest
        if newest is not None and (shard in by_shard or feed.fresh):
            mine = by_shard.get(shard, [])
            age, lag = tick - newest.tick, newest.tick - newest.step
            groups.append(group(shard, feed.epoch, age, lag, len(mine), b"".join(mine)))
    return cbor.array_head(len(groups)) + b"".join(groups)


def cells_of(interest: Interest, feed: Feed) -> Sequence[int]:
    """The cells of an interest in which a shard may have parts."""
    own = interest.by_shard.get(feed.shard, ())
    return (*own, *sorted(interest.cell_set & feed.strays.lately))


def parts_of(interest: Interest, feeds: Mapping[int, Feed]) -> Iterator[tuple[Part, int]]:
    """All parts in an interest, each with its cell. Raises NotNowError."""
    for shard, feed in feeds.items():
        if feed.newest is not None:
            table = feed.table()
            for key in table.parts_in(cells_of(interest, feed)):
                yield (shard, key), table.keys.cell(key)


def warm(interests: Iterable[Interest], feeds: Mapping[int, Feed]) -> None:
    """Encode at once what the links in step with rings will be told. Raises NotNowError.

    An encoding costs as much for a hundred parts as for a few.
    """
    ringed = list(interests)
    for feed in feeds.values():
        wanted: dict[int, set[int]] = {}
        for interest in ringed:
            rings = interest.rings
            for cell in due_cells(interest, feed):
                wanted.setdefault(rings.get(cell, 0), set()).add(cell)
        table = feed.table() if wanted else None
        for ring, cells in wanted.items():
            since = feed.tick_of_step_ago(1 << ring)
            if table is not None and since is not None:
                table.encode(table.parts_in(sorted(cells)), since)


def due_cells(interest: Interest, feed: Feed) -> list[int]:
    """The cells that are told of at the newest step of a shard."""
    if feed.newest is None:
        return []
    step, rings = feed.newest.step, interest.rings
    return [
        cell
        for cell in cells_of(interest, feed)
        if not (step + cell) & ((1 << rings.get(cell, 0)) - 1)
    ]
