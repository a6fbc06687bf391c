"""Courses: where a constant velocity leads, in integers.

What it is: the engine's integration of every kind with a motion. A course is (x0, y0, vx, vy,
step0), in units of the kind's position and speed steps; at step s it is at
`x0 + floor(vx * (s - step0) * num / den + 1/2)`, and so for y. Receivers evaluate the same.

Invariants: a course begins anew exactly when, at the end of a step's systems, its speed's or its
position's integers differ from those at the end of the step before: so it does not matter how a
game changed its columns. A position never leaves the world. No age exceeds `COURSE_AGE_MAX`.

It must not know games, worlds or what a column is for.
"""

from typing import TypeAlias

import numpy as np

from sim import limits
from sim.fields import Column, Ints, Scale
from sim.motion import step_columns
from sim.population import Population
from sim.specs import CourseSpec

Course: TypeAlias = tuple[Ints, Ints, Ints, Ints, Ints]


def travelled(course: CourseSpec, speed: Ints, age: Ints) -> Ints:
    """How far a speed leads in `age` steps."""
    way = speed * age
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
    spec = population.spec
    if spec.course is None or not len(population):
        return
    fresh = _placed(population, "x") | _placed(population, "y")
    _apply_motion(population)
    fresh |= _turned(population, "vx")
    fresh |= _turned(population, "vy")
    x0, y0, vx, vy, step0 = course_of(population)
    np.copyto(x0, population.integers("x"), where=fresh)
    np.copyto(y0, population.integers("y"), where=fresh)
    step0[fresh] = step - 1
    age = step - step0
    over = age >= limits.COURSE_AGE_MAX
    over |= _arrive(population, "x", x0 + travelled(spec.course, vx, age))
    over |= _arrive(population, "y", y0 + travelled(spec.course, vy, age))
    if over.any():
        np.copyto(x0, population.integers("x"), where=over)
        np.copyto(y0, population.integers("y"), where=over)
        step0[over] = step


def _placed(population: Population, name: str) -> Column:
    """Take over assigned positions; says whose were."""
    before = population.integers(name)
    if name not in population.dirty:
        return np.zeros(len(before), np.bool_)
    scale = _scale(population, name)
    now = scale.ints(population.column(name))
    placed: Column = now != before
    before[...] = now
    population.column(name)[...] = scale.values(now)  # also for who was put outside and is back
    return placed


def _apply_motion(population: Population) -> None:
    spec = population.spec
    assert spec.parameters is not None, "A course has a motion."
    assert spec.motion is not None, "A course has a motion."
    names = ("x", "y", "vx", "vy", *(state.name for state in spec.motion.state()))
    columns = {name: population.column(name) for name in names}
    for name, column in step_columns(spec.parameters, columns).items():
        population.column(name)[...] = column
        if name not in ("vx", "vy"):
            population.integers(name)[...] = _scale(population, name).ints(column)


def _turned(population: Population, name: str) -> Column:
    """Take over velocities; says whose changed."""
    scale, before = _scale(population, name), population.integers(name)
    now = scale.ints(population.column(name))
    turned: Column = now != before
    before[...] = now
    population.column(name)[...] = scale.values(now)
    return turned


def _arrive(population: Population, name: str, there: Ints) -> Column:
    """Note the new positions; says whose course would have left the world."""
    scale = _scale(population, name)
    integers = population.integers(name)
    np.maximum(there, scale.least, out=integers)
    np.minimum(integers, scale.most, out=integers)
    population.column(name)[...] = scale.values(integers)
    clamped: Column = integers != there
    return clamped


def _scale(population: Population, name: str) -> Scale:
    scale = population.spec.field(name).sim
    assert scale is not None, "Courses are numbers."
    return scale
