"""Who left which slot, and why: a log that is as long as a delta may still need it.

One log serves all parts of a kind. Entries lie in the order of their ticks, so those after a tick
are its tail, and forgetting the old ones moves its start.

Must not know: who is there now.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["Tombstones"]

Ints = npt.NDArray[np.int64]

_PLACE, _SLOT, _ENTERED, _LEFT, _CODE = range(5)
_FIRST_CAPACITY = 16


class Tombstones:
    """Entries of (place, slot, entered, left, code); `code` is the reason as it travels."""

    def __init__(self) -> None:
        self._log = np.zeros((_FIRST_CAPACITY, 5), np.int64)
        self._start = self._end = 0

    def __len__(self) -> int:
        return self._end - self._start

    def add(self, places: Ints, slots: Ints, entered: Ints, left: int, codes: Ints) -> None:
        """Remember that the occupants of some slots left at `left`, the newest tick so far."""
        count = len(places)
        if self._end + count > len(self._log):
            self._make_room(count)
        entries = self._log[self._end : self._end + count]
        entries[:, _PLACE], entries[:, _SLOT], entries[:, _ENTERED] = places, slots, entered
        entries[:, _LEFT], entries[:, _CODE] = left, codes
        self._end += count

    def after(self, tick: int) -> tuple[Ints, Ints, Ints, Ints, Ints]:
        """Columns of the entries that left after `tick`: place, slot, entered, left, code."""
        tail = self._log[self._first_after(tick) : self._end]
        return tail[:, _PLACE], tail[:, _SLOT], tail[:, _ENTERED], tail[:, _LEFT], tail[:, _CODE]

    def forget_until(self, tick: int) -> None:
        """Drop the entries that left at `tick` or before."""
        self._start = self._first_after(tick)
        if self._start == self._end:
            self._start = self._end = 0

    def forget_places(self, places: Ints) -> None:
        """Drop the entries of parts that are no more."""
        if len(self):
            column = self._log[self._start : self._end, _PLACE]
            column[np.isin(column, places)] = -1

    def _first_after(self, tick: int) -> int:
        left = self._log[self._start : self._end, _LEFT]
        return self._start + int(left.searchsorted(tick, "right"))

    def _make_room(self, count: int) -> None:
        kept = self._log[self._start : self._end]
        log = np.zeros((max(2 * (len(kept) + count), _FIRST_CAPACITY), 5), np.int64)
        log[: len(kept)] = kept
        self._log, self._start, self._end = log, 0, len(kept)
