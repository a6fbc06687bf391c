"""Stepping through a recording: the shards that it is of, and what their ticks consumed.

The steps are those that recovery takes, `Shard.replay`; there is no second implementation. Each
shard is compared with the digests in its records, as often as they have any. Shards do not wait for
one another: a record has everything that its step consumed.

Invariant: of the recording no more is in memory than a piece, and what one shard is ahead of
another in it.

Must not know: trio, gateways, files.
"""

from collections import deque
from collections.abc import Collection
from typing import Final
from zlib import crc32

from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.seams import Bus
from server.recording.pieces import RecordingDamaged, RecordingError
from server.recording.recording import Recording
from server.shard import limits
from server.shard.host import Shard, ShardConfig
from server.shard.record import RecordError, TickRecord
from server.shard.saved import SavedError
from server.shard.showing import Showing
from sim.errors import EngineError
from sim.game import Game
from sim.replay import DivergenceError
from sim.world import World

__all__ = ["DivergedError", "OtherCodeError", "Replayer", "checksum_of", "replay"]

EPOCH: Final = 1
# Further than this no shard is ahead of another in a recording, since it stops stepping before.
AHEAD_TICKS: Final = 2 * limits.COMMIT_LAG_TICKS


class OtherCodeError(RecordingError):
    """The game's code is not the one that was recorded."""


class DivergedError(Exception):
    """A step led elsewhere than it did: of `shard`, at `tick` and `step`, first, in `columns`."""

    def __init__(self, shard: int, error: DivergenceError) -> None:
        self.shard = shard
        self.tick = error.tick
        self.step = error.step
        self.columns = error.columns
        super().__init__(
            f"shard {shard} differs from its recording at tick {error.tick} (step {error.step}) "
            f"for the first time, in {', '.join(error.columns)}"
        )


class Replayer:
    """The shards of a recording, at `tick`; `steps` were taken so far, `compared` of them checked.

    After `be_shown`, `show` publishes frames on `bus`. Raises OtherCodeError, and RecordingDamaged
    when a checkpoint is none.
    """

    def __init__(self, game: Game, recording: Recording, bus: Bus | None = None) -> None:
        about = recording.about
        _check_code(game, about.code, "")
        self._game = game
        self._name = recording.name
        self._world = about.world
        self._showings: dict[int, Showing] = {}
        self._pieces = recording.pieces()
        self._waiting: dict[int, deque[TickRecord]] = {}
        self._read_to = 0
        self._read_all = False
        self.shards: dict[int, Shard] = {}
        self.steps = 0
        self.compared = 0
        schema, geometry = Schema.from_data(game.describe()), about.geometry
        for shard in geometry.shards:
            config = ShardConfig(
                world=about.world,
                shard=shard,
                epoch=EPOCH,
                seed=about.seed,
                geometry=geometry,
                digests_every=0,
            )
            try:
                made = Shard(game, schema, bus or MemoryBus(), config, recording.starts.get(shard))
            except (SavedError, EngineError) as error:
                raise RecordingDamaged(f"{self._name}: of shard {shard}, {error}") from error
            made.retire()  # nobody asks anything of the past
            self.shards[shard] = made
            self._waiting[shard] = deque()
        # The first moment at which all shards are there.
        self.tick = max(shard.world.tick for shard in self.shards.values())
        self.advance(self.tick)

    @property
    def worlds(self) -> dict[int, World]:
        """The world of each shard, to look at."""
        return {number: shard.world for number, shard in self.shards.items()}

    def advance(self, tick: int) -> None:
        """Take all steps up to and including `tick`.

        Raises DivergedError, OtherCodeError and RecordingDamaged.
        """
        for number, shard in self.shards.items():
            while (record := self._next(number, tick)) is not None:
                self._step(shard, record)
        self.tick = max(self.tick, tick)

    def be_shown(self) -> None:
        """From now on steps are taken so that they can be shown."""
        self._showings = {number: shard.be_shown() for number, shard in self.shards.items()}

    def show(self, tick: int, anew: Collection[int] = ()) -> None:
        """Publish the moment as the frames of `tick`, which only has to be above the last one.

        `anew` are the shards of which somebody has missed a frame.
        """
        for number, showing in self._showings.items():
            showing.show(self._world, tick, anew=number in anew)

    # --- inside ----------------------------------------------------------------------------------

    def _next(self, shard: int, tick: int) -> TickRecord | None:
        """The next record of a shard, if it is of `tick` or before."""
        waiting = self._waiting[shard]
        while not waiting and not self._read_all and self._read_to <= tick + AHEAD_TICKS:
            self._read()
        return waiting.popleft() if waiting and waiting[0].tick <= tick else None

    def _read(self) -> None:
        piece = next(self._pieces, None)
        if piece is None:
            self._read_all = True
            return
        for shard, data in piece:
            waiting = self._waiting.get(shard)
            if waiting is None:
                raise RecordingDamaged(f"{self._name}: there is no shard {shard} in its world")
            try:
                record = TickRecord.decode(data)
            except RecordError as error:
                raise RecordingDamaged(f"{self._name}: of shard {shard}, {error}") from error
            waiting.append(record)
            self._read_to = max(self._read_to, record.tick)

    def _step(self, shard: Shard, record: TickRecord) -> None:
        _check_code(self._game, record.game, f" from tick {record.tick} on")
        try:
            shard.replay(record)
        except DivergenceError as error:
            raise DivergedError(shard.id, error) from error
        except EngineError as error:
            raise RecordingDamaged(f"{self._name}: of shard {shard.id}, {error}") from error
        self.steps += 1
        self.compared += bool(record.digests)


def replay(game: Game, recording: Recording) -> int:
    """Step through a whole recording; `checksum_of` the worlds at its end. Raises as Replayer."""
    replayer = Replayer(game, recording)
    replayer.advance(recording.last)
    return checksum_of(replayer.worlds)


def checksum_of(worlds: dict[int, World]) -> int:
    """32 bits over the state of all shards, in the order of their numbers."""
    parts = [
        shard.to_bytes(4, "little") + world.checksum().to_bytes(4, "little")
        for shard, world in sorted(worlds.items())
    ]
    return crc32(b"".join(parts))


def _check_code(game: Game, recorded: str, since: str) -> None:
    if recorded != game.code:
        raise OtherCodeError(
            f"the code of {game.name!r} is not what was recorded{since} ({recorded} then, "
            f"{game.code} now): its steps would lead elsewhere"
        )
