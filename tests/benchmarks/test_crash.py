"""What proves that nothing is lost would notice if something were."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from benchmarks.crash import game as wrecks
from benchmarks.crash.history import Archive, History
from benchmarks.crash.verdict import Verdict, Witness, judge, take
from protocol.geometry import Geometry
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.journal import MemoryJournal
from server.cluster.seams import Record
from server.shard.commit import Writer
from server.shard.config import ShardConfig
from server.shard.host import Shard
from server.shard.mail import Input, Join, Mail, inbox_subject
from server.shard.outbox import EntityParcel, read_parcel
from server.shard.record import TickRecord
from server.store import frames
from server.store.frames import Frame, What
from sim.engine import TickInput

SHARDS = (2, 1)
TICKS = 120
LAY = 1
SCHEMA = Schema.from_data(wrecks.game.describe())
GEOMETRY = Geometry.grid(*SCHEMA.size, SCHEMA.cell, SCHEMA.interest, SHARDS)
NAME = f"journal-{0:016x}.log"


@pytest.fixture(scope="module")
def log() -> list[Frame]:
    """Two shards with players, as a store would hold it: what was durable in its order."""
    bus, journal = MemoryBus(), MemoryJournal()
    shards, writers, found = [], [], []
    for number in GEOMETRY.shards:
        config = ShardConfig(
            world="w", shard=number, epoch=1, seed=1, geometry=GEOMETRY, digests_every=1
        )
        shards.append(Shard(wrecks.game, SCHEMA, bus, config))
        writers.append(Writer(journal, number, journal.claim_nowait(number, 1)))
        found.append(Frame(What.CLAIM, number, 1, 1))
    for tick in range(1, TICKS + 1):
        if tick <= 8:
            bus.publish(
                inbox_subject("w", tick % 2),
                Mail("g", (Join(tick, b"h" * 32, f"bot{tick}"),)).encode(),
            )
        for shard in shards:
            for source in shard.sources:
                for record in journal.follow_nowait(source, shard.id, shard.followed(source)):
                    shard.deliver(source, record.position, record.data)
            for session in shard.sessions:
                seq = session.inputs.seen + 1
                kind, values = (LAY, (seq,)) if tick % 10 == 0 else (0, (tick % 3 - 1, 0))
                entry = Input(session.id, session.generation, seq, tick, 0, kind, values)
                bus.publish(inbox_subject("w", shard.id), Mail("g", (entry,)).encode())
        for shard, writer in zip(shards, writers, strict=True):
            shard.tick(tick)
            after = writer.position
            for commit in shard.take_commits():
                writer.commit_nowait(commit)
                shard.committed(commit.tick)
            found += [_frame(shard.id, record) for record in journal.read_nowait(shard.id, after)]
    return found


def _frame(shard: int, record: Record) -> Frame:
    return Frame(What.RECORD, shard, record.position, 1, record.id, record.to, record.data)


def _read(folder: Path, log: list[Frame]) -> History:
    content, check = b"", 0
    for frame in log:
        data, check = frames.encode(frame, check)
        content += data
    (folder / NAME).write_bytes(content)
    history = History(wrecks.game, GEOMETRY, 1)
    history.read(folder)
    return history


def _witnesses(history: History) -> dict[int, Witness]:
    """Eight players who were told all that concerns them."""
    return {
        player: Witness(
            told=Counter(
                {
                    event: 1
                    for event in history.happened
                    if event[0] == "Tolled" or event[3][0] == player
                }
            )
        )
        for player in range(1, 9)
    }


def _judge(history: History, witnesses: dict[int, Witness]) -> Verdict:
    return judge(history, witnesses, shards=2, upto=TICKS - 2)


def test_a_history_without_a_fault_is_found_good(tmp_path: Path, log: list[Frame]) -> None:
    history = _read(tmp_path, log)
    assert history.crossings > 10
    kinds = Counter(kind for kind, *_ in history.happened)
    assert min(kinds["Laid"], kinds["Burst"]) > 5
    assert kinds["Tolled"] == len(SHARDS)
    history.commands_given = history.commands_done  # the last ones are on their way
    verdict = _judge(history, _witnesses(history))
    assert verdict == Verdict()


def _entity_out(log: list[Frame]) -> int:
    """Where a record stands that hands an entity over, and that is taken later."""
    return next(
        place
        for place, frame in enumerate(log)
        if frame.to is not None and isinstance(read_parcel(frame.data), EntityParcel)
    )


def _without(log: list[Frame], place: int) -> Iterator[Frame]:
    """The log without a record, and as if it had never been there."""
    gone = log[place]
    for frame in log[:place] + log[place + 1 :]:
        later = frame.shard == gone.shard and frame.position > gone.position
        yield attrs.evolve(frame, position=frame.position - 1) if later else frame


def test_an_out_that_is_missing_is_noticed(tmp_path: Path, log: list[Frame]) -> None:
    history = _read(tmp_path, list(_without(log, _entity_out(log))))
    assert any("not there" in sentence for sentence in history.wrong)


def test_a_tick_that_is_missing_is_noticed(tmp_path: Path, log: list[Frame]) -> None:
    place = next(place for place, frame in enumerate(log) if frame.id == "40")
    history = _read(tmp_path, list(_without(log, place)))
    assert any("cannot be stepped" in sentence for sentence in history.wrong)


def test_a_world_that_became_another_is_noticed(tmp_path: Path, log: list[Frame]) -> None:
    place = next(place for place, frame in enumerate(log) if frame.id == "40")
    record = TickRecord.decode(log[place].data)
    given = attrs.evolve(TickInput.from_bytes(record.tick_input), inputs=[])
    other = attrs.evolve(record, tick_input=given.to_bytes()).encode()
    log = [*log[:place], attrs.evolve(log[place], data=other), *log[place + 1 :]]
    history = _read(tmp_path, log)
    assert history.wrong[0].startswith("tick 40 of shard 0 differs in ")


def test_a_record_that_was_written_twice_is_noticed(tmp_path: Path, log: list[Frame]) -> None:
    place = next(place for place, frame in enumerate(log) if frame.id == "40")
    history = _read(tmp_path, [*log[: place + 1], *log[place:]])
    assert any("jumps to position" in sentence for sentence in history.wrong)


def test_a_second_writer_is_noticed(tmp_path: Path, log: list[Frame]) -> None:
    place = next(place for place, frame in enumerate(log) if frame.id == "40")
    log = [*log[:place], attrs.evolve(log[place], epoch=2), *log[place + 1 :]]
    assert any("written by epoch 2" in sentence for sentence in _read(tmp_path, log).wrong)


def test_who_is_nowhere_and_who_is_twice_is_counted(tmp_path: Path, log: list[Frame]) -> None:
    history = _read(tmp_path, log)
    one, other = sorted(history.shards[0].owned)[:2]
    history.shards[0].owned.discard(one)
    history.shards[1].owned.add(other)
    verdict = _judge(history, _witnesses(history))
    assert (verdict.entities_lost, verdict.entities_duplicated) == (1, 1)


def test_events_that_are_untold_twice_told_or_gone_are_counted(
    tmp_path: Path, log: list[Frame]
) -> None:
    history = _read(tmp_path, log)
    witnesses = _witnesses(history)
    told = [event for event in witnesses[1].told if event[2] < TICKS - 10]
    del witnesses[1].told[told[0]]
    witnesses[1].told[told[1]] += 1
    witnesses[2].told["Laid", 0, 50, (2, 77, 77)] = 1
    verdict = _judge(history, witnesses)
    assert (verdict.durable_events_lost, verdict.durable_events_repeated) == (2, 1)
    laid = next(event for event in history.happened if event[0] == "Laid")
    history.happened[laid] += 1
    verdict = _judge(history, _witnesses(history))
    assert (verdict.durable_events_repeated, verdict.inputs_applied_twice) == (1, 1)


def test_a_player_who_comes_back_as_another_is_noticed(tmp_path: Path, log: list[Frame]) -> None:
    history = _read(tmp_path, log)
    witnesses = _witnesses(history)
    row: dict[str, Any] = {"player": 1, "told": [["Tolled", 0, 100, [1, 1]]]}
    row |= dict.fromkeys(("joined_tick", "mismatches", "crc_checks", "resumes", "session"), 0)
    take(witnesses, {"bots": [row | {"entity": 12345, "changed_identity": 1}]})
    wrong = _judge(history, witnesses).wrong
    assert any("the diver of player 1 is there 0 times" in sentence for sentence in wrong)
    assert any("player 1 came back as another" in sentence for sentence in wrong)
    assert any("told twice" in sentence for sentence in wrong)


def test_segments_that_the_store_lets_go_are_kept(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    archive = Archive(store, tmp_path / "archive")
    first = store / NAME
    first.write_bytes(b"12345")
    assert archive.look() == 5
    with first.open("ab") as file:
        file.write(b"67")
    first.unlink()
    (store / f"journal-{7:016x}.log").write_bytes(b"8")
    assert archive.look() == 8
    assert (archive.folder / NAME).read_bytes() == b"1234567"


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_is_lost_when_a_server_is_killed() -> None:
    """The real thing, short: three kills, a few players. How fast is another question."""
    command = [sys.executable, "-m", "benchmarks.crash", "--kills", "3", "--bots", "20"]
    done = subprocess.run(
        [*command, "--recover-s-max", "60"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    wrong = ("entities_lost", "entities_duplicated", "durable_events_lost")
    assert [figures[name] for name in wrong] == [0, 0, 0]
    assert (figures["kills"], figures["wrong"]) == (3, [])
    assert figures["crossings"] > 0
