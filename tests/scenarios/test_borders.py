"""Nobody notices a border: neither who crosses it, nor who watches, nor the count of entities."""

from itertools import pairwise

import pytest

from examples.comets import Steer, game
from server.testing import Sim

SPEED = 60.0
TICK_S = 1 / 20


@pytest.mark.parametrize("latency", [0.0, 0.1])
def test_a_crossing_has_no_gap_for_anybody(latency: float) -> None:
    sim = Sim(game, shards=(2, 2), seed=5)
    ann = sim.join("ann", x=960, y=465, latency=latency)
    bob = sim.join("bob", x=1000, y=500, latency=latency)
    ann.send(Steer(dx=1, dy=0.5))
    sim.tick(20)
    shards, places = set(), []
    for _ in range(60):
        sim.tick()
        shards.add(sim.find(ann.id)[0])
        assert ann.id in ann.view, "the own avatar is always there"
        assert ann.id in bob.view, "and so it is for who watches"
        places.append(bob.screen()[ann.id])
    assert shards == {0, 1, 3}, "two borders were crossed"
    for before, after in pairwise(places):
        step = abs(after.x - before.x) + abs(after.y - before.y)
        assert step <= SPEED * TICK_S * 2, "it never jumps"
        assert step > 0, "it never stands still"
    assert ann.client.statistics().rubber_bands == 0, "prediction survives the crossing"
    assert bob.mismatches == ann.mismatches == 0


def test_inputs_are_applied_on_both_sides_of_a_border() -> None:
    sim = Sim(game, shards=2, seed=5)
    ann = sim.join("ann", x=1000, y=500, latency=0.05)
    for turn in range(40):
        ann.send(Steer(dx=1, dy=0.01 * turn))  # an input a tick, through the crossing
        sim.tick()
    sim.tick(10)
    assert sim.find(ann.id)[0] == 1
    assert ann.client.private["thrust_y"] > 0, "the owner on the other side has the newest"
    statistics = sim.statistics()
    assert statistics.inputs == 40


def test_many_crossings_lose_and_double_nobody() -> None:
    sim = Sim(game, shards=(2, 2), seed=9)
    players = [sim.join(f"p{n}", x=1004 + 4 * n, y=492 + 4 * n) for n in range(8)]
    for tick in range(300):
        for n, player in enumerate(players):
            if tick % 8 == n:  # back to the corner of all four shards, and past it
                me = player.view[player.id]
                player.send(Steer(dx=-1 if me.x > 1024 else 1, dy=-1 if me.y > 512 else 1))
        sim.tick()
        tally = sim.census()
        assert not tally.lost, f"tick {tick}"
        assert not tally.duplicated, f"tick {tick}"
    assert sim.census().crossings > 30, "they went to and fro"
    for player in players:
        assert player.id in player.view
        assert player.closed is None
        assert player.checks > 0
        assert player.mismatches == 0


def test_whoever_is_between_two_shards_is_found_where_it_goes() -> None:
    sim = Sim(game, shards=2, seed=5)
    ann = sim.join("ann", x=1000, y=500)
    ann.send(Steer(dx=1, dy=0))
    between, places = 0, []
    for _ in range(60):
        sim.tick()
        shard, row = sim.find(ann.id)
        places.append(row.x)
        if sim.census().in_transit:
            between += 1
            assert shard == 1, "the shard that it goes to"
            assert row.hp == 100, "with what is public of it"
    assert between == 1, "for one tick"
    steps = [after - before for before, after in pairwise(places)]
    assert all(-0.01 <= step <= SPEED * TICK_S + 0.01 for step in steps), "on its course"
