"""Courses: what the engine integrates is what every receiver evaluates, step for step."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.courses import evaluate
from sim import Game, World, limits, motion, quant
from sim.courses import travelled
from sim.specs import CourseSpec

Drive = Callable[[World], Any]
NAMES = ("p0", "v", "age", "num", "den", "p")
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "courses.json").read_text())


def spec(num: int, den: int) -> CourseSpec:
    return CourseSpec(1 / 4096, 1 / 64, num, den, "i16")


@given(
    speed=st.integers(-(2**17), 2**17),
    age=st.integers(0, limits.COURSE_AGE_WIRE_MAX),
    num=st.integers(1, 64),
    den=st.integers(1, 64),
)
def test_the_simulation_and_the_protocol_evaluate_alike(
    speed: int, age: int, num: int, den: int
) -> None:
    way = travelled(spec(num, den), np.array([speed]), np.array([age]))
    assert way.dtype == np.int64
    assert int(way[0]) == evaluate(0, speed, age, num, den)


def test_golden_positions() -> None:
    for case in VECTORS:
        p0, v, age, num, den, expected = (case[name] for name in NAMES)
        assert evaluate(p0, v, age, num, den) == expected
        way = travelled(spec(num, den), np.array([v]), np.array([age]))
        assert p0 + int(way[0]) == expected


# --- in a world ----------------------------------------------------------------------------------


@attrs.define
class Ball:
    x: Annotated[float, quant(0, 1024, 1 / 16)]
    y: Annotated[float, quant(0, 512, 1 / 16)]
    vx: Annotated[float, quant(-64, 63, 1 / 4, sim_step=1 / 64)] = 0
    vy: Annotated[float, quant(-64, 63, 1 / 4, sim_step=1 / 64)] = 0


def new_world(hz: float = 20, rule: Callable[[World], None] | None = None) -> World:
    game = Game("balls", size=(1024, 512), tick_hz=hz)
    game.entity(motion=motion.Free())(Ball)
    if rule is not None:
        game.system(rule)
    return World(game, seed=1)


def course(world: World) -> list[tuple[int, ...]]:
    found = world.export(0).course
    assert found is not None
    return [tuple(row) for row in np.stack(found, axis=1).tolist()]


def seen(world: World) -> list[tuple[float, float]]:
    """Where a receiver that evaluates the courses sees everybody."""
    form = world.game.rules.kinds[0].course
    assert form is not None
    return [
        (
            evaluate(x0, vx, world.step - step0, form.num, form.den) * form.step,
            evaluate(y0, vy, world.step - step0, form.num, form.den) * form.step,
        )
        for x0, y0, vx, vy, step0 in course(world)
    ]


def true(world: World) -> list[tuple[float, float]]:
    exported = world.export(0)
    return list(zip(exported.x.tolist(), exported.y.tolist(), strict=True))


moves = st.one_of(
    st.tuples(st.just("vx"), st.floats(-63, 63)),
    st.tuples(st.just("vy"), st.floats(-63, 63)),
    st.tuples(st.just("x"), st.floats(-100, 1200)),
    st.tuples(st.just("y"), st.floats(-100, 600)),
    st.none(),
)


@settings(deadline=None)
@given(
    script=st.lists(st.tuples(st.integers(0, 2), moves), max_size=60),
    hz=st.sampled_from([10, 20, 30]),
)
def test_a_receiver_that_evaluates_courses_is_always_right(
    script: list[tuple[int, tuple[str, float] | None]], hz: float, drive: Drive
) -> None:
    todo: list[tuple[int, tuple[str, float]]] = []

    def rule(world: World) -> None:
        for row, (name, value) in todo:
            getattr(world[Ball], name)[row] = value
        todo.clear()

    world = new_world(hz, rule)
    for x in (100, 500, 1000):
        world.spawn(Ball(x=x, y=x / 2, vx=7, vy=-3))
    driver = drive(world)
    for row, move in script:
        before = course(world)
        if move is not None:
            todo.append((row, move))
        driver.step()
        assert seen(world) == true(world), "Evaluating a course must give the true position."
        for other in {0, 1, 2} - ({row} if move is not None else set()):
            if course(world)[other] != before[other]:
                assert at_edge(true(world)[other]), (
                    "Only edges change a course that nobody touched."
                )
        assert all(0 <= x <= 1024 and 0 <= y <= 512 for x, y in true(world))


def at_edge(place: tuple[float, float]) -> bool:
    return min(place[0], 1024 - place[0], place[1], 512 - place[1]) < 7


def test_a_course_that_nobody_touches_lasts(drive: Drive) -> None:
    def read(world: World) -> None:
        world[Ball].vx = world[Ball].vx.copy()
        world[Ball].x *= 1.0

    world = new_world(rule=read)
    world.spawn(Ball(x=100, y=100, vx=1, vy=0.5))
    drive(world).steps(50)
    assert course(world) == [(100 * 4096, 100 * 4096, 64, 32, 0)]


def test_a_turn_begins_where_the_last_step_ended(drive: Drive) -> None:
    world = new_world()
    ball = world.spawn(Ball(x=100, y=100, vx=4))
    driver = drive(world)
    driver.steps(10)
    world.get(ball).vx = 8
    driver.step()
    assert course(world) == [(102 * 4096, 100 * 4096, 8 * 64, 0, 10)]
    assert true(world) == [(102.4, 100.0)] or abs(true(world)[0][0] - 102.4) < 1 / 4096


def test_a_place_that_is_assigned_begins_a_course_there(drive: Drive) -> None:
    world = new_world()
    ball = world.spawn(Ball(x=100, y=100, vx=4))
    driver = drive(world)
    driver.steps(10)
    world.get(ball).x = 300
    driver.step()
    assert course(world) == [(300 * 4096, 100 * 4096, 4 * 64, 0, 10)]


def test_a_course_is_begun_anew_before_its_age_overflows(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COURSE_AGE_MAX", 50)
    world = new_world()
    world.spawn(Ball(x=100, y=100, vx=1 / 64))
    driver = drive(world)
    for _ in range(170):
        driver.step()
        assert world.step - course(world)[0][4] < 50
        assert seen(world) == true(world)
    assert course(world)[0][4] == 150


def test_nobody_leaves_the_world(drive: Drive) -> None:
    world = new_world()
    ball = world.spawn(Ball(x=1020, y=500, vx=60, vy=60))
    driver = drive(world)
    driver.steps(20)
    assert true(world) == [(1024.0, 512.0)]
    driver.step()
    assert course(world)[0][2:4] == (0, 0), "Who rests at the edge has a course that lasts."
    world.get(ball).x = 5000
    driver.step()
    assert true(world) == [(1024.0, 512.0)]


def test_steps_that_are_no_powers_of_two_work(drive: Drive) -> None:
    @attrs.define
    class Cart:
        x: Annotated[float, quant(0, 100, 0.1, sim_step=0.001)]
        y: Annotated[float, quant(0, 100, 0.1, sim_step=0.001)]
        vx: Annotated[float, quant(-10, 10, 0.5, sim_step=0.01)] = 0
        vy: Annotated[float, quant(-10, 10, 0.5, sim_step=0.01)] = 0

    game = Game("carts", size=(100, 100), tick_hz=20)
    game.entity(motion=motion.Free())(Cart)
    form = game.rules.kinds[0].course
    assert form is not None
    assert (form.num, form.den) == (1, 2)
    world = World(game, seed=1)
    cart = world.spawn(Cart(x=10, y=10, vx=1.5))
    drive(world).steps(40)
    assert world.get(cart).x == pytest.approx(13.0, abs=1e-9)


def test_a_model_rests_at_speed(pond: SimpleNamespace, drive: Drive) -> None:
    world = World(pond.game, seed=1)
    driver = drive(world)
    driver.step(joins=[(1, "ann")])
    driver.step(inputs=[(1, 0, (160, 100), 0)])
    driver.steps(200)
    before = [column.copy() for column in world.export(0).course or ()]
    driver.steps(20)
    after = world.export(0).course or ()
    assert all((old == new).all() for old, new in zip(before, after, strict=True)), (
        "A thrust that is held must end in a course that lasts."
    )
