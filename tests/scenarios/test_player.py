"""What a player sees, against what the shards have: prediction and interpolation through the whole
server, in virtual time.
"""

import pytest

from examples.comets import Steer, game
from server.testing import Sim
from sim.games import lanterns


def wander(player, turn):
    """Another intent every few ticks."""
    player.send(Steer(dx=1, dy=((turn * 37) % 200 - 100) / 100))


@pytest.mark.parametrize("latency", [0.0, 0.05, 0.2])
def test_prediction_is_never_corrected_on_a_clean_link_not_even_at_a_border(latency):
    sim = Sim(game, shards=2, seed=5)
    ann = sim.join("ann", x=740, y=500, latency=latency)
    ann.send(Steer(dx=1, dy=0))
    for _ in range(100):  # the pace of inputs settles
        sim.tick()
        ann.screen()
    before = ann.client.statistics().corrections
    shards = set()
    for turn in range(120):
        if turn % 5 == 0:
            wander(ann, turn)
        sim.tick()
        ann.screen()
        shards.add(sim.find(ann.id)[0])
    assert shards == {0, 1}, "no border was crossed"
    assert ann.client.statistics().inputs == 25
    assert ann.client.statistics().corrections == before, "the server did something else"


def test_the_own_avatar_answers_at_once_whatever_the_latency():
    sim = Sim(game, shards=1, seed=5)
    ann = sim.join("ann", x=500, y=500, latency=0.2)
    for _ in range(100):
        sim.tick()
        ann.screen()
    still = ann.screen()[ann.id]
    ann.send(Steer(dx=1, dy=0))
    sim.tick()
    assert ann.screen()[ann.id].x > still.x, "the avatar waits for the server"
    assert sim.find(ann.id)[1].vx == 0, "the server knows before it is told"


@pytest.mark.parametrize("latency", [0.0, 0.075, 0.15])
def test_a_shot_begins_where_the_client_said_it_would(latency):
    sim = Sim(lanterns.game, shards=2, seed=5)
    ann = sim.join("ann", x=980, y=500, latency=latency)
    for _ in range(100):  # the pace of inputs settles
        sim.tick()
        ann.screen()
    said, drawn = [], []
    for turn in range(200):
        if turn % 7 == 0:
            ann.send(lanterns.Steer(dx=1 if turn < 100 else -1, dy=((turn * 37) % 200 - 100) / 100))
        sim.tick()
        frame = sim.now + turn // 25 * 0.006  # anywhere between two ticks
        ann.advance(frame)
        me = ann.screen()[ann.id]
        if turn % 25 == 0:
            said.append(ann.client.origin(frame))
            drawn.append((me.x, me.y))
            ann.send(lanterns.Harpoon(dx=0, dy=1))
    sim.tick(20)
    shots = [event for event in ann.events if event.name == "Harpooned"]
    assert len(shots) == len(said) == 8
    for shot, origin in zip(shots, said, strict=True):
        assert (shot.x, shot.y) == pytest.approx(origin, abs=1 / 32), "it began elsewhere"
    off = [abs(s.x - x) + abs(s.y - y) for s, (x, y) in zip(shots, drawn, strict=True)]
    assert max(off) > 1, "the test does not tell the origin from what is drawn"


def test_everybody_else_is_shown_where_they_were_at_the_tick_that_is_shown():
    sim = Sim(game, shards=2, seed=7)
    ann = sim.join("ann", x=980, y=500)
    bob = sim.join("bob", x=1180, y=520, latency=0.1)
    truth = {}
    errors = []
    for turn in range(160):
        if turn % 6 == 0:
            wander(ann, turn)
        sim.tick()
        _, row = sim.find(ann.id)
        truth[sim.ticks] = (row.x, row.y)
        screen = bob.screen()
        shown = bob.client.timeline.shown
        whole, part = int(shown), shown - int(shown)
        if turn > 40:
            here, there = truth[whole], truth[whole + 1]
            x, y = (a + (b - a) * part for a, b in zip(here, there, strict=True))
            errors.append(abs(screen[ann.id].x - x) + abs(screen[ann.id].y - y))
    assert max(errors) < 0.2, "a turn is drawn beside the way that was taken"
    assert sorted(errors)[len(errors) // 2] < 0.01, "courses are not shown exactly"


def test_a_game_tests_its_players_on_a_bad_link():
    sim = Sim(game, shards=2, seed=7)
    ann = sim.join("ann", x=980, y=500)
    bob = sim.join("bob", x=1180, y=520, link="average")
    ann.send(Steer(dx=1, dy=0))
    ages = []
    for _ in range(600):
        sim.tick()
        bob.screen()
        ages.append(sim.ticks - bob.client.timeline.newest)
    assert min(ages) == 2, "the newest snapshot is a tick and 50 ms or more old"
    assert max(ages) >= 4, "no packet was lost"
    assert bob.mismatches == 0
    with pytest.raises(ValueError, match="no link; there are clean"):
        sim.join("cid", link="worse")


def test_a_lost_link_costs_no_input_and_no_jump():
    sim = Sim(game, shards=2, seed=8)
    ann = sim.join("ann", x=500, y=500, latency=0.05)
    ann.send(Steer(dx=1, dy=0))
    for _ in range(60):
        sim.tick()
        ann.screen()
    ann.send(Steer(dx=0, dy=1))
    ann.cut()
    ann.send(Steer(dx=0, dy=-1))
    sim.tick(10)
    ann.resume()
    for _ in range(60):
        sim.tick()
        assert ann.id in ann.screen(), "the avatar vanished"
    assert sim.find(ann.id)[1].vy < 0, "an input was lost with the link"
    assert ann.client.statistics().resumes == 1
    assert ann.client.statistics().rubber_bands <= 1, "the avatar was thrown about"
