"""A player who loses the link comes back to the same avatar, and nobody else does."""

from examples.comets import Steer, game
from protocol.client import Client
from protocol.errors import CloseCode
from server.shard.limits import GRACE_TICKS
from server.testing import Sim


def test_a_player_comes_back_within_the_grace_period() -> None:
    sim = Sim(game, shards=2, seed=1)
    ann = sim.join("ann", x=1000, y=500)
    me = ann.id
    ann.send(Steer(dx=1, dy=0))
    sim.tick(2)
    ann.cut()
    sim.tick(60)
    assert sim.find(me)[0] == 1, "the avatar went on by itself, across the border"
    ann.resume()
    sim.tick(10)
    assert ann.id == me, "the same entity"
    assert ann.view[me].x == sim.find(me)[1].x, "and the client is up to date"
    ann.send(Steer(dx=-1, dy=0))
    sim.tick(60)
    assert sim.find(me)[1].vx < 0, "it listens again"
    assert sim.statistics().resumes == 1


def test_who_does_not_come_back_in_time_is_gone() -> None:
    sim = Sim(game, shards=2, seed=1)
    ann, bob = sim.join("ann", x=1000, y=500), sim.join("bob", x=1010, y=500)
    me = ann.id
    ann.cut()
    sim.tick(GRACE_TICKS - 20)
    assert me in bob.view, "the avatar waits"
    sim.tick(60)
    assert me not in bob.view, "and is gone in the end"
    ann.resume()
    sim.tick(120)
    assert ann.closed is not None
    assert ann.closed.code == CloseCode.AUTH
    assert not sim.census().lost


def test_a_player_who_leaves_is_gone_at_once() -> None:
    sim = Sim(game, shards=2, seed=1)
    ann, bob = sim.join("ann", x=1000, y=500), sim.join("bob", x=1010, y=500)
    ann.leave()
    sim.tick(5)
    assert ann.id not in bob.view


def test_a_token_is_good_for_one_resume() -> None:
    sim = Sim(game, shards=2, seed=1)
    ann = sim.join("ann", x=1000, y=500)
    old = ann.client.welcome.token
    ann.cut()
    ann.resume()
    sim.tick(30)
    assert ann.closed is None
    thief = sim.connect(Client("thief", resume=old))
    sim.tick(120)
    assert thief.client.welcome is None, "the token was replaced, and confirmed"
    assert thief.closed.code == CloseCode.AUTH
    assert ann.closed is None, "the player noticed nothing"


def test_a_guessed_token_opens_nothing() -> None:
    sim = Sim(game, shards=2, seed=1)
    ann = sim.join("ann", x=1000, y=500)
    session = ann.client.welcome.token[:8]
    thief = sim.connect(Client("thief", resume=session + bytes(16)))
    sim.tick(30)
    assert thief.closed.code == CloseCode.AUTH
    assert ann.closed is None


def test_a_second_link_takes_over_and_the_first_is_told() -> None:
    sim = Sim(game, shards=2, seed=1)
    ann = sim.join("ann", x=1000, y=500)
    elsewhere = sim.connect(Client("ann", resume=ann.client.welcome.token))
    sim.tick(10)
    assert elsewhere.id == ann.id, "the same avatar"
    assert elsewhere.client.private.keys() == ann.client.private.keys(), "and all about it"
    assert ann.closed.code == CloseCode.TAKEN_OVER
    elsewhere.send(Steer(dx=-1, dy=0))
    sim.tick(10)
    assert sim.find(elsewhere.id)[1].vx < 0
