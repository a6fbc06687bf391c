"""What a file holds is what was recorded, or it is said where that ends, or it is refused."""

import random

import attrs
import pytest

from server.recording.pieces import Pieces, RecordingDamaged, RecordingError
from server.recording.recording import About, Recording, RecordingWriter
from server.recording.replayer import DivergedError, Replayer, checksum_of, replay


def bounds(path) -> list[int]:
    """Where the pieces of a file begin."""
    with path.open("rb") as file:
        return [piece.at for piece in Pieces(file)]


def test_it_replays_to_the_same_world(played, recording, game) -> None:
    assert replay(game, recording) == played.checksum()
    assert played.census().crossings > 30
    about = recording.about
    assert (about.module, about.game, about.code) == ("somewhere:game", "balls", game.code)
    assert (recording.first, recording.last, recording.shortfall) == (1, played.ticks, "")
    assert recording.name == "the recording"


def test_wherever_it_is_cut_it_replays_up_to_the_last_whole_piece(write, recording, game) -> None:
    path = write(lambda data: data)
    data, pieces = path.read_bytes(), bounds(path)
    with path.open("rb") as file:
        last = {piece.at: piece.last for piece in Pieces(file)}
    chance = random.Random(1)
    for size in {*chance.sample(range(len(data)), 60), *pieces[1:], len(data) - 1}:
        path.write_bytes(data[:size])
        whole = [
            at for at, ends in zip(pieces, [*pieces[1:], len(data)], strict=True) if ends <= size
        ]
        if not whole:
            with pytest.raises(RecordingError, match=r"run.shoal: it is (cut short|no recording)"):
                Recording.open(path)
            continue
        cut = Recording.open(path)
        assert cut.last == max(last[at] for at in whole)
        assert f"tick {cut.last}" in cut.shortfall
        where = f"at byte {size if size in pieces else max(at for at in pieces if at < size)}"
        assert (where in cut.shortfall) is (size not in pieces)
    half = pieces[len(pieces) // 2]
    path.write_bytes(data[: half + 10])
    replayer = Replayer(game, Recording.open(path))
    replayer.advance(recording.last)
    assert 0 < replayer.steps < 4 * recording.last, "what is there is replayed"


def test_a_flipped_byte_is_never_silently_wrong(write) -> None:
    path = write(lambda data: data)
    data, chance = path.read_bytes(), random.Random(2)
    for _ in range(300):
        at = chance.randrange(len(data))
        flipped = bytes([*data[:at], data[at] ^ (1 << chance.randrange(8)), *data[at + 1 :]])
        path.write_bytes(flipped)
        with pytest.raises(RecordingError, match=r"at byte \d+|no recording of this version"):
            list(Recording.open(path).pieces())


def test_a_missing_piece_and_what_follows_the_end_are_named(write) -> None:
    path = write(lambda data: data)
    data, (_, *pieces) = path.read_bytes(), bounds(path)
    path.write_bytes(data[: pieces[0]] + data[pieces[1] :])
    with pytest.raises(RecordingDamaged, match=f"at byte {pieces[0]} a piece is missing"):
        Recording.open(path)
    path.write_bytes(data + b"more")
    with pytest.raises(RecordingDamaged, match=f"goes on at byte {len(data)} behind its end"):
        Recording.open(path)


def test_what_is_no_recording_is_refused(tmp_path) -> None:
    path = tmp_path / "x.shoal"
    with pytest.raises(RecordingError, match=r"x.shoal' cannot be read: No such file"):
        Recording.open(path)
    for content in (b"", b"hello", b"shoal recording 9\n"):
        path.write_bytes(content)
        with pytest.raises(RecordingError, match="no recording of this version"):
            Recording.open(path)
    with path.open("wb") as file:
        RecordingWriter(file, About("m:g", "c", {"world": "w"}), {})
    with pytest.raises(RecordingDamaged, match="does not say of which world"):
        Recording.open(path)


def test_shards_that_begin_from_a_checkpoint_begin_there(played, recording, game, tmp_path) -> None:
    """As when a world that a store kept is recorded."""
    replayer = Replayer(game, recording)
    replayer.advance(100)
    starts = {number: shard.checkpoint() for number, shard in replayer.shards.items()}
    path = tmp_path / "later.shoal"
    with path.open("wb") as file:
        writer = RecordingWriter(file, recording.about, starts)
        writer.write(
            [kept for shard in starts for kept in played._records(shard) if kept.tick > 100]
        )
        writer.end()
    later = Recording.open(path)
    assert later.first == 101
    assert Replayer(game, later).tick == 100
    assert replay(game, later) == played.checksum()


def test_a_replay_that_leads_elsewhere_says_where(recording, game, monkeypatch) -> None:
    about = recording.about
    elsewhere = attrs.evolve(about, identity={**about.identity, "seed": 8})
    monkeypatch.setattr(recording, "about", elsewhere)
    with pytest.raises(DivergedError, match=r"shard 0 differs .* \(step 64\).*Ball") as found:
        replay(game, recording)
    error = found.value
    assert (error.shard, error.tick, error.step) == (0, 64, 64)
    assert any("Ball" in column for column in error.columns)


def test_memory_holds_no_more_than_a_piece_ahead(recording, game) -> None:
    replayer = Replayer(game, recording)
    most = 0
    for tick in range(1, recording.last + 1):
        replayer.advance(tick)
        most = max(most, sum(map(len, replayer._waiting.values())))
    assert most <= 64
    assert checksum_of(replayer.worlds) == replay(game, recording)
