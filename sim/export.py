"""What the server replicates: public columns for all, private numbers for owners.

Invariants: reading changes nothing. Wire columns are made once per change, not once per step.

It must not know sessions, ghosts or games' handlers.
"""

from sim.courses import course_of
from sim.engine import Export
from sim.fields import Column, FieldSpec, Ints, read_only
from sim.population import INTEGERS, Population


def export(population: Population) -> Export:
    """The rows of a kind as they are replicated."""
    views = population.store.views
    return Export(
        ids=views["id"],
        handles=views["handle"],
        x=read_only(views["x"]),
        y=read_only(views["y"]),
        fields={field.name: _wire(population, field) for field in population.spec.public},
        course=None if population.spec.course is None else course_of(population),
    )


def private_columns(population: Population, rows: Ints) -> list[Column]:
    """The private numbers of some rows, field by field."""
    views = population.store.views
    return [
        views[field.name if field.sim is None else INTEGERS + field.name][rows]
        for field in population.spec.private
    ]


def _wire(population: Population, field: FieldSpec) -> Column:
    made = population.wire.get(field.name)
    if made is None:
        column = population.column(field.name)
        made = column if field.wire is None else field.wire.ints(column).astype(field.wire_dtype)
        if field.wire is not None:
            population.wire[field.name] = made
    return made
