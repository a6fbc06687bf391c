"""Who moves by a heading is kept, handed over and remembered without losing a bit."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import World, motion
from sim.engine import Ghosts, TickInput
from sim.replay import Recorder, Recording, replay
from tests.sim.walkers import (
    STEP,
    WIDTH,
    Walker,
    bits,
    courses,
    make_game,
    scripts,
    small_world,
)  # fmt: skip

Drive = Callable[[World], Any]


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
