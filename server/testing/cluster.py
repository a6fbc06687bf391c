"""All shards of a world stepped in one call, on a bus and a journal in memory.

What `server.shard.service` does with tasks and time, done in a fixed order: every shard steps,
then every tick is made durable, then outs are delivered for the next tick.

Must not know: gateways, clients.
"""

import attrs

from protocol.geometry import Geometry
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.journal import MemoryJournal
from server.cluster.seams import Record
from server.shard.census import Tally, tally
from server.shard.commit import Writer
from server.shard.host import Shard, ShardConfig
from server.shard.recovery import Rebuilding
from server.shard.schedule import FULL_SPEED, runs
from server.shard.space import Partition
from sim import Game

__all__ = ["Cluster"]


class Cluster:
    """The shards of one world, each claimed under its first epoch.

    `dilation` is their speed in permille of the schedule's: which ticks they step in.
    """

    def __init__(
        self, game: Game, schema: Schema, geometry: Geometry, *, world: str, seed: int
    ) -> None:
        self.bus = MemoryBus()
        self.journal = MemoryJournal()
        self.dilation = FULL_SPEED
        self.shards: dict[int, Shard] = {}
        self._game, self._schema = game, schema
        self._geometry, self._world, self._seed = geometry, world, seed
        self._partition = Partition.of(geometry)
        self._writers: dict[int, Writer] = {}
        self._delivered: dict[tuple[int, int], int] = {}
        for shard in geometry.shards:
            self._found(shard)

    def _found(self, shard: int) -> None:
        config = ShardConfig(
            world=self._world,
            shard=shard,
            epoch=1,
            seed=self._seed,
            geometry=self._geometry,
            counting=True,
            partition=self._partition,
        )
        self.shards[shard] = Shard(self._game, self._schema, self.bus, config)
        position = self.journal.claim_nowait(shard, config.epoch)
        self._writers[shard] = Writer(self.journal, shard, position)

    def cut_anew(self, partition: Partition) -> None:
        """Cut the world so from the next tick on; shards that there were not begin empty."""
        self._partition = partition
        for shard in partition.shards:
            if shard not in self.shards:
                self._found(shard)
        for each in self.shards.values():
            each.move(partition)

    def tick(self, tick: int) -> None:
        """Step every shard once, unless dilation skips the tick, and make the step durable."""
        if not runs(tick, self.dilation):
            return
        for shard in self.shards.values():
            shard.dilation = self.dilation
            if not shard.rests(tick):
                shard.tick(tick)
        self._commit()
        self._deliver()

    def crash(self, shard: int, tick: int | None) -> None:
        """Lose a shard and recover it from its journal, under another epoch.

        With `tick` it dies in that tick, which it has stepped and published, and nobody wrote down.
        """
        lost = self.shards[shard]
        if tick is not None:
            lost.tick(tick)
        lost.retire()
        config = attrs.evolve(lost.config, epoch=lost.config.epoch + 1, partition=self._partition)
        position = self.journal.claim_nowait(shard, config.epoch)
        rebuilding = Rebuilding(Shard(self._game, self._schema, self.bus, config))
        for record in self.journal.read_nowait(shard, 0):
            rebuilding.take(record)
        missing = rebuilding.finish()
        position = self.journal.append_nowait(shard, missing, expect=position)
        found = self.shards[shard] = rebuilding.shard
        self._writers[shard] = Writer(self.journal, shard, position, found.out_numbers)
        for source in found.sources:
            self._delivered[source, shard] = found.followed(source)
        self._deliver()

    def _commit(self) -> None:
        for number, shard in self.shards.items():
            for commit in shard.take_commits():
                self._writers[number].commit_nowait(commit)
                shard.committed(commit.tick)

    def records(self, shard: int) -> list[Record]:
        """The tick records of a shard's journal, oldest first."""
        return [record for record in self.journal.read_nowait(shard, 0) if record.to is None]

    def tally(self) -> Tally:
        """Every entity by id: lost, doubled, alive, between two shards."""
        return tally(shard.census() for shard in self.shards.values())

    def _deliver(self) -> None:
        for number, shard in self.shards.items():
            for source in shard.sources:
                after = self._delivered.setdefault((source, number), 0)
                for record in self.journal.follow_nowait(source, number, after):
                    if not shard.deliver(source, record.position, record.data):
                        break
                    self._delivered[source, number] = record.position
