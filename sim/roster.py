"""Who is here: the populations of all kinds, and the comings and goings among them.

What it is: spawning and destroying, which take effect when the running handler or system ends, and
finding an entity by its id.

Invariants: an id is the maker's number above a counter that never goes back, so no two makers and
no two moments give the same. `created` and `destroyed` count what this shard made and unmade, not
what came and went across borders.

It must not know sessions, steps, or what the entities do.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from sim import limits
from sim.errors import EngineError, GameError
from sim.population import Population
from sim.rows import row_class
from sim.rules import Rules
from sim.table import ReadTable, Table


class Roster:
    """The entities of one shard. Tables destroy their rows by `destroy`."""

    def __init__(self, rules: Rules, maker: int, destroy: Callable[[Any], int]) -> None:
        if not 1 <= maker <= limits.MAKER_MAX:
            raise EngineError(f"A maker's number is 1 to {limits.MAKER_MAX}, not {maker}.")
        self._rules = rules
        self.maker = maker
        self.counter = 0
        self.created = 0
        self.destroyed = 0
        self.populations = [Population(spec) for spec in rules.kinds]
        self.rows = [row_class(population) for population in self.populations]
        self.tables: list[Table[Any]] = [
            Table(population, row, destroy)
            for population, row in zip(self.populations, self.rows, strict=True)
        ]
        self.looking: list[Table[Any]] = [
            ReadTable(population, row, destroy)
            for population, row in zip(self.populations, self.rows, strict=True)
        ]
        self._born: dict[int, tuple[int, object]] = {}  # by id: kind and instance
        self._dying: dict[int, None] = {}

    def find(self, entity: int) -> Population | None:
        """The population that an entity is in; None if it is not here."""
        for population in self.populations:
            if entity in population.place:
                return population
        return None

    def row(self, entity: int) -> Any | None:
        """An entity as an object; None if it is not here."""
        population = self.find(entity)
        return None if population is None else self.rows[population.spec.index](entity)

    def ids(self) -> list[int]:
        """All entities that are here, kind by kind."""
        return [
            entity for population in self.populations for entity in population.column("id").tolist()
        ]

    def spawn(self, made: object) -> int:
        """Note a new entity; gives its id."""
        spec = self._rules.kind_of.get(type(made))
        if spec is None:
            raise GameError(f"{made!r} is not of a kind that was declared with @game.entity.")
        self.counter += 1
        entity = self.maker << limits.COUNTER_BITS | self.counter
        self._born[entity] = (spec.index, made)
        return entity

    def destroy(self, which: Any) -> int:
        """Note the end of an id or of an array of ids; gives how many of them are here."""
        ids = _ids(which)
        fresh = {entity: None for entity in ids if self._is_here(entity)}
        self._dying |= fresh
        return len(fresh)

    @property
    def waits(self) -> bool:
        """Whether somebody is to come or go."""
        return bool(self._born or self._dying)

    def flush(self, step: int) -> tuple[list[int], list[int]]:
        """Carry out what was noted; gives who was created and who destroyed.

        New courses begin at the end of `step`.
        """
        if not self.waits:
            return [], []
        born, self._born = self._born, {}
        dying, self._dying = self._dying, {}
        for population in self.populations:
            index = population.spec.index
            mine = {entity: made for entity, (kind, made) in born.items() if kind == index}
            if mine:
                population.insert(list(mine), population.read(list(mine.values()), step))
        self.remove(dying)
        self.created += len(born)
        self.destroyed += len(dying)
        return list(born), list(dying)

    def remove(self, ids: Iterable[int]) -> None:
        """Take entities out at once, uncounted: they are destroyed or leave for another shard."""
        gone = list(ids)
        for population in self.populations:
            mine = [entity for entity in gone if entity in population.place]
            if mine:
                population.remove(mine)

    def _is_here(self, entity: int) -> bool:
        return entity in self._born or self.find(entity) is not None


def _ids(which: Any) -> list[int]:
    given = np.asarray(which)
    if given.dtype.kind not in "iu" and given.size:
        raise TypeError(
            f"destroy takes an id or an array of ids, not {given.dtype}; for a mask write "
            "world[Kind].destroy(mask)."
        )
    return [int(entity) for entity in np.atleast_1d(given).tolist()]
