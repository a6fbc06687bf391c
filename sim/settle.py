"""The end of a step: everything moves, and every number is rounded to its sim step.

Invariants: after it, values and integers of a population agree, and nothing is dirty. Columns that
nobody touched are left alone: rounding twice is rounding once.

It must not know worlds or games' handlers.
"""

from sim.courses import advance_courses
from sim.population import INTEGERS, Population


def settle(population: Population, step: int) -> None:
    """Round what the game changed, and move the kind to the end of `step`."""
    spec = population.spec
    views = population.store.views
    for field in population.numbers:
        if field.name in population.dirty and not spec.in_course(field.name):
            assert field.sim is not None, "Numbers have scales."
            integers = field.sim.ints(views[field.name])
            views[INTEGERS + field.name][...] = integers
            views[field.name][...] = field.sim.values(integers)
    for name in population.dirty:
        population.wire.pop(name, None)
    advance_courses(population, step)
    population.dirty.clear()
