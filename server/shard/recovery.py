"""Bringing a shard to where its journal ends, and keeping checkpoints so that this stays short.

Recovery takes the newest checkpoint and the steps that were recorded behind it, and appends those
outs of the last one that a crash left out. Who stands by while the shard is stepped elsewhere
follows what is published, too, so as to go on from there. Keeping a checkpoint happens beside the
ticks: only the newest one that waits is saved, and its revision says whether it is still ours to
save.

Must not know: leases, the clock, sockets.
"""

from collections.abc import Callable
from typing import Final

import attrs
import structlog
import trio

from protocol.parts import PartTable
from server.cluster.seams import Bus, Draft, Journal, JournalError, JournalUnavailable, Record
from server.shard.commit import Writer
from server.shard.host import Shard
from server.shard.outbox import Out
from server.shard.record import TickRecord
from server.shard.saved import Saved
from server.shard.succession import Succession

__all__ = [
    "CheckpointKeeper",
    "Rebuilding",
    "RecordsMissingError",
    "Recovered",
    "Standby",
    "recover",
]

_log = structlog.get_logger(__name__)

PUBLISHED_S: Final = 0.03  # for the former owner's last frame, which it sent before its record
WHOLE_S: Final = 0.3  # for the keyframe that was asked for when the journal began to be read
NEARLY_THERE: Final = 2  # records: who is so close behind an owner can take over from it
Make = Callable[[bytes | None], Shard]  # from a checkpoint, if there is one


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


async def recover(make: Make, shard: int, claimed: int, journal: Journal) -> Recovered:
    """The shard as its journal tells it; `claimed` is the position of our claim.

    Raises DivergenceError when a step leads elsewhere than it did.
    """
    standby = Standby(make, shard, journal)
    await standby.begin()
    return await standby.finish(claimed)


class RecordsMissingError(JournalError):
    """The journal goes on later than where this copy of the shard stands: it was trimmed."""


class Standby:
    """A shard that follows its journal while somebody else steps it, to take over at any time.

    Its mail waits meanwhile; `skip_mail` passes over what its owner has taken. With a `bus` it
    follows what is published, too.
    """

    def __init__(self, make: Make, shard: int, journal: Journal, bus: Bus | None = None) -> None:
        self._make = make
        self._number = shard
        self._journal = journal
        self._bus = bus
        self._published: Succession | None = None
        self._rebuilding: Rebuilding | None = None
        self._position = 0
        self._revision = 0
        self._same_code = False

    async def begin(self) -> None:
        """Take the newest checkpoint and everything behind it.

        Raises DivergenceError; JournalError, RecordsMissingError among them.
        """
        saved = await self._journal.load(self._number)
        if saved is not None:
            self._position, self._revision = saved.position, saved.revision
        made = self._make(None if saved is None else saved.data)
        self._rebuilding = Rebuilding(made)
        if self._bus is not None:
            self._published = Succession(
                made.schema,
                made.config.geometry,
                self._bus,
                world=made.config.world,
                shard=self._number,
            )
        code = made.game.code
        self._same_code = saved is not None and Saved.decode(saved.data).game == code
        while await self.follow() > NEARLY_THERE:
            pass
        if self._published is not None:
            await self._published.wait_whole(WHOLE_S)

    async def follow(self) -> int:
        """Take what was appended since; how many records that were. Raises as `begin`."""
        if self._published is not None:
            self._published.follow()
        entries = await self._journal.read(self._number, self._position)
        for entry in entries:
            self._rebuilt.take(entry)
            self._position = entry.position
            await trio.lowlevel.checkpoint()
        return len(entries)

    @property
    def exact(self) -> bool:
        """Whether nothing was lost on the way, nor will be, as it is with records of other code.

        As long as there were none, whose code will be in them is told by who kept the checkpoint.
        """
        return not self._rebuilt.foreign and (self._rebuilt.replayed > 0 or self._same_code)

    def skip_mail(self) -> None:
        """Pass over what came until now."""
        self._rebuilt.shard.skip_mail()

    def close(self) -> None:
        """It is not needed: let go of its subscriptions."""
        if self._rebuilding is not None:
            self._rebuilding.shard.retire()
        self._hear_no_more()

    async def finish(self, claimed: int, epoch: int | None = None) -> Recovered:
        """The shard of the owner whose claim is at `claimed`. Raises as `begin`.

        `epoch` is the owner's, where the shard was made before that was known.
        """
        await self.follow()
        rebuilding, journal, shard = self._rebuilt, self._journal, self._number
        published = await self._last_published()
        self._hear_no_more()
        missing = rebuilding.finish(epoch, published)
        position = await journal.append(shard, missing, expect=claimed) if missing else claimed
        made, replayed = rebuilding.shard, rebuilding.replayed
        if rebuilding.foreign:
            _log.warning(
                "records of other code: who came, went and joined was taken over, motion was not",
                shard=shard,
                ticks=rebuilding.foreign,
            )
        if self._revision or replayed:
            _log.info(
                "shard recovered",
                shard=shard,
                tick=made.world.tick,
                replayed=replayed,
                outs_appended=len(missing),
                published=published is not None,
            )
        writer = Writer(journal, shard, position, made.out_numbers)
        return Recovered(made, writer, self._revision, replayed, len(missing))

    async def _last_published(self) -> PartTable | None:
        """The parts as they were published after the newest record; None if we do not know."""
        copy, world = self._published, self._rebuilt.shard.world
        if copy is None or not self.exact:
            return None
        table = await copy.wait_for(world.tick, PUBLISHED_S)
        return table if table is not None and table.step == world.step else None

    def _hear_no_more(self) -> None:
        if self._published is not None:
            self._published.close()

    @property
    def _rebuilt(self) -> "Rebuilding":
        assert self._rebuilding is not None, "it has begun"
        return self._rebuilding


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
        """Take the journal's next record. Raises DivergenceError, RecordsMissingError."""
        if entry.to is not None:
            self._present.add(entry.id)
            return
        record = TickRecord.decode(entry.data)
        if record.step != self.shard.world.step + 1:
            raise RecordsMissingError(
                f"shard {self.shard.id} stands at step {self.shard.world.step}, "
                f"and its journal goes on with step {record.step}"
            )
        self.foreign += record.game != self.shard.game.code
        self._outs = self.shard.replay(record)
        self._present.clear()
        self.replayed += 1

    def finish(self, epoch: int | None = None, published: PartTable | None = None) -> list[Draft]:
        """That was the last one; the outs that a crash left out, to be appended now.

        `epoch` and `published` as `Shard.go_on` wants them.
        """
        self.shard.go_on(epoch, published)
        return [Draft(o.id, o.data, o.to) for o in self._outs if o.id not in self._present]


class CheckpointKeeper:
    """Saves one shard's checkpoints, the newest that waits and no other."""

    def __init__(self, journal: Journal, shard: int, revision: int | None) -> None:
        self._journal = journal
        self._shard = shard
        self._revision = revision  # None: it is looked up when it is needed
        self._waiting: tuple[bytes, int] | None = None
        self._news = trio.Event()
        self._saving = trio.Lock()
        self._resting = False
        self._kept = trio.Event()
        self.position = 0  # that the newest checkpoint of ours covers

    async def rest(self) -> None:
        """Save no more, and wait until nothing is being saved."""
        self._resting = True
        async with self._saving:
            pass

    async def wait_kept(self) -> None:
        """Wait until one more is saved."""
        await self._kept.wait()

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
            if position <= self.position or self._resting:
                return
            try:
                if self._revision is None:
                    newest = await self._journal.load(self._shard)
                    self._revision = newest.revision if newest else 0
                self._revision = await self._journal.save(
                    self._shard, checkpoint, position=position, revision=self._revision
                )
            except JournalUnavailable as error:
                _log.warning("no checkpoint", shard=self._shard, reason=str(error))
            else:
                self.position = position
                kept, self._kept = self._kept, trio.Event()
                kept.set()
