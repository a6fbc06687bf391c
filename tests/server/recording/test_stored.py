"""What a store still holds can be replayed, and looking at it changes nothing in it."""

from functools import partial

import attrs
import pytest
import trio

from server.cluster.directory import MemoryDirectory
from server.recording.pieces import RecordingError
from server.recording.replayer import OtherCodeError, Replayer, checksum_of, replay
from server.recording.stored import recording_of_store
from server.shard.host import Shard, ShardConfig
from server.shard.schedule import Schedule
from server.shard.service import own_shard, run_node
from server.store.errors import StoreMismatch
from server.store.folder import open_store
from server.store.log import SEGMENT_BYTES
from tests.server.shard.conftest import Cluster, make_game


@attrs.define
class Kept:
    """A world on a store that runs for a while."""

    folder: object
    cluster: Cluster
    segment_bytes: int = SEGMENT_BYTES
    shards: dict[int, Shard] = attrs.field(factory=dict)

    @property
    def identity(self) -> dict[str, object]:
        geometry = self.cluster.geometry.to_data()
        return {"world": "w", "game": "balls", "seed": 7, "hz": 20, "geometry": geometry}

    async def run(self, seconds: float, while_running=None) -> None:
        async with open_store(
            self.folder,
            self.identity,
            pytest.fail,
            durable=False,
            segment_bytes=self.segment_bytes,
        ) as journal:
            epoch = max((journal.epoch(shard) for shard in journal.shards), default=0)
            directory = MemoryDirectory(trio.current_time, epoch)
            geometry = self.cluster.geometry
            owned = [
                await own_shard(
                    partial(self._make, shard),
                    shard,
                    world="w",
                    directory=directory,
                    journal=journal,
                )
                for shard in geometry.shards
            ]
            last = max(each.shard.world.tick for each in owned)
            self.shards = {each.shard.id: each.shard for each in owned}
            async with trio.open_nursery() as nursery:
                node = await nursery.start(
                    partial(
                        run_node,
                        owned,
                        journal=journal,
                        schedule=Schedule(trio.current_time() - last / 20, 20),
                        last_tick=last,
                        stopwatch=trio.current_time,
                    )
                )
                await trio.sleep(seconds)
                if while_running is not None:
                    await while_running()
                node.stop()

    def _make(self, shard: int, epoch: int, saved: bytes | None) -> Shard:
        cluster = self.cluster
        config = ShardConfig(
            world="w",
            shard=shard,
            epoch=epoch,
            seed=7,
            geometry=cluster.geometry,
            digests_every=1,
            checkpoint_every=40,
        )
        return Shard(cluster.game, cluster.schema, cluster.bus, config, saved)

    @property
    def checksum(self) -> int:
        return checksum_of({number: shard.world for number, shard in self.shards.items()})


@pytest.fixture
def kept(tmp_path) -> Kept:
    return Kept(tmp_path / "store", Cluster(make_game(balls=15)))


def listing(folder) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()}


async def test_a_short_life_is_there_from_the_beginning(kept, autojump_clock) -> None:
    await kept.run(1.5)
    before = listing(kept.folder)
    recording = await recording_of_store(kept.folder, "m:g", kept.cluster.game)
    assert recording.starts == {}
    assert recording.first == 1
    assert replay(kept.cluster.game, recording) == kept.checksum
    assert listing(kept.folder) == before


async def test_a_long_life_is_there_from_the_older_checkpoint_on(kept, autojump_clock) -> None:
    kept.segment_bytes = 30_000
    await kept.run(6)
    await kept.run(6)  # it was restarted in between
    recording = await recording_of_store(kept.folder, "m:g", kept.cluster.game)
    assert set(recording.starts) == {0, 1, 2, 3}
    assert 150 < recording.first < recording.last
    replayer = Replayer(kept.cluster.game, recording)
    replayer.advance(recording.last)
    assert checksum_of(replayer.worlds) == kept.checksum
    assert replayer.compared == replayer.steps > 50


async def test_a_store_in_use_can_be_looked_at(kept, autojump_clock) -> None:
    async def look() -> None:
        before = listing(kept.folder)
        recording = await recording_of_store(kept.folder, "m:g", kept.cluster.game)
        replayer = Replayer(kept.cluster.game, recording)
        replayer.advance(recording.last)
        assert replayer.compared == replayer.steps > 100
        assert listing(kept.folder).keys() >= before.keys()

    await kept.run(3, look)
    await kept.run(1)  # and the server knew nothing of it


async def test_a_tail_that_is_not_whole_is_left_alone(kept, autojump_clock) -> None:
    await kept.run(1.5)
    (segment,) = kept.folder.glob("journal-*")
    with segment.open("ab") as file:
        file.write(b"shj\x01 which is being written just now")
    before = segment.read_bytes()
    recording = await recording_of_store(kept.folder, "m:g", kept.cluster.game)
    assert replay(kept.cluster.game, recording) == kept.checksum
    assert segment.read_bytes() == before


async def test_what_other_code_wrote_is_left_out_if_there_is_a_checkpoint_since(
    kept, autojump_clock
) -> None:
    await kept.run(1.5)
    changed = make_game(balls=15)
    assert changed.code == kept.cluster.game.code
    changed._code = "other"
    old, kept.cluster.game = kept.cluster.game, changed
    await kept.run(0.5)
    mixed = await recording_of_store(kept.folder, "m:g", changed)
    assert mixed.about.code == "other"
    with pytest.raises(OtherCodeError):
        replay(old, mixed)
    await kept.run(6)
    whole = await recording_of_store(kept.folder, "m:g", changed)
    assert replay(changed, whole) == kept.checksum


async def test_other_folders_and_games_are_named(kept, tmp_path, autojump_clock) -> None:
    game = kept.cluster.game
    with pytest.raises(StoreMismatch, match=r"is no store: there is no world\.json"):
        await recording_of_store(tmp_path, "m:g", game)
    await kept.run(0)
    with pytest.raises(RecordingError, match="holds no tick"):
        await recording_of_store(kept.folder, "m:g", game)
    await kept.run(0.5)
    other = make_game()
    other.name = "fish"
    with pytest.raises(RecordingError, match=r"is of the game 'balls', and m:g is 'fish'"):
        await recording_of_store(kept.folder, "m:g", other)
