"""The embedded journal keeps what it promised through crashes, and refuses what is damaged."""

import random
from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from server.cluster.seams import Fenced
from server.store.disk import FolderDisk
from server.store.errors import StoreBroken, StoreDamaged, StoreFull
from server.store.journal import StoreJournal
from server.testing.disk import SimulatedDisk
from tests.server.cluster.drafts import append, read_all

SMALL = 4096  # bytes of a segment
SHARDS = (0, 1, 2)
FLIPS = 1000


@attrs.define
class History:
    """A shard's life on a journal: numbered records, and checkpoints that are all of them."""

    shard: int
    position: int = 0
    revision: int = 0
    epoch: int = 0
    written: list[bytes] = attrs.field(factory=list)  # attempted
    promised: int = 0  # so many of them were acknowledged

    async def claim(self, journal: StoreJournal) -> None:
        self.epoch += 1
        self.position = await journal.claim(self.shard, self.epoch)

    async def write(self, journal: StoreJournal, chance: random.Random) -> None:
        number = len(self.written)
        data = b"%d:%d:" % (self.shard, number) + chance.randbytes(chance.randrange(200))
        self.written.append(data)
        to = chance.choice([None, None, (self.shard + 1) % 3])
        self.position = await append(
            journal, self.shard, data, expect=self.position, id=str(number), to=to
        )
        self.promised = len(self.written)

    async def checkpoint(self, journal: StoreJournal) -> None:
        data = b"\n".join(each.hex().encode() for each in self.written[: self.promised])
        self.revision = await journal.save(
            self.shard, data, position=self.position, revision=self.revision
        )
        await journal.trim(self.shard, self.position)


async def recovered(journal: StoreJournal, shard: int) -> list[bytes]:
    """All that a shard can know again: its checkpoint, and the records behind it."""
    checkpoint = await journal.load(shard)
    if checkpoint is None:
        return [record.data for record in await read_all(journal, shard)]
    known = [bytes.fromhex(line.decode()) for line in checkpoint.data.split(b"\n") if line]
    return known + [record.data for record in await read_all(journal, shard, checkpoint.position)]


async def open_quietly(disk: SimulatedDisk) -> tuple[StoreJournal, list[str]]:
    said: list[str] = []
    return await StoreJournal.open(disk, said.append, segment_bytes=SMALL), said


async def live(
    journal: StoreJournal, histories: list[History], chance: random.Random, deeds: int
) -> None:
    for _ in range(deeds):
        history = chance.choice(histories)
        if chance.random() < 0.06:
            await history.checkpoint(journal)
        else:
            await history.write(journal, chance)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_was_promised_is_there_after_any_number_of_crashes(seed: int) -> None:
    chance = random.Random(seed)

    async def run() -> None:
        disk = SimulatedDisk(sync_s=0.01)
        histories = [History(shard) for shard in SHARDS]
        for _ in range(4):
            journal, _ = await open_quietly(disk)
            for history in histories:
                assert journal.epoch(history.shard) >= history.epoch, "fencing outlives a crash"
                await history.claim(journal)
            with trio.move_on_after(chance.uniform(0, 2)):  # and then the power is gone
                async with trio.open_nursery() as nursery:
                    for history in histories:
                        nursery.start_soon(live, journal, [history], chance, 60)
            disk = disk.crash(chance)
            journal, said = await open_quietly(disk)
            assert all("torn tail" in line or "not closed" in line for line in said), said
            for history in histories:
                found = await recovered(journal, history.shard)
                assert found == history.written[: len(found)], "in order, and nothing else"
                assert len(found) >= history.promised, "nothing that was promised is lost"
                history.written = found
                history.promised = len(found)
                checkpoint = await journal.load(history.shard)
                history.revision = checkpoint.revision if checkpoint else 0
                history.epoch = journal.epoch(history.shard)

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))


async def lived(seed: int) -> tuple[SimulatedDisk, list[History]]:
    """A store that was used and closed well."""
    chance = random.Random(seed)
    disk = SimulatedDisk()
    journal, _ = await open_quietly(disk)
    histories = [History(shard) for shard in SHARDS]
    for history in histories:
        await history.claim(journal)
    await live(journal, histories, chance, 300)
    await journal.close()
    return disk, histories


async def test_a_flipped_byte_is_never_silently_wrong(autojump_clock: object) -> None:
    disk, histories = await lived(7)
    chance = random.Random(8)
    refused = reported = harmless = 0
    for _ in range(FLIPS):
        damaged = disk.copy()
        damaged.flip(chance.randrange(damaged.size()), 1 << chance.randrange(8))
        try:
            journal, said = await open_quietly(damaged)
        except StoreDamaged:
            refused += 1
            continue
        reported += bool(said)
        harmless += not said
        for history in histories:
            found = await recovered(journal, history.shard)
            assert found == history.written, "recovered from an older checkpoint, and told"
    assert refused > FLIPS / 10
    assert reported > FLIPS / 10
    assert harmless == 0, "every byte is under a checksum"


async def test_a_missing_segment_is_refused(autojump_clock: object) -> None:
    disk, _ = await lived(9)
    names = [name for name in disk.names() if name.startswith("journal-")]
    assert len(names) > 2
    await disk.remove([names[1]])
    with pytest.raises(StoreDamaged, match="durable before"):
        await open_quietly(disk)


async def test_one_sync_serves_all_who_wait(autojump_clock: object) -> None:
    disk = SimulatedDisk(sync_s=0.01)
    journal, _ = await open_quietly(disk)
    histories = [History(shard) for shard in range(20)]
    for history in histories:
        await history.claim(journal)
    before = journal.syncs
    async with trio.open_nursery() as nursery:
        for history in histories:
            nursery.start_soon(history.write, journal, random.Random(history.shard))
    assert journal.syncs - before <= 2


async def test_outs_are_followed_only_once_they_are_durable(autojump_clock: object) -> None:
    disk = SimulatedDisk(sync_s=1)
    journal, _ = await open_quietly(disk)
    position = await journal.claim(1, 1)
    taken: list[float] = []

    async def take() -> None:
        async for record in journal.follow(1, 2, 0):
            assert record.data == b"out"
            taken.append(trio.current_time())
            return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        began = trio.current_time()
        await append(journal, 1, b"out", expect=position, id="1.0", to=2)
    assert taken[0] - began >= 1


async def test_old_segments_go_when_two_checkpoints_cover_them(autojump_clock: object) -> None:
    disk = SimulatedDisk()
    journal, _ = await open_quietly(disk)
    history, chance = History(1), random.Random(1)
    await history.claim(journal)
    for _ in range(6):
        for _ in range(100):
            await history.write(journal, chance)
        await history.checkpoint(journal)
    names = [name for name in disk.names() if name.startswith("journal-")]
    assert len(names) * SMALL < disk.size()
    assert len(names) < 10, "of the dozens that were written"
    assert len([name for name in disk.names() if name.startswith("checkpoint-")]) == 2
    again, said = await open_quietly(disk)
    assert ["not closed" in line for line in said] == [True]
    assert await recovered(again, 1) == history.written
    assert again.epoch(1) == 1, "though the claim's segment is gone"
    with pytest.raises(Fenced):
        await again.claim(1, 1)


async def test_after_a_failed_sync_nothing_is_promised(autojump_clock: object) -> None:
    disk = SimulatedDisk()
    journal, _ = await open_quietly(disk)
    position = await journal.claim(1, 1)
    disk.fails = True
    with pytest.raises(StoreBroken, match="made durable"):
        await append(journal, 1, b"a", expect=position, id="1")
    disk.fails = False
    with pytest.raises(StoreBroken, match="broke before"):
        await append(journal, 1, b"a", expect=position, id="1")


async def test_a_disk_that_fills_up_at_the_head_of_a_segment_loses_no_shard(
    autojump_clock: object,
) -> None:
    """A segment's head says where every shard stands; without it, older segments could not go."""
    disk = SimulatedDisk()
    journal = await StoreJournal.open(disk, [].append, segment_bytes=SMALL)
    quiet, busy = History(0), History(1)
    await quiet.claim(journal)
    await busy.claim(journal)
    chance = random.Random(1)
    while disk.size() < SMALL:
        await busy.write(journal, chance)
    for room in range(0, 120, 10):  # never enough for both
        disk.room = room
        with pytest.raises(StoreFull):
            await busy.write(journal, chance)
        busy.written.pop()
        disk.room = None
    first = f"journal-{0:016x}.log"
    while first in disk.names():
        await busy.write(journal, chance)
        await busy.checkpoint(journal)
    found = await StoreJournal.open(disk.crash(chance), [].append, segment_bytes=SMALL)
    with pytest.raises(Fenced):
        await found.claim(quiet.shard, quiet.epoch)
    assert await found.claim(quiet.shard, quiet.epoch + 1) == quiet.position + 1


async def test_a_full_disk_refuses_and_goes_on_when_there_is_room(autojump_clock: object) -> None:
    disk = SimulatedDisk()
    journal, _ = await open_quietly(disk)
    position = await journal.claim(1, 1)
    disk.room = 10
    with pytest.raises(StoreFull, match="no more"):
        await append(journal, 1, b"a" * 50, expect=position, id="1")
    assert await read_all(journal, 1) == []
    disk.room = None
    position = await append(journal, 1, b"a" * 50, expect=position, id="1")
    again, _ = await open_quietly(disk.copy())
    assert [record.data for record in await read_all(again, 1)] == [b"a" * 50]


async def test_a_folder_keeps_it(tmp_path: Path) -> None:
    disk = FolderDisk(tmp_path / "store")
    journal = await StoreJournal.open(disk, pytest.fail, segment_bytes=SMALL)
    history, chance = History(1), random.Random(2)
    await history.claim(journal)
    for _ in range(60):
        await history.write(journal, chance)
    await history.checkpoint(journal)
    await history.write(journal, chance)
    await journal.close()
    disk.close()
    (tmp_path / "store" / "checkpoint-1-0000000002.new").write_bytes(b"half of it")
    again = FolderDisk(tmp_path / "store")
    journal = await StoreJournal.open(again, pytest.fail, segment_bytes=SMALL)
    assert await recovered(journal, 1) == history.written
    await journal.close()
    again.close()


async def test_a_torn_tail_in_a_folder_is_cut_and_told(tmp_path: Path) -> None:
    disk = FolderDisk(tmp_path)
    journal = await StoreJournal.open(disk, pytest.fail)
    position = await journal.claim(1, 1)
    await append(journal, 1, b"kept", expect=position, id="1")
    disk.close()
    segment = tmp_path / f"journal-{0:016x}.log"
    with segment.open("ab") as file:
        file.write(b"shj\x01 and then the power went")
    said: list[str] = []
    again = FolderDisk(tmp_path)
    journal = await StoreJournal.open(again, said.append)
    assert [record.data for record in await read_all(journal, 1)] == [b"kept"]
    assert "cut a torn tail of 28 bytes" in said[0]
    assert "was not closed" in said[1]
    assert b"power" not in segment.read_bytes()
    again.close()
