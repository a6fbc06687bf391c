"""Counting entities by id, so that a lost or doubled one has a name.

Each shard reports what it has created, destroyed, owns and has in transit after one tick; a tally
over all shards of a world says what does not add up.

Must not know: how shards step.
"""

from collections import Counter
from collections.abc import Iterable

import attrs

from server.shard.outbox import Outbox
from sim.world import World

__all__ = ["Census", "Counting", "Tally", "tally"]


@attrs.frozen
class Census:
    """One shard after `tick`: entity ids, and how many entities it has handed to others so far.

    `created` and `destroyed` hold every id since the shard's world began; `in_transit` those that
    were cut out and that no other shard is known to have taken: they may be there already.
    """

    shard: int
    tick: int
    created: frozenset[int]
    destroyed: frozenset[int]
    owned: frozenset[int]
    in_transit: frozenset[int]
    crossings: int


class Counting:
    """The ids that were created and destroyed in one shard; they grow as long as it counts."""

    def __init__(self) -> None:
        self.created: set[int] = set()
        self.destroyed: set[int] = set()

    def note(self, created: Iterable[int], destroyed: Iterable[int]) -> None:
        """Take in what one step did."""
        self.created.update(created)
        self.destroyed.update(destroyed)

    def census(self, shard: int, world: World, outbox: Outbox) -> Census:
        """Who is where in `world`, and on its way out of it."""
        return Census(
            shard=shard,
            tick=world.tick,
            created=frozenset(self.created),
            destroyed=frozenset(self.destroyed),
            owned=frozenset(world.owned_ids()),
            in_transit=frozenset(outbox.in_transit()),
            crossings=outbox.sent_entities,
        )

    def to_data(self) -> list[list[int]]:
        """Plain data for a checkpoint."""
        return [sorted(self.created), sorted(self.destroyed)]

    def load(self, data: list[list[int]]) -> None:
        """Be as `to_data` described."""
        self.created, self.destroyed = map(set, data)


@attrs.frozen
class Tally:
    """A whole world after `tick`: ids that are nowhere, and ids that two shards own."""

    tick: int
    created: int
    destroyed: int
    alive: int
    in_transit: int
    crossings: int
    lost: frozenset[int]
    duplicated: frozenset[int]


def tally(censuses: Iterable[Census], waiting: Counter[int] | None = None) -> Tally:
    """Add up the censuses of all shards of one world, taken after the same tick.

    `waiting` says how many outs of each entity nobody has taken, where that is known to be exact.
    Otherwise who is in transit as far as its source knows, and nowhere else, is on its way; it may
    have arrived and been destroyed.
    """
    reports = list(censuses)
    owners = Counter(entity for report in reports for entity in report.owned)
    created = frozenset[int]().union(*(report.created for report in reports))
    destroyed = frozenset[int]().union(*(report.destroyed for report in reports))
    sent = frozenset[int]().union(*(report.in_transit for report in reports))
    moving = Counter(sent - owners.keys()) if waiting is None else waiting
    there = owners + moving
    alive_for_sure = owners if waiting is None else there
    return Tally(
        tick=max((report.tick for report in reports), default=0),
        created=len(created),
        destroyed=len(destroyed),
        alive=len(owners),
        in_transit=len(moving),
        crossings=sum(report.crossings for report in reports),
        lost=created - destroyed - there.keys(),
        duplicated=frozenset(entity for entity, count in there.items() if count > 1)
        | (destroyed & alive_for_sure.keys()),
    )
