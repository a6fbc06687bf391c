"""Headings: on the wire a turn is one byte, so velocity and course must follow from it alone."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.schema import Schema
from sim import World, limits, motion
from sim.headings import circle
from sim.population import STEADY
from sim.predict import Predictor
from tests.sim.walkers import (
    HEIGHT,
    SPEED_STEP,
    STEP,
    WIDTH,
    Change,
    Walker,
    bits,
    courses,
    make_game,
    places,
    scripts,
    seen,
    small_world,
    tables,
)  # fmt: skip

Drive = Callable[[World], Any]

# --- tables --------------------------------------------------------------------------------------


def test_golden_velocities() -> None:
    """For implementations in other languages: halves go upwards, and a last one stands still."""
    vx, vy = circle(6.0, SPEED_STEP, 8, still=False)
    assert vx.tolist() == [384, 272, 0, -272, -384, -272, 0, 272]
    assert vy.tolist() == [0, 272, 384, 272, 0, -272, -384, -272]
    vx, vy = circle(6.0, SPEED_STEP, 6, still=True)
    assert vx.tolist() == [384, 119, -311, -311, 119, 0]
    assert vy.tolist() == [0, 365, 226, -226, -365, 0]


@given(st.floats(1, 100), st.integers(2, 256), st.booleans())
def test_headings_divide_the_circle_anticlockwise(speed: float, count: int, still: bool) -> None:
    vx, vy = circle(speed, SPEED_STEP, count, still=still)
    assert len(vx) == len(vy) == count
    directions = count - 1 if still else count
    for k in range(directions):
        angle = 2 * math.pi * k / directions
        assert vx[k] == pytest.approx(speed * math.cos(angle) / SPEED_STEP, abs=0.5 + 1e-6)
        assert vy[k] == pytest.approx(speed * math.sin(angle) / SPEED_STEP, abs=0.5 + 1e-6)
    if still:
        assert (vx[-1], vy[-1]) == (0, 0)


def test_the_schema_has_the_tables_and_who_they_belong_to() -> None:
    game = make_game()
    described = game.describe()
    walker = described["kinds"][0]
    heading = walker["course"]["heading"]
    assert walker["fields"][heading["field"]]["name"] == "heading"
    vx, vy = circle(6.0, SPEED_STEP, 64, still=False)
    assert (heading["vx"], heading["vy"]) == (vx.tolist(), vy.tolist())
    assert walker["private"] == []
    assert walker["motion"] == {
        "model": "heading",
        "hz": 20.0,
        "size": [64.0, 32.0],
        "speed_step": 1 / 64,
        "speed": 6.0,
        "field": "heading",
    }
    assert Schema.from_data(described).kinds[0].course is not None
    assert game.hash != make_game(model=motion.Heading(speed=5)).hash
    assert game.hash != make_game(model=motion.Heading(speed=6, still=True)).hash


def test_a_heading_is_not_predicted_as_something_else() -> None:
    assert not Predictor(make_game().describe(), 0).predictable


# --- what a game sees ----------------------------------------------------------------------------


def test_a_walker_goes_where_it_is_headed_from_its_first_step_on(drive: Drive) -> None:
    world = World(make_game(), seed=1)
    walker = world.get(world.spawn(Walker(x=32, y=16, vx=5, vy=5, heading=16)))
    assert (walker.vx, walker.vy) == (0.0, 6.0), "Its heading decides, not what it was made with."
    drive(world).steps(10)
    assert (walker.x, walker.y) == (32.0, 19.0)
    walker.heading = 32
    drive(world).steps(10)
    assert (walker.x, walker.y, walker.vx, walker.vy) == (29.0, 19.0, -6.0, 0.0)


def test_the_last_heading_can_stand_still(drive: Drive) -> None:
    world = World(make_game(model=motion.Heading(speed=6, still=True)), seed=1)
    walker = world.get(world.spawn(Walker(x=32, y=16, heading=63)))
    driver = drive(world)
    driver.steps(5)
    assert (walker.x, walker.y) == (32.0, 16.0)
    walker.heading = 0
    driver.steps(10)
    assert walker.x == 35.0
    walker.heading = 63
    driver.steps(5)
    assert walker.x == 35.0


def test_the_velocity_is_the_headings_and_cannot_be_set(drive: Drive) -> None:
    def in_place(world: World) -> None:
        assert world[Walker].vx.tolist() == [6.0]
        world[Walker].vx[0] = 1

    def whole(world: World) -> None:
        world[Walker].vy = 1

    for rule, error in ((in_place, ValueError), (whole, AttributeError)):
        world = World(make_game(rule), seed=1)
        walker = world.get(world.spawn(Walker(x=32, y=16)))
        with pytest.raises(AttributeError, match=r"Walker\.vx follows Walker\.heading"):
            walker.vx = 1
        with pytest.raises(error, match=r"read-only|Walker\.vy follows Walker\.heading"):
            drive(world).step()
        assert (walker.vx, walker.vy) == (6.0, 0.0)


# --- courses -------------------------------------------------------------------------------------


def expected(
    world: World, before: tuple[int, ...], turned: bool, put: tuple[int, ...] | None, k: int
) -> tuple[int, ...]:
    """The course that follows on another, by the letter of what the wire relies on."""
    vx, vy = tables(world)
    course = before
    if turned or put:
        at = put or seen(world, before, world.step - 1)
        course = (*at, vx[k], vy[k], world.step - 1)
    there = seen(world, course, world.step)
    inside = tuple(
        min(max(at, 0), int(side / STEP)) for at, side in zip(there, (WIDTH, HEIGHT), strict=True)
    )
    return course if inside == there else (*inside, *course[2:4], world.step)


@settings(deadline=None, max_examples=60)
@given(script=scripts)
def test_a_course_begins_anew_when_its_heading_does_and_never_else(
    drive: Drive, script: list[Any]
) -> None:
    world, meddler = small_world()
    driver = drive(world)
    vx, vy = tables(world)
    for todo in script:
        before = dict(zip(world[Walker].id.tolist(), courses(world), strict=True))
        was = dict(zip(before, world.export(0).fields["heading"].tolist(), strict=True))
        meddler.todo = todo
        driver.step()
        rows = world.export(0)
        heading = rows.fields["heading"].tolist()
        for entity, k, course, place in zip(
            rows.ids.tolist(), heading, courses(world), places(world), strict=True
        ):
            assert course[2:4] == (vx[k], vy[k]), "A velocity must be what its heading says."
            assert seen(world, course, world.step) == place, "A receiver must see the truth."
            if entity in before:
                turned = k != was[entity]
                put = meddler.placed.get(entity)
                assert course == expected(world, before[entity], turned, put, k)
            else:
                assert course[4] >= world.step - 1, "A new entity has a new course."


def test_a_turn_by_less_than_a_wire_step_is_none(drive: Drive) -> None:
    world = World(make_game(), seed=1)
    walker = world.get(world.spawn(Walker(x=32, y=16, heading=4)))
    driver = drive(world)
    driver.steps(3)
    before = courses(world)
    walker.heading = 4.25
    driver.step()
    assert courses(world) == before
    walker.heading = 4.5
    driver.step()
    assert courses(world)[0][4] == 4
    assert world.export(0).fields["heading"].tolist() == [5]


def test_another_heading_begins_a_course_even_if_its_velocity_is_the_same(drive: Drive) -> None:
    world = World(make_game(model=motion.Heading(speed=SPEED_STEP)), seed=1)
    walker = world.get(world.spawn(Walker(x=32, y=16, heading=0)))
    driver = drive(world)
    driver.steps(3)
    vx, vy = tables(world)
    assert (vx[0], vy[0]) == (vx[1], vy[1]), "otherwise this shows nothing"
    walker.heading = 1
    driver.step()
    assert courses(world)[0][2:] == (vx[0], vy[0], 3)


def test_who_pushes_against_the_edge_is_held_there_and_can_turn_round(drive: Drive) -> None:
    world = World(make_game(), seed=1)
    walker = world.get(world.spawn(Walker(x=63.9, y=16, heading=0)))
    driver = drive(world)
    for _ in range(4):
        driver.step()
        assert walker.x == WIDTH
        assert courses(world) == [(int(WIDTH / STEP), 16 * 4096, 384, 0, world.step)]
    walker.heading = 32
    driver.steps(10)
    assert walker.x == WIDTH - 3
    assert courses(world)[0][4] == 4


def test_a_course_is_begun_anew_before_its_age_overflows(
    drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COURSE_AGE_MAX", 50)
    world = World(make_game(model=motion.Heading(speed=SPEED_STEP)), seed=1)
    world.spawn(Walker(x=32, y=16))
    driver = drive(world)
    for _ in range(120):
        driver.step()
        assert world.step - courses(world)[0][4] < 50
        assert seen(world, courses(world)[0], world.step) == places(world)[0]


@settings(deadline=None, max_examples=30)
@given(script=scripts)
def test_asking_everybody_changes_nothing(drive: Drive, script: list[Any]) -> None:
    (lazy, one), (eager, other) = small_world(), small_world()
    drivers = drive(lazy), drive(eager)
    for todo in script:
        one.todo, other.todo = list(todo), list(todo)
        eager.roster.populations[0].column(STEADY)[...] = False
        for driver in drivers:
            driver.step()
        assert bits(lazy) == bits(eager)


def test_who_holds_its_heading_is_asked_nothing_even_at_the_edge(drive: Drive) -> None:
    world, meddler = small_world()
    driver = drive(world)
    driver.steps(200)
    steady = world.roster.populations[0].column(STEADY)
    assert steady.tolist() == [True] * 4
    meddler.todo = [(2, Change(heading=60))]
    driver.step()
    assert steady.tolist() == [True] * 4, "A turn is looked up once."
