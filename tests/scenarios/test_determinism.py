"""The same script gives the same world, and a recorded run replays to it."""

import random

import attrs
import pytest

from server.recording.recording import Recording
from server.recording.replayer import DivergedError, OtherCodeError, replay
from server.testing import Sim
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


def test_a_replay_says_where_it_parts_from_its_record(first, monkeypatch) -> None:
    recording = first.record()
    about = recording.about
    elsewhere = attrs.evolve(about, identity={**about.identity, "seed": 99})
    monkeypatch.setattr(recording, "about", elsewhere)
    with pytest.raises(DivergedError, match=r"shard 0 differs .* at tick 64 \(step 64\)") as found:
        replay(game, recording)
    assert (found.value.shard, found.value.tick, found.value.step) == (0, 64, 64)
    assert any(column.startswith("Fish") for column in found.value.columns)
    monkeypatch.setattr(recording, "about", attrs.evolve(about, code="0" * 16))
    with pytest.raises(OtherCodeError, match="is not what was recorded"):
        replay(game, recording)


def test_a_recording_is_the_same_run_wherever_it_lies(first, tmp_path) -> None:
    path = tmp_path / "run.shoal"
    first.record("sim.games.lanterns:game").save(path)
    kept = Recording.open(path)
    assert (kept.about.module, kept.about.game) == ("sim.games.lanterns:game", "lanterns")
    assert (kept.first, kept.last, kept.shortfall) == (1, first.ticks, "")
    assert replay(game, kept) == first.checksum()
