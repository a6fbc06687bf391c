"""The end of a step: everything moves, and every number is rounded to its sim step.

Invariants: after it, values and integers of a population agree, and nothing is dirty. Columns that
nobody touched are left alone: rounding twice is rounding once.

It must not know worlds or games' handlers.
"""

from sim.courses import advance_courses
from sim.fields import FieldSpec
from sim.population import STEADY, Population


def settle(population: Population, step: int) -> None:
    """Round what the game changed, and move the kind to the end of `step`."""
    for field in population.numbers:
        if field.name in population.dirty and not population.spec.in_course(field.name):
            _round(population, field)
    advance_courses(population, step)
    population.dirty.clear()


def _round(population: Population, field: FieldSpec) -> None:
    rows, integers = population.settle(field)
    population.integers(field.name)[rows] = integers
    if population.spec.course is not None:
        population.column(STEADY)[rows] = False  # a motion may read what it has not written
    wire = population.wire.get(field.name)
    if wire is not None and field.wire is not None:
        wire[rows] = field.wire.ints(population.column(field.name)[rows])
