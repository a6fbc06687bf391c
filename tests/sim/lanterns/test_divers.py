"""What a diver can do, in ticks."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from sim.games.lanterns import (
    Dash,
    Diver,
    Eaten,
    Fish,
    Flare,
    Harpoon,
    Harpooned,
    Robbed,
    Snuffed,
    Steer,
    ThrowFlare,
    game,
)

Calm = Callable[..., Any]


def speed(me: Diver) -> float:
    return math.hypot(me.vx, me.vy)


def test_a_diver_swims_at_its_speed_and_rests_when_it_lets_go(calm: Calm) -> None:
    sea = calm()
    me = sea.dive(1000, 500)
    sea.send(me, Steer(1, 0))
    sea.tick(20)
    assert speed(me) == 80
    sea.send(me, Steer(0, 0))
    sea.tick(20)
    assert speed(me) == 0


def test_a_dash_is_three_times_as_fast_for_a_fifth_of_a_second_every_two(calm: Calm) -> None:
    sea = calm()
    me = sea.dive(300, 500)
    sea.send(me, Steer(1, 0))
    sea.tick(20)
    speeds = []
    for _ in range(50):
        sea.send(me, Dash())
        sea.tick()
        speeds.append(speed(me))
    assert speeds == [240] * 4 + [80] * 36 + [240] * 4 + [80] * 6


def test_touching_a_fish_adds_its_light(calm: Calm) -> None:
    sea = calm()
    me = sea.dive(1000, 500, light=50)
    world = sea.shards[0]
    common = world.spawn(Fish(x=1006, y=500, species=1))
    far = world.spawn(Fish(x=1030, y=500, species=1))
    sea.tick(2)
    assert world.get(common) is None
    assert world.get(far) is not None
    assert me.light == 55
    assert [(event.diver, event.y) for event in sea.told(Eaten)] == [(me.id, 500)]
    world.spawn(Fish(x=1000, y=506, species=5))
    sea.tick(2)
    assert me.light == 75, "A golden fish is worth four."


def test_a_fish_is_eaten_across_a_border_and_only_once(calm: Calm) -> None:
    sea = calm((0, 0, 1024, 1024), (1024, 0, 2048, 1024))
    left, right = sea.dive(1020, 500, light=50), sea.dive(1031, 500, light=50, shard=1)
    sea.shards[1].spawn(Fish(x=1026, y=500))
    sea.tick(3)
    assert (left.light, right.light) == (50, 55), "The nearest diver eats."
    sea.shards[0].spawn(Fish(x=1023, y=502))
    sea.shards[1].spawn(Fish(x=1025, y=505))
    sea.tick(3)
    assert left.light + right.light == 115
    assert len(sea.shards[0][Fish]) + len(sea.shards[1][Fish]) == 0


def test_a_harpoon_steals_thirty_percent(calm: Calm) -> None:
    sea = calm()
    me, other = sea.dive(1000, 500, light=40), sea.dive(1150, 505, light=100)
    sea.send(me, Harpoon(1, 0))
    sea.tick(3)
    assert (me.light, other.light) == (70, 70)
    assert [event.target for event in sea.told(Harpooned)] == [other.id]
    assert [(event.victim, event.thief, event.light) for event in sea.told(Robbed)] == [
        (other.id, me.id, 30)
    ]


@pytest.mark.parametrize(
    ("x", "y", "hit"),
    [(1199, 500, True), (1202, 500, False), (1100, 509, True), (1100, 511, False),
     (900, 500, False)],
)  # fmt: skip
def test_a_harpoon_has_a_range_and_a_direction(calm: Calm, x: float, y: float, hit: bool) -> None:
    sea = calm()
    me, other = sea.dive(1000, 500), sea.dive(x, y)
    sea.send(me, Harpoon(0.5, 0))
    sea.tick(3)
    assert (sea.told(Harpooned)[0].target == other.id) is hit
    assert (other.light < 100) is hit


def test_a_harpoon_hits_the_first_and_waits_a_second(calm: Calm) -> None:
    sea = calm()
    me = sea.dive(1000, 500)
    behind, before = sea.dive(1000, 650), sea.dive(1000, 600)
    for _ in range(21):
        sea.send(me, Harpoon(0, 1))
        sea.tick()
    assert [event.target for event in sea.told(Harpooned)] == [before.id, before.id]
    assert behind.light == 100


def swam(calm: Calm, back: int) -> tuple[Any, Diver, Diver, float]:
    """Somebody swims across the line of fire; gives where they were `back` ticks ago."""
    sea = calm()
    me, other = sea.dive(1000, 500), sea.dive(1100, 300, light=100)
    sea.send(other, Steer(0, 1))
    places = []
    for _ in range(50):
        sea.tick()
        places.append(other.y)
    return sea, me, other, places[-1 - back]


@pytest.mark.parametrize("back", [0, 4, 9])
def test_a_harpoon_hits_what_its_shooter_saw(calm: Calm, back: int) -> None:
    sea, me, other, y = swam(calm, back)
    me.y = y
    now = abs(other.y - y)
    sea.send(me, Harpoon(1, 0), view=sea.step - back)
    sea.tick(3)
    shot = sea.told(Harpooned)[-1]
    assert shot.target == other.id, f"The target was {now} units further on the server."
    assert shot.hit_y == pytest.approx(y, abs=1 / 16)


def test_a_shot_across_a_border_is_rewound_as_well(calm: Calm) -> None:
    sea = calm((0, 0, 1024, 1024), (1024, 0, 2048, 1024))
    me, other = sea.dive(1000, 500), sea.dive(1100, 300, shard=1)
    sea.send(other, Steer(0, 1))
    places = []
    for _ in range(50):
        sea.tick()
        places.append(other.y)
    me.y = places[-7]
    sea.send(me, Harpoon(1, 0), view=sea.step - 6)
    sea.tick(3)
    shot = sea.told(Harpooned)[-1]
    assert shot.target == other.id
    assert shot.hit_y == pytest.approx(places[-7], abs=1 / 16)
    assert other.light == 70


@pytest.mark.parametrize("back", [1, 2, 3, 4])
def test_who_dashed_beyond_the_border_is_hit_where_it_was_seen(calm: Calm, back: int) -> None:
    sea = calm((0, 0, 1024, 1024), (1024, 0, 2048, 1024))
    me, other = sea.dive(1000, 500), sea.dive(1100, 300, shard=1)
    sea.send(other, Steer(0, 1))
    sea.tick(20)
    sea.send(other, Dash())
    places = []
    for _ in range(5):
        sea.tick()
        places.append(other.y)
    me.y = places[-1 - back]
    sea.send(me, Harpoon(1, 0), view=sea.step - back)
    sea.tick(3)
    shot = sea.told(Harpooned)[-1]
    assert shot.target == other.id
    assert shot.hit_y == pytest.approx(me.y, abs=1 / 16), "A guess of its course was judged."


def test_a_harpoon_is_aimed_finely_enough_for_its_range(calm: Calm) -> None:
    sea = calm()
    me, other = sea.dive(1000, 500), sea.dive(1000 + 195, 500 + 9.9)
    sea.send(me, Harpoon(1, 0))
    sea.tick(25)
    away = math.hypot(195, 20.1)
    sea.send(me, Harpoon(195 / away, 20.1 / away))
    sea.tick(3)
    assert [event.target for event in sea.told(Harpooned)] == [other.id, 0]


def test_a_harpoon_does_not_hit_what_its_shooter_no_longer_saw(calm: Calm) -> None:
    sea, me, other, _ = swam(calm, 0)
    me.y = other.y
    sea.send(me, Harpoon(1, 0), view=sea.step - 8)
    sea.tick(3)
    assert sea.told(Harpooned)[-1].target == 0
    assert other.light == 100


def test_a_shot_is_never_rewound_by_more_than_half_a_second(calm: Calm) -> None:
    sea, me, other, y = swam(calm, 10)
    me.y = y
    sea.send(me, Harpoon(1, 0), view=sea.step - 30)
    sea.tick(3)
    assert sea.told(Harpooned)[-1].target == other.id


def test_a_harpoon_reaches_across_a_border_and_no_light_is_lost_or_doubled(calm: Calm) -> None:
    sea = calm((0, 0, 1024, 1024), (1024, 0, 2048, 1024))
    me, other = sea.dive(1000, 500, light=40), sea.dive(1100, 500, light=101.25, shard=1)
    sea.send(me, Harpoon(1, 0))
    sea.tick(3)
    assert (me.light, other.light) == (70.25, 71)
    for _ in range(100):
        for shooter, towards in ((me, 1), (other, -1)):
            sea.send(shooter, Harpoon(towards, 0))
        sea.tick()
    sea.tick(2)
    assert len(sea.told(Robbed)) > 8
    assert me.light + other.light == 141.25


def test_a_flare_drifts_for_four_seconds_and_costs_light(calm: Calm) -> None:
    sea = calm()
    me = sea.dive(1000, 500)
    world = sea.shards[0]
    for _ in range(3):
        sea.send(me, ThrowFlare(0, -1))
        sea.tick()
    assert len(world[Flare]) == 1, "The second must wait."
    assert me.light == 99
    turned = 0
    for _ in range(76):
        assert len(world[Flare]) == 1
        turned += world[Flare].vy[0] != -40
        sea.tick()
    sea.tick(3)
    assert len(world[Flare]) == 0
    assert turned == 0


def test_light_burns_and_whose_goes_out_begins_again_as_an_ember(full: type[Any]) -> None:
    sea = full((0, 0, 64, 64))  # too small a water for fish
    me, bright = sea.dive(30, 30), sea.dive(30, 30)
    me.light, bright.light = 1, 300
    x, y = me.x, me.y
    sea.tick(20)
    assert me.light == 0.75
    assert bright.light == pytest.approx(299, abs=1)
    sea.tick(60)
    assert me.light == 10
    assert (me.x, me.y) != (x, y)
    assert [event.diver for event in sea.told(Snuffed)] == [me.id]


def test_light_widens_the_lantern(calm: Calm) -> None:
    sea = calm()
    me = sea.dive(1000, 500)
    world = sea.shards[0]
    classes = []
    for light in (10, 39.75, 40, 119, 121, 299, 301, 15_000):
        me.light = light
        sea.tick()
        classes.append(world.interest(me.id))
    assert classes == [0, 0, 1, 1, 2, 2, 3, 3]
    assert len(game.describe()["interest"]) == 4


def test_the_board_shows_the_ten_brightest(calm: Calm) -> None:
    sea = calm()
    for light in range(12):
        sea.dive(100 + 150 * light, 500, light=50 + 10 * light)
    sea.tick(20)
    board = sea.boards[-1]
    assert [row.name for row in board] == [f"diver {place}" for place in range(12, 2, -1)]
    assert board[0].score == pytest.approx(159, abs=2)
