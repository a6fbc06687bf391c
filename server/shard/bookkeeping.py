"""What is written down of a tick: its record, its outs, and now and then a checkpoint.

Must not know: the journal, frames, the bus.
"""

from collections.abc import Sequence

import attrs

from server.shard import limits
from server.shard.arrivals import Arrival, Arrivals
from server.shard.commit import Commit
from server.shard.config import ShardConfig
from server.shard.durability import Durability
from server.shard.handoff import Departure
from server.shard.outbox import Outbox
from server.shard.recall import Recall
from server.shard.record import TickRecord, pack_digests
from server.shard.sessions import SessionTable
from server.shard.space import Bounds, Space
from sim.engine import TickInput
from sim.world import World

__all__ = ["Bookkeeper", "Happened"]


@attrs.frozen
class Happened:
    """What one tick consumed and decided, besides what the outbox has."""

    given: TickInput
    arrived: Sequence[Arrival]
    departures: Sequence[Departure]
    ended: Sequence[int]
    applied: Sequence[tuple[int, int]]
    bounds: Bounds | None  # if they are others than before


class Bookkeeper:
    """Leaves one shard's commits for whoever makes them durable."""

    def __init__(
        self,
        world: World,
        config: ShardConfig,
        space: Space,
        *,
        outbox: Outbox,
        arrivals: Arrivals,
        sessions: SessionTable,
        recall: Recall,
        durability: Durability,
    ) -> None:
        self.record_bytes = 0
        self.checkpoint_bytes = 0
        self._world = world
        self._config = config
        self._space = space
        self._outbox = outbox
        self._arrivals = arrivals
        self._sessions = sessions
        self._recall = recall
        self._durability = durability
        self._every = config.checkpoint_every
        self._checkpoint_turn = self._turn(world.tick)

    def leave_checkpoints(self, every: int, *, next_too: bool = False) -> None:
        """From now on one in so many ticks, if there are any at all; the next tick's, too."""
        if self._config.checkpoint_every and every != self._every:
            self._every = every
            self._checkpoint_turn = self._turn(self._world.tick)
        if next_too:
            self._checkpoint_turn = -1

    def leave_commit(self, happened: Happened) -> None:
        """Write down a tick that is over."""
        given = happened.given
        tick = given.tick
        sources = {arrival.source for arrival in happened.arrived}
        progress = {source: self._arrivals.progress[source] for source in sorted(sources)}
        record = TickRecord(
            tick=tick,
            step=given.step,
            tree_version=self._space.version,
            game=self._world.game.code,
            tick_input=given.to_bytes(),
            departures=tuple(departure.to_data() for departure in happened.departures),
            letters=self._outbox.letters,
            progress=progress,
            sessions=tuple(session.to_data(tick) for session in self._sessions.take_touched()),
            ended=tuple(happened.ended),
            applied=tuple(happened.applied),
            digests=self._digests(tick),
            bounds=happened.bounds,
        ).encode()
        self.record_bytes = len(record)
        outs = self._outbox.finish()
        numbers = {out.to: self._outbox.numbers[out.to] for out in outs}
        taken = {source: at.number for source, at in progress.items()}
        if tick % limits.TAKEN_EVERY_TICKS == 0:  # the bus may have lost what we said before
            taken = {source: at.number for source, at in self._arrivals.progress.items()}
        self._durability.leave(Commit(tick, record, outs, numbers, self._due(tick)), taken)

    def checkpoint(self) -> bytes:
        """Everything that the ticks to come depend on, as it is after the newest one."""
        data = self._recall.save(self._world.game, self._space.version).encode()
        self.checkpoint_bytes = len(data)
        return data

    def _digests(self, tick: int) -> bytes:
        every = self._config.digests_every
        return pack_digests(self._world.digests()) if every and tick % every == 0 else b""

    def _due(self, tick: int) -> bytes | None:
        """The checkpoint of this tick, if it leaves one. Shards of a node take turns."""
        if not self._config.checkpoint_every or self._turn(tick) == self._checkpoint_turn:
            return None
        self._checkpoint_turn = self._turn(tick)
        return self.checkpoint()

    def _turn(self, tick: int) -> int:
        """Which checkpoint's time it is. A tick may be skipped, so being due is no single tick."""
        every = self._every
        return (tick + self._config.shard * every // 4) // every if every else 0
