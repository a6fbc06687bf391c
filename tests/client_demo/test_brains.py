"""Bots play sensibly, from what they see alone."""

import math
import random

import pytest

from client_demo.brains import LanternsBrain, Still, Wanderer, brain_for
from client_demo.heading import Heading
from client_demo.senses import Seen, Senses
from protocol.schema import Schema
from sim.games.lanterns import game

SIZE = (2048.0, 1024.0)


def senses(now: float, *others: Seen, x: float = 1000, y: float = 500, light: float = 50) -> Senses:
    return Senses(now, SIZE, Seen(1, "Diver", x, y, fields={"light": light}), others)


def fish(number: int, x: float, y: float, species: int = 0) -> Seen:
    return Seen(number, "Fish", x, y, fields={"species": species})


def steer(acts) -> tuple[float, float]:
    (found,) = [act.values for act in acts if act.input == "Steer"]
    return found["dx"], found["dy"]


@pytest.fixture
def brain() -> LanternsBrain:
    brain = LanternsBrain(random.Random(1))
    brain.think(senses(0.0))  # the first mood is hunting
    return brain


def test_a_hunter_swims_to_the_nearest_fish(brain):
    dx, dy = steer(brain.think(senses(0.3, fish(2, 1100, 500), fish(3, 700, 500))))
    assert (dx, dy) == (1.0, 0.0)


def test_gold_is_worth_a_longer_way(brain):
    dx, _ = steer(brain.think(senses(0.3, fish(2, 1060, 500), fish(3, 800, 500, species=5))))
    assert dx == -1.0


def test_a_hunter_aims_where_its_prey_will_be(brain):
    prey = Seen(2, "Fish", 1080, 500, vx=0, vy=40, fields={"species": 0})
    dx, dy = steer(brain.think(senses(0.3, prey)))
    assert math.atan2(dy, dx) == pytest.approx(math.atan2(40, 80))


def test_nobody_hunts_beside_the_leviathan(brain):
    beast = Seen(9, "Leviathan", 1080, 500)
    acts = brain.think(senses(0.3, fish(2, 1100, 500), beast))
    assert steer(acts)[0] < 0, "away from it"
    assert "Dash" in {act.input for act in acts}, "and fast"


def test_a_fighter_shoots_at_whom_it_can_hit_and_not_faster_than_the_harpoon_reloads():
    brain = LanternsBrain(random.Random(1))
    brain._courage = 1.0
    rival = Seen(5, "Diver", 1000, 600, fields={"light": 30, "name": "bob"})
    shots = []
    for step in range(40):
        acts = brain.think(senses(step * 0.25, rival))
        shots += [act for act in acts if act.input == "Harpoon"]
    assert 8 <= len(shots) <= 10, "once a second or so"
    for shot in shots:
        angle = math.atan2(shot.values["dy"], shot.values["dx"])
        assert angle == pytest.approx(math.pi / 2, abs=0.2), "at the rival"
    far = Seen(5, "Diver", 1000, 690)
    assert not [act for act in brain.think(senses(99, far)) if act.input == "Harpoon"]


def test_bots_travel_far_enough_to_cross_borders():
    brain, chance = LanternsBrain(random.Random(3)), random.Random(4)
    x, y, quarters, heading = 300.0, 300.0, set(), (0.0, 0.0)
    for step in range(1200):  # five minutes of a diver that swims as it is told
        seen = [fish(2, x + chance.uniform(-90, 90), y + chance.uniform(-90, 90))]
        acts = brain.think(senses(step * 0.25, *seen, x=x, y=y))
        for act in acts:
            if act.input == "Steer":
                heading = act.values["dx"], act.values["dy"]
        x = min(max(x + heading[0] * 20, 0), SIZE[0])
        y = min(max(y + heading[1] * 20, 0), SIZE[1])
        quarters.add((x > 1024, y > 512))
    assert len(quarters) >= 3, "it has seen most of the four shards"


def test_the_same_seed_plays_the_same_game():
    def life(seed: int) -> list:
        brain = LanternsBrain(random.Random(seed))
        return [brain.think(senses(t * 0.3, fish(2, 900 + t, 500))) for t in range(100)]

    assert life(5) == life(5)


def test_an_intent_is_sent_only_when_it_changes():
    heading = Heading("Steer")
    me = Seen(1, "Comet", 0, 0)
    assert heading.towards(me, 100, 0)
    assert heading.towards(me, 100, 5) == [], "3 degrees are the same direction"
    assert heading.towards(me, 100, 50)
    assert heading.along(0, 0)
    assert heading.along(0, 0) == [], "stopped is stopped"


def test_any_game_with_a_bound_motion_can_be_wandered_in():
    schema = Schema.from_data(game.describe())
    assert isinstance(brain_for(schema, random.Random(1)), LanternsBrain)
    described = game.describe() | {"game": "another"}
    wanderer = brain_for(Schema.from_data(described), random.Random(1))
    assert isinstance(wanderer, Wanderer)
    (act,) = wanderer.think(senses(0.0))
    assert act.input == "Steer"
    assert math.hypot(*act.values.values()) == pytest.approx(1)
    still = Schema.from_data(described | {"kinds": []})
    assert isinstance(brain_for(still, random.Random(1)), Still)
