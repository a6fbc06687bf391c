"""Guests beyond their shard's rectangle: the few cells of others in which a shard shows something.

A shard goes on publishing an entity that crossed its border until the handoff is durable, so a
cell's content comes from its owner and, now and then, from a neighbour.

Invariant: a cell in which the shard has anything is known here. Every part that is alive is told of
at least once in `CRC_TICKS`, so what was not told of for longer is gone.

Must not know: parts, links.
"""

import numpy as np

from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.limits import CRC_TICKS

__all__ = ["Strays"]


class Strays:
    """The stray cells of one shard: `fresh` in the frames since the last snapshots, `lately` ever
    since a part there may live.
    """

    def __init__(self, geometry: Geometry, kinds: int, shard: int) -> None:
        self.fresh: frozenset[int] = frozenset()
        self.lately: frozenset[int] = frozenset()
        self._owners = geometry.owners
        self._kinds = kinds
        self._shard = shard
        self._told: dict[int, int] = {}

    def note(self, frame: Frame) -> None:
        """Take in which cells of others `frame` tells of."""
        cells = frame.keys.astype(np.int64) // self._kinds % len(self._owners)
        stray = np.unique(cells[self._owners[cells] != self._shard]).tolist()
        oldest = frame.tick - CRC_TICKS
        if not stray and not self._told:
            return
        self._told.update(dict.fromkeys(stray, frame.tick))
        self._told = {cell: tick for cell, tick in self._told.items() if tick >= oldest}
        self.lately = frozenset(self._told)
        self.fresh |= frozenset(stray)

    def cut_anew(self, geometry: Geometry, tick: int) -> None:
        """Shards have other cells from now on, `tick` being the newest of this one's frames.

        Where it owned what it does no more, it may show somebody for a while.
        """
        was, self._owners = self._owners == self._shard, geometry.owners
        own = self._owners == self._shard
        left, come = np.flatnonzero(was & ~own).tolist(), np.flatnonzero(own & ~was).tolist()
        self._told.update(dict.fromkeys(left, tick))
        for cell in come:
            self._told.pop(cell, None)
        self.lately = frozenset(self._told)
        self.fresh = self.fresh.union(left).difference(come)

    def composed(self) -> None:
        """The frames so far are in snapshots."""
        if self.fresh:
            self.fresh = frozenset()

    def start_anew(self) -> None:
        """What the shard showed is void: whoever saw it there must be told of the new beginning."""
        self.fresh = self.lately
