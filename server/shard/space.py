"""Where one shard is in the world, which may be cut anew while it runs.

A world is told as a partition: who owns which cells, and which shards there are besides. A shard
that is cut keeps what it is (its journal, its number, whom it has) and only gets another
rectangle; whoever is beyond it then is handed over as anybody who crosses a border. A shard may
have no rectangle at all: then it hands over everybody, and rests.

Must not know: worlds, journals, who decides how the world is cut.
"""

from typing import Final

import attrs

from protocol.geometry import Geometry
from server.shard.border import Border

__all__ = ["NOWHERE", "Bounds", "Partition", "Space", "border_region"]

Bounds = tuple[float, float, float, float]

NOWHERE: Final[Bounds] = (0.0, 0.0, 0.0, 0.0)  # the rectangle of a shard that has none


@attrs.frozen(eq=False)
class Partition:
    """How a world is cut from tick `since` on. `shards` are all there are, ascending.

    Those of them that `geometry` does not name have no rectangle.
    """

    geometry: Geometry
    shards: tuple[int, ...]
    since: int = 0

    @classmethod
    def of(cls, geometry: Geometry) -> "Partition":
        """That of a world in which every shard has a rectangle."""
        return cls(geometry, geometry.shards)

    @property
    def age(self) -> tuple[int, int]:
        """What rises with every change."""
        return self.geometry.version, len(self.shards)


class Space:
    """The place of one shard. `reach` is how far its rules look beyond the border, in units."""

    def __init__(self, partition: Partition, shard: int, reach: float) -> None:
        self._shard = shard
        self._reach = reach
        self.moving = False  # whether it has got another rectangle, and has not cut out all yet
        self._take(partition)

    def move(self, partition: Partition) -> None:
        """From now on the world is cut so."""
        before = self.bounds
        self._take(partition)
        self.moving |= self.bounds != before

    def _take(self, partition: Partition) -> None:
        shard, geometry = self._shard, partition.geometry
        self.partition = partition
        self.homeless = shard not in geometry.shards
        self.others = tuple(other for other in partition.shards if other != shard)
        self.bounds = NOWHERE if self.homeless else geometry.rect(shard)
        self.border = Border(geometry, shard)
        self.region = border_region(geometry, shard, self._reach)

    @property
    def version(self) -> int:
        """That of the tree whose leaf the shard is."""
        return self.partition.geometry.version

    @property
    def neighbours(self) -> frozenset[int]:
        """The shards whose frames it must hear."""
        return frozenset(self.others if self.region else ())


def border_region(geometry: Geometry, shard: int, reach: float) -> frozenset[int]:
    """The cells of which a shard wants to see other shards' entities; none without reach.

    These are others' cells within reach, and its own cells too: an entity that is less than the
    border's margin inside still belongs to the neighbour.
    """
    own = (geometry.owners == shard).nonzero()[0]
    if reach <= 0 or not len(own):
        return frozenset()
    return frozenset(geometry.border_cells(shard, reach).tolist()) | frozenset(own.tolist())
