"""A shard's steps by tick, as its snapshots tell them: which tick was which step, and the pace.

At full speed a shard steps once a tick. A shard that cannot keep up skips ticks in an even pattern;
then what is to come is stepped at that pace, too. One tick that was missed is no pattern.

Must not know: what moves, who renders.
"""

from collections.abc import Iterable
from itertools import islice, pairwise
from typing import Final

__all__ = ["Steps"]

KEPT: Final = 64
_PACED: Final = 12  # intervals that tell the pace: at a third of it, the last two seconds at 20 Hz
_PATTERN: Final = 2  # intervals with skipped ticks, from which on it is a pace and no mishap
_LONGEST: Final = 32  # ticks; of a longer interval one does not know how it was spent


class Steps:
    """Ticks and steps of one shard, ascending: equal strides, except where ticks were skipped.

    `pace` is how many steps a tick brings, as the last ones tell: exactly 1 at full speed.
    """

    def __init__(self) -> None:
        self._known: list[tuple[int, int]] = []
        self.pace = 1.0

    def add(self, tick: int, step: int) -> None:
        """At `tick` the shard's step was `step`; what is no news is ignored."""
        if not self._known or tick > self._known[-1][0]:
            self._known.append((tick, step))
            del self._known[:-KEPT]
            self.pace = _pace(self._known)

    def tick_at(self, step: int) -> int:
        """The tick at which that step was done, as far as is known."""
        after = self._known[-1]
        for before in reversed(self._known):
            if before[1] < step:
                tick = before[0] + step - before[1]
                return tick if after is before else min(tick, after[0])
            after = before
        return after[0] - (after[1] - step)

    def at(self, tick: int) -> float:
        """The step at a tick, with a fraction where ticks were skipped."""
        after = self._known[-1]
        for before in reversed(self._known):
            if before[0] <= tick:
                if after[0] <= tick:
                    return after[1] + (tick - after[0]) * self.pace
                share = (tick - before[0]) / (after[0] - before[0])
                return before[1] + (after[1] - before[1]) * share
            after = before
        return after[1] - (after[0] - tick)


def _pace(known: list[tuple[int, int]]) -> float:
    ticks = steps = skipping = 0
    for after, before in _newest_first(known):
        passed, done = after[0] - before[0], after[1] - before[1]
        if passed > _LONGEST or not 0 < done <= passed:
            continue
        ticks += passed
        steps += done
        skipping += done < passed
    return steps / ticks if skipping >= _PATTERN else 1.0


def _newest_first(
    known: list[tuple[int, int]],
) -> Iterable[tuple[tuple[int, int], tuple[int, int]]]:
    return islice(pairwise(reversed(known)), _PACED)
