"""The score board follows those who leave as well."""

from server.testing import Sim
from sim.games.lanterns import game


def test_the_board_is_empty_once_everybody_has_left() -> None:
    sim = Sim(game, shards=1, seed=1)
    ann, bob = sim.join("ann"), sim.join("bob")
    sim.tick(45)
    assert {row[1] for row in bob.scores} == {"ann", "bob"}
    ann.leave()
    sim.tick(45)
    assert {row[1] for row in bob.scores} == {"bob"}, "who has left is not listed"
    watcher = sim.observe()
    bob.leave()
    sim.tick(45)
    assert not watcher.scores, "a board without players is empty"
