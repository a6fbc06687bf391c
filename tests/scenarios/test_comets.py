"""The test that a game's author writes, as the documentation shows it."""

import pytest

from examples.comets import Steer, game
from server.testing import Sim


def test_ann_crosses_the_border() -> None:
    sim = Sim(game, shards=2, seed=7)  # real codec, bus, journal and handoff; no sockets, no clock
    ann = sim.join("ann", x=1000, y=500)
    bob = sim.join("bob", x=1040, y=500, latency=0.1)
    for _ in range(100):
        ann.send(Steer(dx=1, dy=0))
        sim.tick()
    shard, me = sim.find(ann.id)
    assert shard == 1
    assert ann.view[ann.id].x == pytest.approx(me.x, abs=1 / 16)
    assert bob.screen()[ann.id].x < me.x  # what bob's player sees: interpolated, a little behind


def test_an_input_can_be_named() -> None:
    sim = Sim(game, shards=1)
    ann = sim.join("ann", x=1000, y=500)
    ann.send("Steer", dx=-1, dy=0)
    sim.tick(20)
    assert sim.find(ann.id)[1].x < 1000
    with pytest.raises(TypeError, match="not an instance of a declared input"):
        ann.send(object())


def test_what_is_not_there_is_not_found() -> None:
    sim = Sim(game, shards=(2, 2))
    ann = sim.join("ann")
    with pytest.raises(KeyError):
        sim.find(12345)
    with pytest.raises(KeyError):
        ann.view[12345]
    assert sim.find(ann.id)[1].y == 512, "the game's own join decides where nobody else does"


def test_the_own_avatar_answers_at_once_and_is_right() -> None:
    """Prediction: the player's screen moves before the server's answer, and agrees with it."""
    sim = Sim(game, shards=1)
    ann = sim.join("ann", x=500, y=500, latency=0.2)
    sim.tick(20)
    ann.send(Steer(dx=1, dy=0))
    before = ann.screen()[ann.id].x
    sim.tick(2)
    assert ann.screen()[ann.id].x > before, "0.4 s before the server could have answered"
    assert sim.find(ann.id)[1].x == 500, "the server has not even heard of it"
    sim.tick(80)
    assert ann.client.statistics().rubber_bands == 0, "no correction was ever seen"
