"""What comes from other shards' outboxes, put in order and taken exactly once.

Outs may be delivered twice (a follower starts again) or early (two paths); each is taken once, in
the order of its source's numbers, and not before the tick after the one in which it arose: a shard
and its neighbour both step in a tick, and an entity must not step in both.

After a recovery the outs of some sources come before those of others, though the former owner had
taken them all. Others may have seen an entity here that is on its way here once more, and a command
for it waits until it is back, for a while: nobody could deliver that now.

Must not know: what a command does.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import attrs

from server.shard import limits
from server.shard.outbox import CommandParcel, EntityParcel, read_parcel

__all__ = ["Arrival", "Arrivals", "Progress"]


@attrs.frozen
class Arrival:
    """A parcel, the shard that it comes from, and its position in that shard's journal."""

    source: int
    position: int
    parcel: EntityParcel | CommandParcel


@attrs.frozen
class Progress:
    """How far a source's outs were taken: the last one's number and its journal position."""

    number: int = 0
    position: int = 0


NOTHING_TAKEN: Mapping[int, Progress] = MappingProxyType({})


def _anybody(_: int) -> bool:
    return True


class Arrivals:
    """The outs of all sources for one shard."""

    def __init__(self, progress: Mapping[int, Progress] = NOTHING_TAKEN) -> None:
        self.progress: dict[int, Progress] = dict(progress)
        self.duplicates = 0
        self._waiting: dict[int, dict[int, Arrival]] = {}
        self._whole_at: int | None = 0  # when all have come that the former owner had taken

    def go_on(self) -> None:
        """The next tick is the first one after a recovery."""
        self._whole_at = None

    def offer(self, source: int, position: int, data: bytes) -> bool:
        """Keep an out of `source` until it can be taken; False if there is no room: offer again."""
        arrival = Arrival(source, position, read_parcel(data))
        number = arrival.parcel.number
        waiting = self._waiting.setdefault(source, {})
        if number <= self.progress.get(source, _NOTHING).number or number in waiting:
            self.duplicates += 1
            return True
        if len(waiting) >= limits.ARRIVALS_WAITING:
            return False
        waiting[number] = arrival
        return True

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be taken."""
        return not any(self._waiting.values())

    def take(self, now: int, knows: Callable[[int], bool] = _anybody) -> list[Arrival]:
        """What tick `now` consumes, by source and number; it counts as taken.

        `knows` says of an entity whether a command for it could be brought there.
        """
        if self._whole_at is None:
            self._whole_at = now + limits.OUTS_COME_TICKS
        taken: list[Arrival] = []
        for source in sorted(self._waiting):
            waiting = self._waiting[source]
            following = self.progress.get(source, _NOTHING).number + 1
            first = len(taken)
            while following in waiting and waiting[following].parcel.tick < now:
                parcel = waiting[following].parcel
                if (
                    now < self._whole_at
                    and isinstance(parcel, CommandParcel)
                    and not knows(parcel.target)
                ):
                    break
                taken.append(waiting.pop(following))
                following += 1
            if len(taken) > first:
                self.progress[source] = Progress(following - 1, taken[-1].position)
        return taken


_NOTHING = Progress()
