"""A world that is recorded goes on whatever becomes of the recording."""

import errno
import io
from pathlib import Path

import pytest
import trio

from server.cluster.journal import MemoryJournal
from server.cluster.seams import Draft, JournalUnavailable
from server.recording import recorder as module
from server.recording.pieces import RecordingError
from server.recording.recorder import PIECE_S, RecordedJournal, Recorder, record_into
from server.recording.recording import About, Recording

ABOUT = About("m:g", "code", {"world": "w", "game": "g", "seed": 1, "hz": 20, "geometry": {}})


class Full(io.BytesIO):
    """A file on a disk that has room for a beginning."""

    name = "full"

    def write(self, data) -> int:
        if self.tell() + len(data) > 400:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


def rows(path: Path) -> list[tuple[int, bytes]]:
    return [row for piece in Recording.open(path).pieces() for row in piece]


async def tick(journal: RecordedJournal, number: int, position: int, data: bytes = b"x") -> int:
    drafts = [Draft(str(number), data), Draft(f"{number}.0", b"an out", to=1)]
    return await journal.append(0, drafts, expect=position)


async def test_what_the_journal_has_taken_is_in_the_file_soon(tmp_path, autojump_clock) -> None:
    path = tmp_path / "run.shoal"
    async with record_into(path) as recorder:
        journal = RecordedJournal(MemoryJournal(), recorder)
        position = await journal.claim(0, 1)
        recorder.begin(ABOUT, {})
        for number in range(1, 11):
            position = await tick(journal, number, position, b"record %d" % number)
            await trio.sleep(0.05)
        while len(rows(path)) < 10:  # noqa: ASYNC110 - a thread writes, in time of its own
            await trio.sleep(PIECE_S)
        assert rows(path) == [(0, b"record %d" % number) for number in range(1, 11)]
        assert "was not ended" in Recording.open(path).shortfall
        assert len(await journal.read(0, 0)) == 20, "and everything is in the journal"
        await tick(journal, 11, position)
    assert Recording.open(path).shortfall == ""
    assert (Recording.open(path).first, Recording.open(path).last) == (1, 11)


async def test_what_the_journal_did_not_take_is_not_recorded(tmp_path, autojump_clock) -> None:
    class Away(MemoryJournal):
        is_away = True

        async def append(self, shard, drafts, *, expect):
            if self.is_away:
                raise JournalUnavailable("not now")
            return await super().append(shard, drafts, expect=expect)

    path, away = tmp_path / "run.shoal", Away()
    async with record_into(path) as recorder:
        journal = RecordedJournal(away, recorder)
        recorder.begin(ABOUT, {})
        position = await journal.claim(0, 1)
        with pytest.raises(JournalUnavailable):
            await tick(journal, 1, position)
        away.is_away = False
        await tick(journal, 1, position)
    assert rows(path) == [(0, b"x")], "once"


async def test_a_full_disk_ends_the_recording_and_nothing_else(autojump_clock, capsys) -> None:
    recorder = Recorder(Full(), "full")
    recorder.begin(ABOUT, {})
    journal = RecordedJournal(MemoryJournal(), recorder)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        position = await journal.claim(0, 1)
        for number in range(1, 60):
            position = await tick(journal, number, position, number.to_bytes(2) * 50)
            await trio.sleep(0.05)
        recorder.end()
    assert recorder.failure == "No space left on device"
    assert position == 1 + 2 * 59


async def test_a_recording_that_falls_behind_ends(autojump_clock, monkeypatch) -> None:
    monkeypatch.setattr(module, "WAITING_BYTES_MAX", 1000)
    recorder = Recorder(io.BytesIO(), "slow")
    recorder.begin(ABOUT, {})
    journal = RecordedJournal(MemoryJournal(), recorder)
    position = await journal.claim(0, 1)
    for number in range(1, 30):  # and nobody writes
        position = await tick(journal, number, position, bytes(100))
    assert "too slow" in recorder.failure
    assert recorder._waiting == [], "and keeps nothing in memory"


async def test_a_cancelled_world_is_recorded_to_its_end(tmp_path, autojump_clock) -> None:
    path = tmp_path / "run.shoal"
    with trio.move_on_after(1):
        async with record_into(path) as recorder:
            journal = RecordedJournal(MemoryJournal(), recorder)
            recorder.begin(ABOUT, {})
            await tick(journal, 1, await journal.claim(0, 1))
            await trio.sleep(0.9)
            await tick(journal, 2, 3)
            await trio.sleep_forever()
    assert (Recording.open(path).last, Recording.open(path).shortfall) == (2, "")


async def test_nothing_is_overwritten_and_nothing_empty_stays(tmp_path, autojump_clock) -> None:
    path = tmp_path / "run.shoal"
    async with record_into(path) as recorder:
        recorder.begin(ABOUT, {})
    assert not path.exists()
    path.write_bytes(b"dear")
    with pytest.raises(RecordingError, match="is there already"):
        async with record_into(path):
            pass
    with pytest.raises(RecordingError, match="cannot be written: No such file"):
        async with record_into(tmp_path / "nowhere" / "run.shoal"):
            pass
    assert path.read_bytes() == b"dear"
