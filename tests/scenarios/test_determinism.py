"""The same script gives the same world, and a recorded run replays to it."""

import random

import attrs
import pytest

from server.testing import Sim
from server.testing.recording import ReplayError
from sim.games.lanterns import Dash, Harpoon, Steer, game


def played(seed: int) -> Sim:
    chance = random.Random(seed)
    sim = Sim(game, shards=(2, 2), seed=seed)
    players = [sim.join(f"p{n}", latency=0.03 * n, jitter=0.02) for n in range(4)]
    players.append(sim.join("at the corner", x=1024, y=512))
    for _ in range(80):
        player = chance.choice(players)
        player.send(Steer(dx=chance.uniform(-1, 1), dy=chance.uniform(-1, 1)))
        player.send(chance.choice([Dash(), Harpoon(dx=1, dy=0)]))
        sim.tick()
    players[0].cut()
    sim.tick(5)
    players[0].resume()
    sim.tick(15)
    return sim


@pytest.fixture(scope="module")
def first() -> Sim:
    return played(11)


def test_the_same_script_gives_the_same_checksum(first) -> None:
    second = played(11)
    assert first.checksum() == second.checksum()
    assert first.statistics() == second.statistics(), "down to the bytes that were sent"
    assert first.checksum() != played(12).checksum(), "another seed is another world"


def test_a_recorded_run_replays_to_the_same_checksum(first) -> None:
    assert first.replay() == first.checksum()


def test_a_replay_says_where_it_parts_from_its_record(first) -> None:
    recording = first.record()
    with pytest.raises(ReplayError, match="shard 0: The replay differs at tick 64 "):
        attrs.evolve(recording, seed=99).replay(game)
    with pytest.raises(ReplayError, match="other rules"):
        attrs.evolve(recording, code="0" * 16).replay(game)
