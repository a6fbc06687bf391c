"""Verifying says identical only where something was compared, and else where it parts."""

import attrs
import pytest

from server.recording.pieces import RecordingError
from server.recording.recording import Recording, RecordingWriter
from server.recording.replayer import OtherCodeError
from server.replay import verify as module
from server.replay.verify import verify
from server.shard.record import TickRecord


def test_what_leads_where_it_led_is_identical(recording, game) -> None:
    verdict = verify(game, recording)
    told = verdict.to_data()
    assert told.pop("ticks_per_s") > 0
    assert told == {
        "ticks": recording.last,
        "shards": 4,
        "steps": 4 * recording.last,
        "complete": True,
        "identical": True,
    }
    assert verdict.sentence().endswith(": identical")


def test_the_first_difference_has_a_place_and_columns(recording, game, monkeypatch) -> None:
    about = recording.about
    elsewhere = attrs.evolve(about, identity={**about.identity, "seed": 8})
    monkeypatch.setattr(recording, "about", elsewhere)
    told = verify(game, recording).to_data()
    assert (told["identical"], told["shard"], told["tick"], told["step"]) == (False, 0, 64, 64)
    assert any("Ball" in column for column in told["columns"])
    assert "differs from its recording at tick 64" in verify(game, recording).sentence()


def test_other_code_is_refused(recording, game, monkeypatch) -> None:
    monkeypatch.setattr(recording, "about", attrs.evolve(recording.about, code="0" * 16))
    with pytest.raises(
        OtherCodeError, match=r"code of 'balls' is not what was recorded \(0{16} then"
    ):
        verify(game, recording)


def test_without_checksums_nothing_is_called_identical(recording, played, game, tmp_path) -> None:
    path = tmp_path / "bare.shoal"
    with path.open("wb") as file:
        writer = RecordingWriter(file, recording.about, {})
        for kept in played._records(0):
            bare = attrs.evolve(TickRecord.decode(kept.data), digests=b"").encode()
            writer.write([attrs.evolve(kept, data=bare)])
        writer.end()
    with pytest.raises(RecordingError, match="holds no checksums"):
        verify(game, Recording.open(path))


def test_what_takes_long_says_how_far_it_is(monkeypatch, capsys) -> None:
    now = 100.0
    monkeypatch.setattr(module.time, "perf_counter", lambda: now)
    progress = module.Progress(last=1000)
    for tick in range(0, 100, 10):
        now += 0.35
        progress(tick)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["tick 50 of 1000", "tick 80 of 1000"]
