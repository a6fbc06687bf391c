"""Fish and the leviathan: that they live, last on their courses, cross borders, and cost little."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sim.games.lanterns import Fish, Flare, Harpoon, Leviathan, Robbed
from sim.games.lanterns.sea import HEIGHT, WIDTH

Calm = Callable[..., Any]
QUARTERS = tuple(
    (x, y, x + WIDTH / 2, y + HEIGHT / 2) for y in (0, HEIGHT / 2) for x in (0, WIDTH / 2)
)


def test_a_sea_is_stocked_by_area_and_has_one_leviathan(full: type[Any]) -> None:
    sea = full(*QUARTERS)
    assert [len(world[Fish]) for world in sea.shards] == [125] * 4
    assert sum(len(world[Leviathan]) for world in sea.shards) == 1
    places = [world[Fish].x % (WIDTH / 2) for world in sea.shards]
    assert not (places[0] == places[1]).any(), "Shards must not draw the same fish."


def test_eaten_fish_come_back(full: type[Any]) -> None:
    sea = full(QUARTERS[0])
    world = sea.shards[0]
    world.destroy(world[Fish].id[:60])
    sea.tick(20 * 7)
    assert 115 <= len(world[Fish]) <= 125
    for _ in range(40):
        world.spawn(Fish(x=500, y=200))
    sea.tick(20 * 10)
    assert len(world[Fish]) <= 145


def test_courses_last_and_shoals_cross_borders(full: type[Any]) -> None:
    sea = full()
    for place in range(12):
        sea.dive(150 + 160 * place, 200 + 50 * place)
    world = sea.shards[0]
    sea.tick(20)
    turns = crossings = rows = 0
    for _ in range(400):
        ids, *old = (getattr(world[Fish], name).copy() for name in ("id", "vx", "vy", "x", "y"))
        sea.tick()
        if not np.array_equal(ids, world[Fish].id):
            continue
        vx, vy, x, y = (getattr(world.everyone(Fish), name) for name in ("vx", "vy", "x", "y"))
        turns += int(((old[0] != vx) | (old[1] != vy)).sum())
        crossings += int((old[2] // 1024 != x // 1024).sum())
        crossings += int((old[3] // 512 != y // 512).sum())
        rows += len(ids)
    assert rows / turns >= 4, f"A fish's course lasts {rows / turns:.1f} steps."
    assert crossings > 20, "Shoals cross the borders of two by two shards all the time."


def test_fish_swim_in_shoals_at_their_pace(full: type[Any]) -> None:
    sea = full()
    sea.tick(200)
    fish = sea.shards[0].everyone(Fish)
    speeds = np.hypot(fish.vx, fish.vy)
    assert np.percentile(speeds, 5) >= 15
    assert np.percentile(speeds, 95) <= 50
    apart = np.hypot(fish.x[:, None] - fish.x, fish.y[:, None] - fish.y)
    kin = (apart < 42) & (fish.species[:, None] == fish.species)
    assert kin.sum(axis=1).mean() > 4
    assert ((fish.x >= 0) & (fish.x <= WIDTH) & (fish.y >= 0) & (fish.y <= HEIGHT)).all()


def nearest_fish(calm: Calm, threat: Callable[[Any], None]) -> tuple[float, float]:
    """How far a fish is from (1000, 500) before and after it met something there."""
    sea = calm()
    fish = sea.shards[0].get(sea.shards[0].spawn(Fish(x=1040, y=510, vx=-20, vy=0)))
    before = math.hypot(fish.x - 1000, fish.y - 500)
    threat(sea)
    sea.tick(30)
    return before, math.hypot(fish.x - 1000, fish.y - 500)


def test_fish_flee_divers_and_the_leviathan_and_gather_at_flares(calm: Calm) -> None:
    before, after = nearest_fish(calm, lambda sea: sea.dive(1000, 500))
    assert after > before + 30
    before, after = nearest_fish(calm, lambda sea: sea.shards[0].spawn(Leviathan(x=1000, y=500)))
    assert after > before + 30
    flare = Flare(x=1000, y=500, vx=0, vy=0, thrower=0)
    before, after = nearest_fish(calm, lambda sea: sea.shards[0].spawn(flare))
    assert after < before


def test_shoals_flee_a_diver_beyond_the_border(calm: Calm) -> None:
    sea = calm((0, 0, 1024, 1024), (1024, 0, 2048, 1024))
    sea.dive(1010, 500)
    fish = sea.shards[1].get(sea.shards[1].spawn(Fish(x=1040, y=500, vx=-20, vy=0)))
    sea.tick(20)
    assert fish.vx > 20


def test_the_leviathan_roams_the_whole_sea(full: type[Any]) -> None:
    sea = full()
    world = sea.shards[0]
    quarters = set()
    for _ in range(150):
        sea.tick(20)
        beast = next(world[Leviathan].rows())
        quarters.add((beast.x > WIDTH / 2, beast.y > HEIGHT / 2))
    assert len(world[Leviathan]) == 1
    assert len(quarters) >= 3, "In two and a half minutes it has crossed borders."


def test_the_leviathan_hunts_divers_eats_light_and_can_be_robbed_of_it(calm: Calm) -> None:
    sea = calm()
    me = sea.dive(1000, 500, light=200)
    beast = sea.shards[0].get(sea.shards[0].spawn(Leviathan(x=1120, y=500)))
    start = me.light + beast.light
    sea.tick(60)
    assert beast.light > 100, "It has come and bitten."
    assert {event.victim for event in sea.told(Robbed)} == {me.id}
    assert start - 5 <= me.light + beast.light <= start, "What it ate is in it; some has burnt."
    had = beast.light
    dx, dy = beast.x - me.x, beast.y - me.y
    if not (dx or dy):
        dx = 1.0
    most = max(abs(dx), abs(dy))
    sea.send(me, Harpoon(dx / most, dy / most))
    sea.tick(2)
    assert beast.light < had


def test_a_flare_turns_the_leviathan_from_a_diver(calm: Calm) -> None:
    sea = calm()
    sea.dive(1100, 500)
    world = sea.shards[0]
    beast = world.get(world.spawn(Leviathan(x=1000, y=500)))
    world.spawn(Flare(x=850, y=500, vx=0, vy=0, thrower=0))
    sea.tick(40)
    assert beast.x < 980


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_sea_twice_is_the_same_sea(full: type[Any], seed: int) -> None:
    seas = [full(seed=seed), full(seed=seed)]
    for sea in seas:
        sea.dive(1000, 500)
        sea.tick(50)
    assert seas[0].shards[0].checksum() == seas[1].shards[0].checksum()
