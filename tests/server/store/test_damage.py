"""A store that was damaged is never silently wrong: it leads where it led, or is refused.

A real run of shards is kept in a folder. Copies of it are damaged in every way; each is opened, and
its shards are recovered, as by `shoal serve`.
"""

import itertools
import random
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from protocol.geometry import Geometry
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.directory import MemoryDirectory
from server.shard.census import tally
from server.shard.host import Shard, ShardConfig
from server.shard.mail import Input, Join, Mail, inbox_subject
from server.shard.recovery import CheckpointKeeper
from server.shard.service import OwnedShard, own_shard
from server.store.errors import StoreDamaged, StoreMismatch
from server.store.folder import open_store
from server.store.journal import StoreJournal
from sim import Game
from tests.server.shard.conftest import make_game

SHARDS = (2, 1)
SEGMENT_BYTES = 24 * 1024
TICKS = 110
CHECKPOINT_EVERY = 30
KEPT_BACK = 8  # ticks at the end that no checkpoint covers


class World:
    """The shards of a world over one store, and what they were after each tick."""

    def __init__(self) -> None:
        self.game: Game = make_game(balls=12)
        self.schema = Schema.from_data(self.game.describe())
        self.geometry = Geometry.grid(*self.game.size, self.game.cell, self.game.radii, SHARDS)
        self.checksums: dict[tuple[int, int], int] = {}  # by shard and tick

    def make(self, bus: MemoryBus, shard: int, epoch: int, saved: bytes | None) -> Shard:
        config = ShardConfig(
            world="w",
            shard=shard,
            epoch=epoch,
            seed=7,
            geometry=self.geometry,
            counting=True,
            digests_every=1,
            checkpoint_every=CHECKPOINT_EVERY,
        )
        return Shard(self.game, self.schema, bus, config, saved)

    async def own(self, journal: StoreJournal, bus: MemoryBus) -> list[OwnedShard]:
        epoch = max((journal.epoch(shard) for shard in journal.shards), default=0)
        directory = MemoryDirectory(lambda: 0.0, epoch)
        owned = []
        for shard in self.geometry.shards:
            make = partial(self.make, bus, shard)
            one = await own_shard(make, shard, world="w", directory=directory, journal=journal)
            assert one is not None
            owned.append(one)
        return owned

    async def live(self, folder: Path, killed: Path) -> None:
        """Play on a store in `folder`; `killed` becomes what a killed process leaves of it."""
        bus = MemoryBus()
        async with open_store(
            folder, {"world": "w"}, pytest.fail, durable=False, segment_bytes=SEGMENT_BYTES
        ) as journal:
            owned = await self.own(journal, bus)
            keepers = [CheckpointKeeper(journal, each.shard.id, 0) for each in owned]
            for tick in range(1, TICKS + 1):
                self._say(bus, owned, tick)
                for each in owned:
                    self._deliver(journal, each.shard)
                for each in owned:
                    each.shard.tick(tick)
                    self.checksums[each.shard.id, tick] = each.shard.world.checksum()
                for each, keeper in zip(owned, keepers, strict=True):
                    await self._keep(journal, each, keeper, tick)
            shutil.copytree(folder, killed)

    def _say(self, bus: MemoryBus, owned: list[OwnedShard], tick: int) -> None:
        if tick <= 6:
            join = Join(1000 + tick, b"h" * 32, f"p{tick}")
            bus.publish(inbox_subject("w", tick % 2), Mail("g1", (join,)).encode())
        for each in owned:
            for session in each.shard.sessions:
                kind, values = (1, ()) if tick % 9 == 0 else (0, (tick % 5 - 2, session.id % 3 - 1))
                seq = session.inputs.seen + 1
                entry = Input(session.id, session.generation, seq, tick, 0, kind, values)
                bus.publish(inbox_subject("w", each.shard.id), Mail("g1", (entry,)).encode())

    @staticmethod
    def _deliver(journal: StoreJournal, shard: Shard) -> None:
        for source in shard.sources:
            for record in journal.outs(source, shard.id, shard.followed(source)):
                assert shard.deliver(source, record.position, record.data)

    @staticmethod
    async def _keep(
        journal: StoreJournal, each: OwnedShard, keeper: CheckpointKeeper, tick: int
    ) -> None:
        (commit,) = each.shard.take_commits()
        await each.writer.commit([commit])
        each.shard.committed(tick)
        if commit.checkpoint is not None and tick <= TICKS - KEPT_BACK:
            await keeper.save(commit.checkpoint, each.writer.position)
        upto = each.writer.trimmable(each.shard.acknowledged, keeper.position)
        if upto is not None:
            await journal.trim(each.shard.id, upto)


@attrs.frozen
class Outcome:
    """What became of a damaged store."""

    refused: str | None
    reports: tuple[str, ...]
    lost_ticks: int = 0


class Kept:
    """A store as it was found, and the life that led there."""

    def __init__(self, world: World, found: Path, scratch: Path) -> None:
        self.world = world
        self.found = found
        self._scratch = scratch

    def files(self, pattern: str = "*") -> list[Path]:
        return sorted(path for path in self.found.glob(pattern) if path.name != "lock")

    async def after(self, damage: Callable[[Path], None]) -> Outcome:
        """Damage a copy, recover it, and check that it leads where the undamaged one did."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        shutil.copytree(self.found, self._scratch)
        damage(self._scratch)
        before = _contents(self._scratch)
        reports: list[str] = []
        try:
            async with open_store(
                self._scratch, {"world": "w"}, reports.append, durable=False
            ) as journal:
                owned = await self.world.own(journal, MemoryBus())
        except (StoreDamaged, StoreMismatch) as refusal:
            assert _contents(self._scratch) == before, "what is refused is left as it is"
            return Outcome(str(refusal), tuple(reports))
        lost = 0
        for each in owned:
            shard, tick = each.shard.id, each.shard.world.tick
            assert each.shard.world.checksum() == self.world.checksums[shard, tick]
            lost = max(lost, TICKS - tick)
        if lost:
            assert any("not closed" in report for report in reports), "what is lost is told"
        found = tally(each.shard.census() for each in owned)
        assert found.duplicated == found.lost == frozenset()
        return Outcome(None, tuple(reports), lost)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "lock"}


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    folder = tmp_path_factory.mktemp("life")
    world = World()
    trio.run(world.live, folder / "closed", folder / "killed")
    return world, folder


@pytest.fixture
def kept(life: tuple[World, Path], tmp_path: Path) -> Kept:
    world, folder = life
    return Kept(world, folder / "closed", tmp_path / "store")


@pytest.fixture
def killed(life: tuple[World, Path], tmp_path: Path) -> Kept:
    world, folder = life
    return Kept(world, folder / "killed", tmp_path / "store")


def _flipped(path: Path, at: int, bits: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= bits
    path.write_bytes(content)


async def test_an_undamaged_store_goes_on(kept: Kept) -> None:
    names = [path.name for path in kept.files()]
    assert sum(name.startswith("journal-") for name in names) >= 3
    assert sum(name.startswith("checkpoint-") for name in names) == 4, "two of each shard"
    assert await kept.after(lambda _: None) == Outcome(None, ())


async def test_after_a_kill_it_is_said_that_the_store_was_not_closed(killed: Kept) -> None:
    outcome = await killed.after(lambda _: None)
    assert (outcome.refused, outcome.lost_ticks) == (None, 0)
    (report,) = outcome.reports
    assert "was not closed" in report


async def flip(kept: Kept, flips: int) -> dict[str, int]:
    """Flip one byte at each of so many random places; how many of them came to which end."""
    chance = random.Random(3)
    sizes = {path.name: path.stat().st_size for path in kept.files()}
    ends = dict.fromkeys(("refused", "recovered", "unsaid"), 0)
    for _ in range(flips):
        (name,) = chance.choices(list(sizes), list(sizes.values()))
        at, bits = chance.randrange(sizes[name]), 1 << chance.randrange(8)
        outcome = await kept.after(lambda store: _flipped(store / name, at, bits))  # noqa: B023
        if outcome.refused is not None:
            assert re.search(r"damaged|is of another world|cut", outcome.refused)
            ends["refused"] += 1
        else:
            assert outcome.lost_ticks == 0, "nothing is lost to a byte"
            ends["recovered" if outcome.reports else "unsaid"] += 1
    return ends


async def test_a_flipped_byte_is_never_silently_wrong(kept: Kept) -> None:
    ends = await flip(kept, 40)
    assert ends["unsaid"] == 0, "every byte is under a checksum"
    assert min(ends["refused"], ends["recovered"]) > 0


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_thousand_flipped_bytes_are_never_silently_wrong(kept: Kept) -> None:
    ends = await flip(kept, 1000)
    assert ends["unsaid"] == 0, "every byte is under a checksum"
    assert min(ends["refused"], ends["recovered"]) > 100


async def test_a_file_that_is_cut_short_is_never_silently_wrong(kept: Kept) -> None:
    chance = random.Random(4)
    for path in kept.files():
        size = path.stat().st_size
        for left in (0, chance.randrange(size), size - 1):
            name = path.name
            outcome = await kept.after(lambda store: _cut(store / name, left))  # noqa: B023
            said = outcome.refused or outcome.reports
            assert said or name == "world.json", f"{name}, {left} of {size} bytes left"


def _cut(path: Path, left: int) -> None:
    with path.open("r+b") as file:
        file.truncate(left)


async def test_a_block_of_zeros_is_never_silently_wrong(kept: Kept) -> None:
    chance = random.Random(5)

    def zero(store: Path) -> None:
        content = bytearray((store / path.name).read_bytes())
        block = min(512, len(content))
        at = chance.randrange(len(content) - block + 1)
        content[at : at + block] = bytes(block)
        (store / path.name).write_bytes(content)

    for path in kept.files() * 2:
        outcome = await kept.after(zero)
        assert outcome.refused or outcome.reports, path.name


async def test_a_missing_file_is_never_silently_wrong(kept: Kept) -> None:
    # What only the older checkpoints need is not missed until the newer ones are damaged, too.
    idle = {kept.files(f"checkpoint-{shard}-*")[0] for shard in (0, 1)}
    idle |= {kept.found / "world.json", kept.files("journal-*")[0]}
    for path in kept.files():
        outcome = await kept.after(lambda store: (store / path.name).unlink())  # noqa: B023
        if path not in idle:
            assert outcome.refused or outcome.reports, path.name


async def test_without_any_checkpoint_of_a_shard_it_is_refused(kept: Kept) -> None:
    def remove(store: Path) -> None:
        for path in store.glob("checkpoint-0-*"):
            path.unlink()

    outcome = await kept.after(remove)
    assert outcome.refused is not None
    assert "no checkpoint of shard 0 is whole" in outcome.refused


async def test_segments_that_were_exchanged_are_refused(kept: Kept) -> None:
    segments = [path.name for path in kept.files("journal-*")]
    for one, other in itertools.pairwise(segments):

        def swap(store: Path, one: str = one, other: str = other) -> None:
            (store / one).rename(store / "aside")
            (store / other).rename(store / one)
            (store / "aside").rename(store / other)

        outcome = await kept.after(swap)
        assert outcome.refused is not None


async def test_a_checkpoint_of_another_shard_is_not_taken(kept: Kept) -> None:
    def exchange(store: Path) -> None:
        newest = [max(store.glob(f"checkpoint-{shard}-*")) for shard in (0, 1)]
        contents: list[Any] = [path.read_bytes() for path in newest]
        for path, content in zip(newest, reversed(contents), strict=True):
            path.write_bytes(content)

    outcome = await kept.after(exchange)
    assert outcome.refused is None
    assert sum("damaged" in report for report in outcome.reports) == 2


async def test_what_stands_behind_the_end_is_cut_and_told(kept: Kept) -> None:
    def add(store: Path) -> None:
        with max(store.glob("journal-*")).open("ab") as file:
            file.write(random.Random(6).randbytes(700))

    outcome = await kept.after(add)
    assert outcome.lost_ticks == 0
    assert "torn tail of 700 bytes" in outcome.reports[0]
