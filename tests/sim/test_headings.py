"""Headings: on the wire a turn is one byte, so velocity and course must follow from it alone."""

import math
from collections.abc import Callable
from typing import Annotated, Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.courses import evaluate
from protocol.schema import Schema
from sim import Game, World, limits, motion, quant
from sim.engine import Ghosts, TickInput
from sim.headings import circle
from sim.population import STEADY
from sim.predict import Predictor
from sim.replay import Recorder, Recording, replay

Drive = Callable[[World], Any]
WIDTH, HEIGHT, HZ = 64.0, 32.0, 20
STEP, SPEED_STEP = 1 / 4096, 1 / 64
MODEL = motion.Heading(speed=6)


@attrs.define
class Walker:
    x: Annotated[float, quant(0, WIDTH, 1 / 16)]
    y: Annotated[float, quant(0, HEIGHT, 1 / 16)]
    vx: Annotated[float, quant(-8, 8, 1 / 4, sim_step=SPEED_STEP)] = 0
    vy: Annotated[float, quant(-8, 8, 1 / 4, sim_step=SPEED_STEP)] = 0
    hp: Annotated[float, quant(0, 100, 1)] = 100
    heading: Annotated[float, quant(0, 63, 1)] = 0


def make_game(rule: Callable[[World], None] | None = None, model: motion.Heading = MODEL) -> Game:
    game = Game("walkers", size=(WIDTH, HEIGHT), tick_hz=HZ)
    game.entity(motion=model, ghost_fields=("heading",))(Walker)
    if rule is not None:
        game.system(rule)
    return game


def tables(world: World) -> tuple[list[int], list[int]]:
    """The velocities as a client has them: from the schema."""
    heading = world.game.describe()["kinds"][0]["course"]["heading"]
    return heading["vx"], heading["vy"]


def courses(world: World) -> list[tuple[int, ...]]:
    found = world.export(0).course
    assert found is not None
    return [tuple(row) for row in np.stack(found, axis=1).tolist()]


def seen(world: World, course: tuple[int, ...], step: int) -> tuple[int, int]:
    """Where a receiver that evaluates a course sees its entity, in steps of position."""
    form = world.game.rules.kinds[0].course
    assert form is not None
    x0, y0, vx, vy, step0 = course
    x, y = (evaluate(p, v, step - step0, form.num, form.den) for p, v in ((x0, vx), (y0, vy)))
    return int(x), int(y)


def places(world: World) -> list[tuple[int, int]]:
    """The true places, in steps."""
    rows = world.export(0)
    return [
        (int(x / STEP), int(y / STEP))
        for x, y in zip(rows.x.tolist(), rows.y.tolist(), strict=True)
    ]


# --- tables --------------------------------------------------------------------------------------


def test_golden_velocities() -> None:
    """Bits for implementations in other languages; the last of nine stands still."""
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


@attrs.define
class Change:
    """What a rule does to one row in one step."""

    heading: float | None = None
    x: float | None = None
    y: float | None = None
    hp: float | None = None


changes = st.builds(
    Change,
    heading=st.none() | st.integers(0, 63) | st.floats(0, 63),
    x=st.none() | st.none() | st.floats(-9, WIDTH + 9),
    y=st.none() | st.none() | st.floats(-9, HEIGHT + 9),
    hp=st.none() | st.floats(0, 100),
)
ops = st.one_of(
    st.tuples(st.integers(0, 9), changes),
    st.tuples(st.just("spawn"), st.floats(0, 63)),
    st.tuples(st.just("destroy"), st.integers(0, 9)),
)
scripts = st.lists(st.lists(ops, max_size=3), min_size=1, max_size=40)


class Meddler:
    """A rule that does what a script says, and notes whom it has put where."""

    def __init__(self) -> None:
        self.todo: list[Any] = []
        self.placed: dict[int, tuple[int, ...]] = {}

    def do(self, world: World) -> None:
        table = world[Walker]
        for what, value in self.todo:
            if what == "spawn":
                world.spawn(Walker(x=value, y=value / 2, heading=value))
            elif len(table) and what == "destroy":
                world.destroy(int(table.id[value % len(table)]))
            elif len(table):
                given = attrs.asdict(value, filter=lambda _, each: each is not None)
                for name, number in given.items():
                    getattr(table, name)[what % len(table)] = number
        self.placed = {}
        limit = int(WIDTH / STEP), int(HEIGHT / STEP)
        for walker, course in zip(table.rows(), courses(world), strict=True):
            near = (math.floor(at / STEP + 0.5) for at in (walker.x, walker.y))
            at = tuple(min(max(p, 0), most) for p, most in zip(near, limit, strict=True))
            if at != seen(world, course, world.step - 1):
                self.placed[walker.id] = at


def small_world() -> tuple[World, Meddler]:
    meddler = Meddler()

    def rule(world: World) -> None:
        meddler.do(world)

    world = World(make_game(rule), seed=1)
    for heading in (0, 7, 20, 33):
        world.spawn(Walker(x=heading + 3, y=10, heading=heading))
    return world, meddler


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


def bits(world: World) -> dict[str, bytes]:
    (population,) = world.roster.populations
    return {name: c.tobytes() for name, c in population.store.views.items() if name != STEADY}


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


# --- worlds that are kept and entities that travel -----------------------------------------------


@settings(deadline=None, max_examples=30)
@given(script=scripts, cut=st.integers(0, 39))
def test_a_restored_world_goes_on_alike(drive: Drive, script: list[Any], cut: int) -> None:
    world, meddler = small_world()
    first = drive(world)
    second = None
    for index, todo in enumerate(script):
        meddler.todo = list(todo)
        if index == cut % len(script):
            second = drive(World.restore(world.game, world.checkpoint()))
            assert second.world.digests() == world.digests()
        first.step()
        if second is not None:
            meddler.todo = list(todo)
            second.step()
            assert second.world.digests() == world.digests()
            assert bits(second.world) == bits(world)


def roam(world: World) -> None:
    """Everybody turns by chance, without regard for edges."""
    walkers = world[Walker]
    turns = world.rng.uniform(walkers.id, "turn") < 0.2
    walkers.heading[turns] = world.rng.integers(walkers.id[turns], "heading", 0, 64)


def test_a_recorded_run_replays_to_the_same_checksum() -> None:
    game = make_game(roam)
    world = World(game, seed=3)
    for row in range(30):
        world.spawn(Walker(x=2 * row, y=row, heading=2 * row))
    recorder = Recorder(world)
    for step in range(1, 200):
        recorder.advance(TickInput(step, step))
    recording = Recording.from_bytes(recorder.finish().to_bytes())
    assert replay(game, recording).checksum() == world.checksum()


def test_a_checkpoint_of_another_speed_takes_the_new_one(drive: Drive) -> None:
    old = World(make_game(), seed=1)
    fast = old.spawn(Walker(x=20, y=16, heading=16))
    drive(old).steps(10)
    world = World.restore(make_game(model=motion.Heading(speed=3)), old.checkpoint())
    assert courses(world) == [(20 * 4096, 19 * 4096, 0, 192, 10)]
    drive(world).steps(10)
    assert (world.get(fast).x, world.get(fast).y) == (20.0, 20.5)


def own(world: World, entity: int) -> dict[str, Any]:
    """What is true of an entity, its course by age."""
    population = world.roster.populations[0]
    row = population.place[entity]
    raw = {name: column[0].item() for name, column in population.raw(slice(row, row + 1)).items()}
    return raw | {"age": world.step - raw.pop("course.step0")}


@settings(deadline=None, max_examples=30)
@given(
    crossings=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    heading=st.integers(0, 63),
    x=st.floats(0, WIDTH),
)
def test_who_is_handed_over_and_back_is_as_if_it_had_stayed(
    drive: Drive, crossings: list[int], heading: int, x: float
) -> None:
    game = make_game(roam)
    here, there = World(game, seed=1), World(game, seed=1, maker=2)
    stayed = World(game, seed=1)
    for world in (here, stayed):
        walker = world.spawn(Walker(x=x, y=16, heading=heading))
        world.spawn(Walker(x=5, y=5))
    drivers = [drive(world) for world in (here, there, stayed)]
    for steps in crossings:
        for driver in drivers:
            driver.steps(steps)
        (body,) = here.depart([walker])
        drivers[0].step()
        drivers[1].step(arrivals=[(body, 1)])
        drivers[2].step()
        here, there = there, here
        drivers[:2] = reversed(drivers[:2])
        assert own(here, walker) == own(stayed, walker)
        with here.rewound(here.tick - 3, 0.5) as past, stayed.rewound(here.tick - 3, 0.5) as same:
            now, then = past[Walker], same[Walker]
            assert now.x[now.ids == walker] == then.x[then.ids == walker]


def test_a_late_arrival_waits_inside_the_world(drive: Drive) -> None:
    game = make_game()
    here, there = World(game, seed=1), World(game, seed=1, maker=2)
    walker = here.spawn(Walker(x=63, y=16, heading=0))
    drive(here).step()
    (body,) = here.depart([walker])
    drive(there).steps(10)
    drive(there).step(arrivals=[(body, 10)])
    assert there.get(walker).x == WIDTH
    assert courses(there) == [(int(WIDTH / STEP), 16 * 4096, 384, 0, there.step)]


def test_the_past_of_a_neighbours_walker_is_inside_the_world_too(drive: Drive) -> None:
    world = World(make_game(), seed=1)
    ids = np.array([2 << 40], np.uint64)
    integers = {"x": int(WIDTH / STEP), "y": 4096, "vx": 384, "vy": 0, "heading": 0}
    columns = {name: np.array([value]) for name, value in integers.items()}
    drive(world).step(ghosts=[Ghosts(0, ids, columns)])
    with world.rewound(1, 0.5) as past:
        found = past[Walker]
        assert (found.x.tolist(), found.y.tolist()) == ([WIDTH], [1.0])
