"""A recorded run and its replay: what every tick consumed, from the journal, and nothing else.

Must not know: the bus, gateways, clients. Replay needs the game's code, the seed and the records.
"""

from zlib import crc32

import attrs

from protocol.geometry import Geometry
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.seams import Record
from server.shard.host import Shard, ShardConfig
from server.shard.record import TickRecord
from sim import Game, World
from sim.replay import DivergenceError

__all__ = ["Recording", "ReplayError", "checksum_of"]


class ReplayError(AssertionError):
    """A replay did not lead where the recorded run went; the message says where they parted."""


@attrs.frozen
class Recording:
    """What every shard consumed, tick by tick.

    `checksum` is the recorded run's at its end, the same as `Sim.checksum()` gave there.
    """

    code: str
    seed: int
    geometry: Geometry = attrs.field(repr=False)
    records: dict[int, tuple[bytes, ...]] = attrs.field(repr=False)
    checksum: int

    @classmethod
    def of(
        cls,
        game: Game,
        seed: int,
        geometry: Geometry,
        records: dict[int, list[Record]],
        checksum: int,
    ) -> "Recording":
        """The recording that the journals hold."""
        kept = {shard: tuple(r.data for r in journal) for shard, journal in records.items()}
        return cls(game.code, seed, geometry, kept, checksum)

    def replay(self, game: Game) -> int:
        """Step every shard through its records again; the checksum at the end.

        Raises ReplayError at the first tick whose recorded checksum differs, or when `game` is not
        the code that was recorded.
        """
        if game.code != self.code:
            raise ReplayError("this was recorded with other rules")
        schema = Schema.from_data(game.describe())
        return checksum_of({shard: self._replay(game, schema, shard) for shard in self.records})

    def _replay(self, game: Game, schema: Schema, shard: int) -> World:
        config = ShardConfig(
            world="replay", shard=shard, epoch=1, seed=self.seed, geometry=self.geometry
        )
        replayed = Shard(game, schema, MemoryBus(), config)
        for data in self.records[shard]:
            try:
                replayed.replay(TickRecord.decode(data))
            except DivergenceError as error:
                raise ReplayError(f"shard {shard}: {error}") from error
        return replayed.world


def checksum_of(worlds: dict[int, World]) -> int:
    """32 bits over the state of all shards, in the order of their numbers."""
    parts = [
        shard.to_bytes(4, "little") + world.checksum().to_bytes(4, "little")
        for shard, world in sorted(worlds.items())
    ]
    return crc32(b"".join(parts))
