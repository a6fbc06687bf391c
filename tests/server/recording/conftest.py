"""A recorded run of the tiny game that crosses borders all the time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from server.recording.recording import Recording
from server.testing import Sim
from sim import Game
from tests.server.shard.conftest import make_game

SEED = 7
TICKS = 200


@pytest.fixture(scope="package")
def game() -> Game:
    return make_game(balls=20)


@pytest.fixture(scope="package")
def played(game: Game) -> Sim:
    """The run itself, over by now: players came, went and shot."""
    sim = Sim(game, shards=(2, 2), seed=SEED)
    ann, bob = sim.join("ann"), sim.join("bob")
    for tick in range(TICKS - sim.ticks):
        ann.send("Push", dx=(tick % 40 - 20) / 20, dy=1 if tick % 50 < 25 else -1)
        if tick % 10 == 0:
            bob.send("Fire")
        if tick == 120:
            bob.leave()
        sim.tick()
    return sim


@pytest.fixture
def recording(played: Sim) -> Recording:
    return played.record("somewhere:game")


@pytest.fixture
def write(tmp_path: Path, recording: Recording) -> Callable[[Callable[[bytes], bytes]], Path]:
    """Writes the recording into a file, its bytes changed."""

    def make(change: Callable[[bytes], bytes]) -> Path:
        path = tmp_path / "run.shoal"
        recording.save(path)
        path.write_bytes(change(path.read_bytes()))
        return path

    return make
