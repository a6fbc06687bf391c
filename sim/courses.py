"""Courses: where a constant velocity leads, in integers.

What it is: the engine's integration of every kind with a motion. A course is (x0, y0, vx, vy,
step0), in units of the kind's position and speed steps; at step s it is at
`x0 + floor(vx * (s - step0) * num / den + 1/2)`, and so for y. Receivers evaluate the same.

Invariants: a course begins anew exactly when, at the end of a step's systems, its speed's or its
position's integers differ from those at the end of the step before: so it does not matter how a
game changed its columns. A position never leaves the world. No age exceeds `COURSE_AGE_MAX`.

Most entities go on as they did, so their motion is not asked. A motion reads nothing but its own
row, and of the position only how near the world's edge is: a row that it left as it was, away from
the edges, it would leave so again. Such rows are `steady` until something of them changes, or they
come near an edge.

Velocities that follow from a heading are looked up for the rows that are not steady, edges or not:
such a course begins anew exactly when its heading's wire integer differs from that at the end of
the step before, a position was assigned, or the row would have left the world, and is held inside.

It must not know games, worlds or what a column is for.
"""

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sim import limits
from sim.fields import Ints, Rows, Scale
from sim.headings import Headings
from sim.motion import edge_reach, step_columns
from sim.population import HEADING, STEADY, Population
from sim.specs import CourseSpec

Course: TypeAlias = tuple[Ints, Ints, Ints, Ints, Ints]


def travelled(course: CourseSpec, speed: Ints, age: Ints, out: Ints | None = None) -> Ints:
    """How far a speed leads in `age` steps; into `out`, if given."""
    way = np.multiply(speed, age, out=out)
    if course.num != 1:
        way *= course.num
    way += course.den // 2
    way //= course.den
    return way


def course_of(population: Population) -> Course:
    """The columns x0, y0, vx, vy, step0 (int64[N], live) of a kind with a motion."""
    views = population.store.views
    return (
        views["course.x0"],
        views["course.y0"],
        views["int.vx"],
        views["int.vy"],
        views["course.step0"],
    )


def advance_courses(population: Population, step: int) -> None:
    """Let the motion choose velocities, and move everybody to the end of `step`."""
    if population.spec.course is None or not len(population):
        return
    headings = population.spec.course.headings
    placed = _placed(population, "x"), _placed(population, "y")
    turned = _turned(population) if headings is None else _headed(population, headings)
    for rows in (*placed, turned):
        _begin(population, rows, step - 1)
    step0 = course_of(population)[-1]
    age = step - step0
    for rows in (_arrive(population, "x", age), _arrive(population, "y", age)):
        _begin(population, rows, step)
    if age.max() >= limits.COURSE_AGE_MAX:
        _begin(population, (age >= limits.COURSE_AGE_MAX).nonzero()[0], step)


def _begin(population: Population, rows: Ints, step: int) -> None:
    """New courses, from where rows are at the end of `step`."""
    if len(rows):
        x0, y0, _, _, step0 = course_of(population)
        x0[rows] = population.integers("x")[rows]
        y0[rows] = population.integers("y")[rows]
        step0[rows] = step


def _placed(population: Population, name: str) -> Ints:
    """Take over assigned positions; says whose were. Who was put outside is back."""
    if name not in population.dirty:
        return _NO_ROWS
    rows, now = population.settle(population.spec.field(name))
    return _taken_over(population, name, rows, now)


def _taken_over(population: Population, name: str, rows: Rows, now: Ints) -> Ints:
    """Keep new integers of rows; says which were others."""
    integers = population.integers(name)
    other: Ints = (now != integers[rows]).nonzero()[0]
    integers[rows] = now
    return other if isinstance(rows, slice) else rows[other]


def _turned(population: Population) -> Ints:
    """Ask the motion for velocities where they may be others; says whose are."""
    spec = population.spec
    assert spec.parameters is not None, "A course has a motion."
    assert spec.motion is not None, "A course has a motion."
    steady = population.column(STEADY)
    for name in ("vx", "vy"):
        if name in population.dirty:
            steady[population.changed(spec.field(name))] = False
    near = _near_edges(population)
    asked = near | ~steady
    many = 2 * np.count_nonzero(asked) > len(population)
    rows: Rows = slice(None) if many else asked.nonzero()[0]
    names = ("x", "y", "vx", "vy", *(state.name for state in spec.motion.state()))
    given = {name: population.column(name)[rows] for name in names}
    kept = ~near[rows]
    turned = []
    for name, made in step_columns(spec.parameters, given).items():
        scale, column = _scale(population, name), made
        now = scale.ints(column)
        if name in ("vx", "vy"):
            column = scale.values(now)
            turned.append(_taken_over(population, name, rows, now))
        else:
            population.integers(name)[rows] = now
        kept &= column == given[name]
        population.column(name)[rows] = column
    steady[rows] = kept
    return np.concatenate(turned)


def _headed(population: Population, headings: Headings) -> Ints:
    """Look up the velocities of those whose heading is another; says whose is."""
    steady, known = population.column(STEADY), population.column(HEADING)
    rows: Ints = (~steady).nonzero()[0]
    steady[rows] = True
    heading = headings.of(population.integers(headings.field.name)[rows])
    other = heading != known[rows]
    rows, heading = rows[other], heading[other]
    known[rows] = heading
    for name, table in (("vx", headings.vx), ("vy", headings.vy)):
        now = table[heading]
        population.integers(name)[rows] = now
        population.column(name)[rows] = _scale(population, name).values(now)
    return rows


def _near_edges(population: Population) -> npt.NDArray[np.bool_]:
    """Who is so near an edge of the world that its motion may have to slow down."""
    spec = population.spec
    assert spec.parameters is not None, "A course has a motion."
    near = np.zeros(len(population), np.bool_)
    for name, speed, side in zip("xy", ("vx", "vy"), spec.parameters["size"], strict=True):
        scale, at = _scale(population, speed), population.column(name)
        reach = edge_reach(spec.parameters, max(-scale.least, scale.most) * scale.step)
        near |= at < reach
        near |= at > side - reach
    return near


def _arrive(population: Population, name: str, age: Ints) -> Ints:
    """Move everybody along one axis; says whose course would have left the world."""
    spec, scale, views = population.spec, _scale(population, name), population.store.views
    assert spec.course is not None, "Only courses lead anywhere."
    there = travelled(spec.course, population.integers(f"v{name}"), age, out=views[f"int.{name}"])
    there += views[f"course.{name}0"]
    out = _NO_ROWS
    if there.min() < scale.least or there.max() > scale.most:
        out = ((there < scale.least) | (there > scale.most)).nonzero()[0]
        there[out] = there[out].clip(scale.least, scale.most)
    views[name][...] = scale.values(there)
    return out


def _scale(population: Population, name: str) -> Scale:
    scale = population.spec.field(name).sim
    assert scale is not None, "Courses are numbers."
    return scale


_NO_ROWS: Final = np.zeros(0, np.int64)
