"""Whole columns of one kind: what systems work on.

What it is: `Table`, the rows that this shard owns, to be read and written (`ReadTable`: only read);
and `Everyone`, owned rows and the neighbours' ghosts together, to be read only.

Invariants: rows come and go only between handlers and systems, so indices and masks hold within
one. A ghost cannot be written: whoever wants something of it sends a command to its owner.

They must not know worlds or sessions.
"""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from sim.fields import read_only
from sim.ghosts import GhostRows
from sim.population import Population

K = TypeVar("K")
Ids = npt.NDArray[np.uint64]


class Table(Generic[K]):
    """The rows of a kind that this shard owns. `table.hp` is a column; assigning it writes all."""

    __slots__ = ("_destroy", "_population", "_row")
    _population: Population
    _row: Callable[[int], K]
    _destroy: Callable[[Any], int]

    def __init__(
        self, population: Population, row: Callable[[int], K], destroy: Callable[[Any], int]
    ) -> None:
        object.__setattr__(self, "_population", population)
        object.__setattr__(self, "_row", row)
        object.__setattr__(self, "_destroy", destroy)

    def __len__(self) -> int:
        return len(self._population)

    @property
    def id(self) -> Ids:
        """The ids, uint64[N], read-only."""
        return read_only(self._population.column("id"))

    def row(self, index: int) -> K:
        """One entity as an object."""
        return self._row(int(self._population.column("id")[index]))

    def rows(self) -> Iterator[K]:
        """Every entity as an object; for whole columns use the columns."""
        return map(self._row, self._population.column("id").tolist())

    def destroy(self, which: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> int:
        """Destroy the rows of a mask or of indices; gives how many."""
        return self._destroy(self._population.column("id")[which])

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        self._check(name)
        return self._population.lend(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._check(name)
        self._population.assign(name, value)

    def _check(self, name: str) -> None:
        if name not in self._population.names:
            raise AttributeError(f"{self._population.spec.name} has no field {name!r}.")

    def __repr__(self) -> str:
        return f"<{len(self)} {self._population.spec.name}>"


class ReadTable(Table[K]):
    """A table for those who only look: its columns cannot be written."""

    __slots__ = ()

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        self._check(name)
        return read_only(self._population.column(name))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self._population.spec.name}.{name} can only be read here.")


class Everyone(Generic[K]):
    """The owned rows of a kind as they are now, then its ghosts; columns are read-only copies.

    Only the kind's `ghost_fields` are there (and x, y, for a course vx, vy), with or without
    neighbours: what works in one shard works in four.
    """

    def __init__(self, population: Population, ghosts: GhostRows) -> None:
        self._population = population
        self._ghosts = ghosts
        self.owned = len(population)
        self.id: Ids = read_only(np.concatenate((population.column("id"), ghosts.ids)))

    def __len__(self) -> int:
        return len(self.id)

    def __getattr__(self, name: str) -> npt.NDArray[Any]:
        spec = self._population.spec
        if name not in spec.ghost_fields:
            raise AttributeError(
                f"{spec.name}.{name} is not known of neighbours' entities; declare it in "
                f"ghost_fields of {spec.name}."
            )
        own = self._population.column(name)[: self.owned]
        column = read_only(np.concatenate((own, self._ghosts.columns[name])))
        self.__dict__[name] = column
        return column
