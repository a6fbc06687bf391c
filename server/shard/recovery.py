"""Bringing a shard to where its journal ends, and keeping checkpoints so that this stays short.

Recovery takes the newest checkpoint and the steps that were recorded behind it, and appends those
outs of the last one that a crash left out. Keeping a checkpoint happens beside the ticks: only the
newest one that waits is saved, and its revision says whether it is still ours to save.

Must not know: leases, the clock, sockets.
"""

from collections.abc import Callable

import attrs
import structlog
import trio

from server.cluster.seams import Draft, Journal, JournalUnavailable, Record
from server.shard.commit import Writer
from server.shard.host import Shard
from server.shard.outbox import Out
from server.shard.record import TickRecord

__all__ = ["CheckpointKeeper", "Rebuilding", "Recovered", "recover"]

_log = structlog.get_logger(__name__)


@attrs.frozen
class Recovered:
    """A shard at the end of its journal, and what writes on from there.

    `revision` is that of its checkpoint (0: none), `replayed` counts steps, `appended` outs.
    """

    shard: Shard
    writer: Writer
    revision: int
    replayed: int
    appended: int


async def recover(
    make: Callable[[bytes | None], Shard], shard: int, claimed: int, journal: Journal
) -> Recovered:
    """The shard as its journal tells it; `claimed` is the position of our claim.

    Raises DivergenceError when a step leads elsewhere than it did.
    """
    saved = await journal.load(shard)
    rebuilding = Rebuilding(make(None if saved is None else saved.data))
    for entry in await journal.read(shard, 0 if saved is None else saved.position):
        rebuilding.take(entry)
        await trio.lowlevel.checkpoint()
    missing = rebuilding.finish()
    position = await journal.append(shard, missing, expect=claimed) if missing else claimed
    made, replayed = rebuilding.shard, rebuilding.replayed
    if rebuilding.foreign:
        _log.warning(
            "records of other code: who came, went and joined was taken over, motion was not",
            shard=shard,
            ticks=rebuilding.foreign,
        )
    if saved is not None or replayed:
        _log.info(
            "shard recovered",
            shard=shard,
            tick=made.world.tick,
            replayed=replayed,
            outs_appended=len(missing),
        )
    writer = Writer(journal, shard, position, made.out_numbers)
    return Recovered(made, writer, saved.revision if saved else 0, replayed, len(missing))


class Rebuilding:
    """A shard on its way through the records behind its checkpoint.

    `replayed` counts steps, `foreign` those of them that other code recorded.
    """

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self.replayed = 0
        self.foreign = 0
        self._outs: tuple[Out, ...] = ()
        self._present: set[str] = set()

    def take(self, entry: Record) -> None:
        """Take the journal's next record. Raises DivergenceError."""
        if entry.to is not None:
            self._present.add(entry.id)
            return
        record = TickRecord.decode(entry.data)
        self.foreign += record.game != self.shard.game.code
        self._outs = self.shard.replay(record)
        self._present.clear()
        self.replayed += 1

    def finish(self) -> list[Draft]:
        """That was the last one; the outs that a crash left out, to be appended now."""
        self.shard.go_on()
        return [Draft(o.id, o.data, o.to) for o in self._outs if o.id not in self._present]


class CheckpointKeeper:
    """Saves one shard's checkpoints, the newest that waits and no other."""

    def __init__(self, journal: Journal, shard: int, revision: int) -> None:
        self._journal = journal
        self._shard = shard
        self._revision = revision
        self._waiting: tuple[bytes, int] | None = None
        self._news = trio.Event()
        self._saving = trio.Lock()
        self.position = 0  # that the newest checkpoint of ours covers

    def offer(self, checkpoint: bytes, position: int) -> None:
        """Have the shard's state after `position` saved, as soon as may be."""
        self._waiting = checkpoint, position
        self._news.set()

    async def run(self) -> None:
        """Save what is offered, until cancelled."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                await self.save(*waiting)

    async def save(self, checkpoint: bytes, position: int) -> None:
        """Save one now; left out while the journal takes nothing, since another one follows.

        Raises `Fenced` when somebody else has saved since.
        """
        async with self._saving:
            if position <= self.position:
                return
            try:
                self._revision = await self._journal.save(
                    self._shard, checkpoint, position=position, revision=self._revision
                )
            except JournalUnavailable as error:
                _log.warning("no checkpoint", shard=self._shard, reason=str(error))
            else:
                self.position = position
