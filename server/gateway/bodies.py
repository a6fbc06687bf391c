"""The shared parts of snapshots: groups of updates for an interest, made once per tick.

A body depends on three things only: the interest, what its receiver already holds of it, and the
baseline. Whoever agrees in these gets the same bytes object. For links that are on time a body is
cut out of the shards' frames undecoded; for the others it is encoded from the tables of parts.
Whatever needs those raises NotNowError when a table has gone on already.

Must not know: links.
"""

from collections.abc import Iterable
from contextlib import suppress
from itertools import islice

import attrs

from protocol import cbor
from protocol.frame import Frame
from protocol.messages import group
from server.gateway.baseline import Baseline, Position
from server.gateway.feed import Feed, NotNowError
from server.gateway.interest import Interest
from server.gateway.prebuilt import Plan, Prebuilt, prebuild

__all__ = ["Bodies", "Body"]


Encoded = tuple[int, bytes]  # how many updates, and their bytes
_NOTHING: Encoded = (0, b"")


@attrs.frozen(eq=False)
class Body:
    """The groups item of a snapshot, and the cells that its receiver must drop first."""

    groups: bytes
    dropped: tuple[int, ...] = ()


class Bodies:
    """Makes the bodies of one tick from the shards' feeds."""

    def __init__(self, feeds: dict[int, Feed], tick: int, previous: Baseline) -> None:
        self._feeds = feeds
        self._tick = tick
        self._previous = previous
        # One feed that does not chain makes every link an exception for this one tick; it is rare
        # (a shard was restarted, a frame was lost), and then correctness is worth more than time.
        self.chained = all(feed.chained for feed in feeds.values())
        strays = [feed.strays.fresh for feed in feeds.values()]
        self._fresh_strays = frozenset().union(*strays)
        self._heads: dict[tuple[int, int], bytes] = {}
        self._shared: dict[Interest, bytes] = {}
        self._others: dict[tuple[Interest | None, Interest, Baseline], Body] = {}
        self._keyframes_of: dict[int, dict[int, Encoded]] = {shard: {} for shard in feeds}

    def prepare(self, moves: Iterable[tuple[Interest | None, Interest]]) -> None:
        """Encode what links that go from one interest to another will ask for, all at once.

        An encoding costs as much for a hundred parts as for a few.
        """
        wanted: dict[int, set[int]] = {}
        for held, interest in moves:
            known = held.cell_set if held else frozenset[int]()
            for shard, cells in interest.by_shard.items():
                wanted.setdefault(shard, set()).update(cells if not held else set(cells) - known)
        for shard, fresh in wanted.items():
            if shard in self._feeds:
                with suppress(NotNowError):
                    self._keyframes(self._feeds[shard], sorted(fresh))

    def shared(self, interest: Interest) -> bytes:
        """The groups item for links that hold all of `interest` as of the previous baseline, if
        every feed is chained.
        """
        groups = self._shared.get(interest)
        if groups is None:
            groups = self._shared[interest] = self._assemble(self._frame_groups(interest))
        return groups

    def on_time(self, interest: Interest) -> Body:
        """For links that hold all of `interest` as of the previous baseline."""
        if self.chained:
            return Body(self.shared(interest))
        return self.other(interest, interest, self._previous)

    def other(self, held: Interest | None, interest: Interest, baseline: Baseline) -> Body:
        """For links that hold the cells of `held` as of `baseline` and shall hold `interest`."""
        key = held, interest, baseline
        body = self._others.get(key)
        if body is None:
            cells = held.cell_set if held else frozenset()
            body = self._others[key] = self.repaired(cells, cells, interest, baseline)
        return body

    def repaired(
        self,
        known: frozenset[int],
        usable: frozenset[int],
        interest: Interest,
        baseline: Baseline,
    ) -> Body:
        """For a link that knows the cells `known`, of which only `usable` are worth keeping."""
        kept = usable & interest.cell_set
        strays = {shard: feed.strays.lately for shard, feed in self._feeds.items()}
        feeds = self._with_strays(interest, strays)
        if not all(self._can_follow(feed, baseline) for feed, _ in feeds):
            kept = frozenset()
        groups = []
        for feed, cells in feeds:
            groups += self._groups(feed, cells, kept, baseline)
        return Body(self._assemble(groups), tuple(sorted(known - kept)))

    def prebuilt(self, plan: Plan, head: bytes) -> Prebuilt | None:
        """Whole frames for the plan's interests, if every feed is chained.

        Those that see a stray are left to be made by themselves.
        """
        if not self.chained or plan.everything:
            return None
        heads = {
            (shard, frame.tick): self._group_head(feed, frame)
            for shard, feed in self._feeds.items()
            for frame in feed.fresh
        }
        return prebuild(plan, self._feeds, head, heads, plan.apart_from(self._fresh_strays))

    # --- on time: slices of frames ---------------------------------------------------------------

    def _frame_groups(self, interest: Interest) -> list[bytes]:
        if interest.everything:
            return [
                self._group(feed, frame, len(frame.keys), frame.blob)
                for feed in self._feeds.values()
                for frame in feed.fresh
            ]
        if not self._fresh_strays or interest.cell_set.isdisjoint(self._fresh_strays):
            own = [
                (self._feeds[shard], cells)
                for shard, cells in interest.by_shard.items()
                if shard in self._feeds  # else it is followed from the next poll on
            ]
            return [self._cut(feed, f, cells) for feed, cells in own for f in feed.fresh]
        feeds = self._with_strays(interest, {s: f.strays.fresh for s, f in self._feeds.items()})
        return [self._cut(feed, f, cells) for feed, cells in feeds for f in feed.fresh]

    def _with_strays(
        self, interest: Interest, strays: dict[int, frozenset[int]]
    ) -> list[tuple[Feed, tuple[int, ...]]]:
        """The feeds that may have parts in `interest`, each with the cells in question."""
        found = []
        for shard, feed in self._feeds.items():
            own = interest.by_shard.get(shard, ())
            cells = (*own, *sorted(interest.cell_set & strays[shard]))
            if cells:
                found.append((feed, cells))
        return found

    def _cut(self, feed: Feed, frame: Frame, cells: Iterable[int]) -> bytes:
        """A group of what a frame tells of some cells, undecoded."""
        count, pieces = frame.cut(cells)
        return b"".join((self._group_head(feed, frame), cbor.array_head(count), *pieces))

    # --- exceptions: encoded from the copies -----------------------------------------------------

    def _groups(
        self, feed: Feed, cells: tuple[int, ...], kept: frozenset[int], baseline: Baseline
    ) -> list[bytes]:
        if feed.newest is None:
            return []
        old = [cell for cell in cells if cell in kept]
        new = [cell for cell in cells if cell not in kept]
        groups = []
        if old and self.chained and baseline is self._previous:
            groups = [self._cut(feed, frame, old) for frame in feed.fresh]
            known = _NOTHING
        else:
            known = self._encoded(feed, old, baseline.positions.get(feed.shard))
        fresh = self._keyframes(feed, new)
        count = known[0] + fresh[0]
        if count or not groups:
            groups.append(self._group(feed, feed.newest, count, known[1] + fresh[1]))
        return groups

    def _encoded(self, feed: Feed, cells: list[int], since: Position | None) -> Encoded:
        """The updates of `cells` since a position, or keyframes if there is no way from there."""
        if not cells:
            return _NOTHING
        if since is None or since.epoch != feed.epoch:
            return self._keyframes(feed, cells)
        table = feed.table()
        updates = [u for u in table.encode(table.parts_in(cells), since.tick) if u is not None]
        return len(updates), b"".join(updates)

    def _keyframes(self, feed: Feed, cells: list[int]) -> Encoded:
        """The keyframes of `cells`, cell by cell."""
        known = self._keyframes_of[feed.shard]
        missing = [cell for cell in cells if cell not in known]
        if missing:
            known.update(_keyframes(feed, missing))
        found = [known[cell] for cell in cells]
        return sum(count for count, _ in found), b"".join(updates for _, updates in found)

    @staticmethod
    def _can_follow(feed: Feed, baseline: Baseline) -> bool:
        """Whether a receiver at `baseline` can go on from what it holds of this shard.

        It can if it holds nothing yet, and on a new epoch, where it clears the shard by itself.
        """
        position = baseline.positions.get(feed.shard)
        if position is None or position.epoch != feed.epoch:
            return True
        return feed.reaches(position)

    # --- bytes -----------------------------------------------------------------------------------

    def _group(self, feed: Feed, frame: Frame, count: int, updates: bytes) -> bytes:
        return b"".join((self._group_head(feed, frame), cbor.array_head(count), updates))

    def _group_head(self, feed: Feed, frame: Frame) -> bytes:
        key = frame.shard, frame.tick
        head = self._heads.get(key)
        if head is None:
            age, lag = self._tick - frame.tick, frame.tick - frame.step
            empty = group(frame.shard, feed.epoch, age, lag, 0, b"")
            head = self._heads[key] = empty[:-1]  # without the head of its empty array
        return head

    @staticmethod
    def _assemble(groups: list[bytes]) -> bytes:
        return b"".join((cbor.array_head(len(groups)), *groups))


def _keyframes(feed: Feed, cells: list[int]) -> dict[int, Encoded]:
    """The keyframes of all parts in each of `cells`."""
    if feed.newest is None:
        return dict.fromkeys(cells, (0, b""))
    table = feed.table()
    parts = [table.parts_in((cell,)) for cell in cells]
    updates = iter(table.encode([key for keys in parts for key in keys], None))
    found = {}
    for cell, keys in zip(cells, parts, strict=True):
        present = [update for update in islice(updates, len(keys)) if update is not None]
        found[cell] = len(present), b"".join(present)
    return found
