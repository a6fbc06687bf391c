"""Interest: the cells that a session receives, a function of centre cell and radius class alone.

Sessions with the same centre and class share one `Interest` object, and by it one body per tick,
byte for byte. Hysteresis acts on the centre, in the shard, before it gets here. An observer's
interest is everything.

Must not know: links, frames.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs
import numpy as np

from protocol.frame import Runs, runs_of
from protocol.geometry import Geometry
from server.gateway import limits

__all__ = ["Demand", "Interest", "Interests"]

_AROUND: Final = np.array((-1, 0, 1))  # a cell's own row or column, and the next ones


class Demand:
    """The shards into which interests reach that links receive.

    It goes by several `geometries` while shards take up a cut sooner or later than others.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometries: tuple[Geometry, ...] = (geometry,)
        self._interests: Counter[int] = Counter()

    @property
    def shards(self) -> frozenset[int]:
        """Those of which there is at least one."""
        return frozenset(self._interests)

    def add(self, interest: "Interest") -> None:
        """An interest has its first link."""
        if interest.reach is None:
            near = (_shards_near(geometry, interest.cells) for geometry in self.geometries)
            interest.reach = frozenset().union(*near)
        self._interests.update(interest.reach)

    def remove(self, interest: "Interest") -> None:
        """It has lost its last one."""
        for shard in interest.reach or ():
            self._interests[shard] -= 1
            if not self._interests[shard]:
                del self._interests[shard]


@attrs.define(eq=False)
class Interest:
    """Some cells, ascending, and how the shards' rectangles divide them: as cells and as `runs`.

    Compared by identity: `Interests` makes one object for each set. `links` counts those that
    receive it. `reach` are the shards that may show something in it, or will when it moves a
    little: those of its cells and of the cells next to them; None: to be worked out. `rings` are
    the cells that are told of more seldom: at every 2nd or 4th step, as 1 or 2.
    """

    cells: tuple[int, ...]
    cell_set: frozenset[int]
    by_shard: Mapping[int, tuple[int, ...]]
    runs: Mapping[int, Runs]
    demand: Demand
    everything: bool = False
    links: int = 0
    reach: frozenset[int] | None = None
    rings: Mapping[int, int] = MappingProxyType({})

    def enter(self) -> None:
        """One link more receives it."""
        self.links += 1
        if self.links == 1:
            self.demand.add(self)

    def leave(self) -> None:
        """One link less."""
        self.links -= 1
        if not self.links:
            self.demand.remove(self)


class Interests:
    """Makes and keeps the Interest objects of one geometry."""

    def __init__(self, geometry: Geometry, rings: Sequence[float] = ()) -> None:
        self._geometry = geometry
        self._rings = tuple(rings)
        self._known: dict[tuple[int, int], Interest] = {}
        self.demand = Demand(geometry)
        self.everything = self._make(tuple(range(geometry.cells)), everything=True)

    def at(self, centre: int, radius_class: int) -> Interest:
        """The interest around cell `centre` with the radius of `radius_class`.

        Raises ValueError when the world has no such cell or class.
        """
        key = centre, radius_class
        found = self._known.get(key)
        if found is None:
            if not self.exists(centre, radius_class):
                raise ValueError(f"the world has no cell {centre} or no class {radius_class}")
            if len(self._known) >= limits.INTERESTS_KEPT:
                self._forget_unused()
            cells = self._geometry.interest_cells(centre, radius_class)
            found = self._known[key] = self._make(cells)
            found.rings = self._rings_of(cells, centre)
        return found

    def find(self, centre: int, radius_class: int) -> Interest | None:
        """Like `at`, but None when the world has no such cell or class."""
        found = self._known.get((centre, radius_class))
        if found is None and self.exists(centre, radius_class):
            return self.at(centre, radius_class)
        return found

    def exists(self, centre: int, radius_class: int) -> bool:
        """Whether the world has such a cell and such a class."""
        return 0 <= centre < self._geometry.cells and (
            0 <= radius_class < len(self._geometry.interest)
        )

    def cut_anew(self, geometry: Geometry) -> None:
        """Shards have other cells from now on: every interest is the same, but divided otherwise.

        Whatever is kept of how an interest is divided is void.
        """
        self._geometry = geometry
        for interest in self._all():
            interest.by_shard, interest.runs = self._divided(interest.cells)

    def reach_by(self, geometries: tuple[Geometry, ...]) -> None:
        """Shards may show something where any of these says that they own cells."""
        if geometries == self.demand.geometries:
            return
        received = [interest for interest in self._all() if interest.links]
        for interest in received:
            self.demand.remove(interest)
        for interest in self._all():
            interest.reach = None
        self.demand.geometries = geometries
        for interest in received:
            self.demand.add(interest)

    def sees(self, cells: frozenset[int]) -> bool:
        """Whether a link receives any of `cells`."""
        return bool(cells) and any(
            interest.links and not interest.cell_set.isdisjoint(cells) for interest in self._all()
        )

    def __len__(self) -> int:
        return len(self._known)

    def _all(self) -> Iterator[Interest]:
        yield self.everything
        yield from self._known.values()

    def _make(self, cells: tuple[int, ...], *, everything: bool = False) -> Interest:
        by_shard, runs = self._divided(cells)
        return Interest(cells, frozenset(cells), by_shard, runs, self.demand, everything)

    def _divided(
        self, cells: tuple[int, ...]
    ) -> tuple[Mapping[int, tuple[int, ...]], Mapping[int, Runs]]:
        """Which of some cells are whose: as cells, and as runs."""
        by_shard: dict[int, list[int]] = {}
        for cell in cells:
            by_shard.setdefault(self._geometry.shard_of(cell), []).append(cell)
        return (
            {shard: tuple(own) for shard, own in sorted(by_shard.items())},
            {shard: runs_of(own) for shard, own in sorted(by_shard.items())},
        )

    def _rings_of(self, cells: tuple[int, ...], centre: int) -> Mapping[int, int]:
        """In which ring each cell is that is not in the innermost one."""
        rings = {
            cell: sum(self._geometry.cell_gap(centre, cell) >= radius for radius in self._rings)
            for cell in cells
        }
        return {cell: ring for cell, ring in rings.items() if ring}

    def _forget_unused(self) -> None:
        self._known = {key: interest for key, interest in self._known.items() if interest.links}


def _shards_near(geometry: Geometry, cells: Sequence[int]) -> tuple[int, ...]:
    """The shards of `cells` and of all cells next to them."""
    rows, columns = np.divmod(np.array(cells, np.int64), geometry.columns)
    ys = np.clip(rows[:, None] + _AROUND, 0, geometry.rows - 1)
    xs = np.clip(columns[:, None] + _AROUND, 0, geometry.columns - 1)
    around = ys[:, :, None] * geometry.columns + xs[:, None, :]
    return tuple(np.unique(geometry.owners[around]).tolist())
