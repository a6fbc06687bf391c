"""Rings and crowds: told more seldom, never wrongly, and within the budget."""

import numpy as np
import pytest

from protocol import messages
from server.gateway import limits


def wander(world, rng, entities) -> None:
    for entity in entities:
        dot = world.dots[entity]
        dot.x = float(np.clip(dot.x + rng.integers(-6, 7), 0, 1023)) // 0.25 * 0.25
        dot.y = float(np.clip(dot.y + rng.integers(-6, 7), 0, 511)) // 0.25 * 0.25
        dot.hp = int(rng.integers(0, 100))


def walk(world, clients, step: float) -> None:
    """Players go on in their shard; at its edge they turn up at the other one."""
    for client in clients:
        dot = world.dots[client.entity]
        left, right = (0, 510) if dot.x < 512 else (513, 1023)
        dot.x = left if dot.x + step > right else dot.x + step


def rest(world, ticks: int = 90) -> None:
    world.tick(ticks)


def assert_all_true(world, clients) -> None:
    for client in clients:
        assert client.seen() == world.truth(client), "when all is quiet everybody sees the truth"


@pytest.fixture(params=[False, True], ids=["copies", "lent"])
def lends(request) -> bool:
    return request.param


def test_outer_rings_are_told_at_a_half_and_a_quarter_of_the_rate(make_world, lends) -> None:
    world = make_world(lends=lends, rings=(60.0, 120.0))
    ann = world.join("ann", 280, 280, cls=1)
    cells = {}
    for ring, (x, y) in enumerate([(290, 290), (400, 290), (470, 290)]):
        cells[ring] = world.geometry.cell_of(x, y)
        entity = world.add_dot(x, y)
        cells[ring, "entity"] = entity
    world.tick(10)
    told = dict.fromkeys(range(3), 0)
    for tick in range(40):
        for ring in range(3):
            world.dots[cells[ring, "entity"]].hp = tick
        before = {ring: ann.seen()[cells[ring, "entity"]][2] for ring in range(3)}
        world.tick()
        for ring in range(3):
            told[ring] += ann.seen()[cells[ring, "entity"]][2] != before[ring]
    assert told == {0: 40, 1: 20, 2: 10}, "at every tick, at every second, at every fourth"
    rest(world, 8)
    assert_all_true(world, [ann])


def test_links_in_step_share_what_rings_are_told(make_world, lends) -> None:
    world = make_world(lends=lends, rings=(60.0, 120.0))
    rng = np.random.default_rng(2)
    crowd = [world.add_dot(*rng.uniform((100, 100), (460, 460))) for _ in range(60)]
    clients = [world.join(f"p{n}", 280, 280, cls=1) for n in range(6)]
    world.tick(10)
    for _ in range(12):
        wander(world, rng, crowd)
        world.tick()
        assert len({client.raw[-1] for client in clients}) == 1, "byte for byte"


@pytest.mark.slow
@pytest.mark.parametrize("budget", [1 << 20, 4000], ids=["rich", "poor"])
def test_nobody_is_ever_wrong_whoever_moves_or_stalls(make_world, lends, budget) -> None:
    world = make_world(lends=lends, rings=(60.0, 120.0), budget=budget)
    rng = np.random.default_rng(8)
    crowd = [world.add_dot(*rng.uniform((0, 0), (1024, 512))) for _ in range(300)]
    clients = [world.join(f"p{n}", *rng.uniform((0, 0), (1024, 512)), cls=n % 2) for n in range(10)]
    for _ in range(6):
        stalled = clients[int(rng.integers(len(clients)))]
        stalled.acknowledges = False
        for _ in range(int(rng.integers(20, 60))):
            wander(world, rng, crowd)
            walk(world, clients, 5.0)
            world.tick()
        stalled.acknowledges = True
        stalled.say(messages.Ack(stalled.snapshots[-1].tick))
        world.tick(3)
    rest(world, 200)
    assert_all_true(world, clients)
    assert sum(client.replica.crc_checks for client in clients) > 100, "CRCs were compared"


def test_a_crowd_is_thinned_to_the_budget_and_converges(make_world, lends) -> None:
    budget = 6000
    world = make_world(lends=lends, budget=budget)
    rng = np.random.default_rng(5)
    crowd = [world.add_dot(*rng.uniform((64, 64), (127, 127))) for _ in range(600)]
    clients = [world.join(f"p{n}", 96, 96) for n in range(8)]
    world.tick(60)
    before = [sum(map(len, client.raw)) for client in clients]
    snapshots = [len(client.snapshots) for client in clients]
    for _ in range(200):
        for entity in crowd:
            dot = world.dots[entity]
            dot.hp = int(rng.integers(0, 100))
            dot.x = float(np.clip(dot.x + rng.integers(-2, 3), 64, 127))
        world.tick()
    for client, size, count in zip(clients, before, snapshots, strict=True):
        sent = sum(map(len, client.raw)) - size
        assert sent <= budget * 10 * 1.1, "in ten seconds no more than ten seconds' worth"
        assert len(client.snapshots) - count == 200, "at every tick, whatever fits"
    assert len({client.raw[-1] for client in clients}) == 1, "and all are told the same"
    rest(world, 150)
    assert_all_true(world, clients)


def test_who_joins_a_crowd_comes_into_step_with_it(make_world, lends) -> None:
    world = make_world(lends=lends, budget=6000)
    rng = np.random.default_rng(6)
    crowd = [world.add_dot(*rng.uniform((64, 64), (127, 127))) for _ in range(400)]
    first = world.join("ann", 96, 96)

    def stir(ticks: int) -> None:
        for _ in range(ticks):
            for entity in crowd:
                world.dots[entity].hp = int(rng.integers(0, 100))
            world.tick()

    stir(60)
    second = world.join("bob", 96, 96)
    stir(120)
    assert first.raw[-1] == second.raw[-1], "bob is told what ann is told"
    assert len(second.seen()) == len(first.seen()), "and sees as many"
    rest(world, 150)
    assert_all_true(world, [first, second])


def test_a_crowd_that_calms_down_is_told_everything_again(make_world, lends) -> None:
    world = make_world(lends=lends, budget=6000)
    rng = np.random.default_rng(7)
    crowd = [world.add_dot(*rng.uniform((64, 64), (127, 127))) for _ in range(400)]
    ann = world.join("ann", 96, 96)
    for _ in range(40):
        for entity in crowd:
            world.dots[entity].hp = int(rng.integers(0, 100))
        world.tick()
    assert len(world.gateway._streams) == 1, "the interest is crowded"
    rest(world, 120)
    assert len(world.gateway._streams) == 0, "it is none any more"
    for _ in range(10):
        world.dots[crowd[0]].hp = int(rng.integers(0, 100))
        world.tick()
        assert_all_true(world, [ann])


def test_one_tick_too_much_makes_no_crowd(make_world, lends) -> None:
    world = make_world(lends=lends, budget=8000)
    crowd = [world.add_dot(64 + n % 60, 64 + n // 60) for n in range(100)]
    ann = world.join("ann", 96, 96)
    world.tick(30)
    for entity in crowd:
        world.dots[entity].hp = 1
    world.tick()
    assert_all_true(world, [ann])
    assert len(world.gateway._streams) == 0, f"{limits.BUDGET_BURST} ticks' worth may come at once"
