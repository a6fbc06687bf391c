"""The journal on NATS: a stream for each shard, whose sequences are the positions.

`records` tells what lies there and what fences an owner who does not know that he is one no longer.

An outcome that is unknown (no answer, a lost link, no leader) is found out by trying the same again
with the same expectation: either it is stored now, or the engine refuses because something stands
there, which is then read and compared. The engine's own deduplication is not relied upon.

Error handling: everything waits for an engine that is away, for as long as it takes; bound it by
cancelling. `Fenced` as in the seam; EngineRefused when the engine will not store more, after which
the same may be tried again.

Must not know: what records and checkpoints say.
"""

from collections.abc import Sequence
from secrets import token_hex

import trio

from server.cluster.nats import limits
from server.cluster.nats.checkpoints import Checkpoints
from server.cluster.nats.errors import EngineRefused, JetStreamError
from server.cluster.nats.jetstream import Appended, JetStream, Refused
from server.cluster.nats.names import Names
from server.cluster.nats.pauses import growing_pauses
from server.cluster.nats.pull import Pull
from server.cluster.nats.records import (
    Part,
    RecordReader,
    claim_message,
    claimant,
    cut,
    is_part,
    message,
    writer_epoch,
)
from server.cluster.seams import Checkpoint, Draft, Fenced, Record, check_drafts

__all__ = ["NatsFollower", "NatsJournal"]


class NatsJournal:
    """A `seams.Journal` on JetStream."""

    def __init__(self, jetstream: JetStream, names: Names, replicas: int) -> None:
        self._jetstream = jetstream
        self._names = names
        self._replicas = replicas
        self._checkpoints = Checkpoints(jetstream, names, replicas)
        self._made: set[str] = set()
        self._epochs: dict[int, int] = {}  # of the claims that were made here
        self._trimmed: dict[int, int] = {}
        self._purged: dict[int, int] = {}

    # --- writing ---------------------------------------------------------------------------------

    async def claim(self, shard: int, epoch: int) -> int:
        """Become the writer; `Fenced` if an equal or higher epoch has claimed the shard."""
        stream = self._names.journal(shard)
        await self._make_stream(shard)
        who = token_hex(8)
        for pause_s in growing_pauses(limits.AGAIN_FIRST_S, limits.AGAIN_MAX_S):
            state = await self._jetstream.state(stream)
            last = state.last if state else 0
            newest = await self._jetstream.at(stream, last) if last else None
            if newest is not None and claimant(newest) == who:  # a try of which we did not hear
                self._epochs[shard] = epoch
                return last
            if newest is not None and writer_epoch(newest) >= epoch:
                known = writer_epoch(newest)
                raise Fenced(f"shard {shard} was claimed with epoch {known}, not below {epoch}")
            question = claim_message(self._names, shard, epoch, who, expect=last)
            (outcome,) = await self._jetstream.append([question])
            if isinstance(outcome, Appended):
                self._epochs[shard] = epoch
                return outcome.sequence
            if isinstance(outcome, Refused):
                _check_stores(shard, outcome)
            await trio.sleep(pause_s)
        raise AssertionError("pauses are endless")

    async def _make_stream(self, shard: int) -> None:
        stream = self._names.journal(shard)
        if stream in self._made:
            return
        try:
            await self._jetstream.make_stream(
                stream, [self._names.journal_prefix(shard) + ">"], num_replicas=self._replicas
            )
        except JetStreamError as error:
            raise EngineRefused(f"the engine makes no stream {stream}: {error}") from error
        self._made.add(stream)

    async def append(self, shard: int, drafts: Sequence[Draft], *, expect: int) -> int:
        """Append after position `expect`, durably; `Fenced` if anything else was appended since.

        All of `drafts` cost one round trip, if nothing goes wrong. ValueError for an id of more
        than ID_BYTES_MAX bytes.
        """
        check_drafts(drafts)
        parts = cut(drafts)
        epoch = await self._epoch(shard, expect)
        position, done, doubts = expect, 0, 0
        pauses = growing_pauses(limits.AGAIN_FIRST_S, limits.AGAIN_MAX_S)
        while done < len(parts):
            batch = _first_of(parts[done:])
            stored, refused = await self._append_batch(shard, epoch, batch, position)
            position, done = position + stored, done + stored
            if stored:
                pauses = growing_pauses(limits.AGAIN_FIRST_S, limits.AGAIN_MAX_S)
            if stored == len(batch):
                continue
            if refused is None:
                await trio.sleep(next(pauses))  # nobody knows: try the rest again
                continue
            _check_stores(shard, refused)
            if not refused.expectation:
                await trio.sleep(next(pauses))
                continue
            there = await self._jetstream.at(self._names.journal(shard), position + 1)
            if there is not None and is_part(there, parts[done]):
                position, done, doubts = position + 1, done + 1, 0
                continue
            doubts += 1
            if there is not None or doubts > limits.DOUBTS_MAX:
                raise Fenced(f"something else was appended to shard {shard} behind {position}")
            # It missed its forerunner's id, and is tried again as the first of a batch; or a server
            # that leads no more was asked what stands there.
            await trio.sleep(next(pauses))
        if not parts:
            await trio.lowlevel.checkpoint()
        return position

    async def _epoch(self, shard: int, position: int) -> int:
        """The writer's epoch: that of the claim made here, else of whoever wrote last."""
        claimed = self._epochs.get(shard)
        if claimed is not None:
            return claimed
        there = await self._jetstream.at(self._names.journal(shard), position)
        return writer_epoch(there) if there else 0

    async def _append_batch(
        self, shard: int, epoch: int, batch: Sequence[Part], expect: int
    ) -> tuple[int, Refused | None]:
        """How many of the batch are stored, and what the engine said of the next one."""
        questions = [
            message(
                self._names,
                shard,
                epoch,
                part,
                expect=expect + place,
                behind=batch[place - 1] if place else None,
            )
            for place, part in enumerate(batch)
        ]
        outcomes = await self._jetstream.append(questions)
        for place, outcome in enumerate(outcomes):
            if not isinstance(outcome, Appended):
                return place, outcome
            if outcome.sequence != expect + place + 1:
                # Known by its id, at another place: somebody has begun the stream anew.
                raise Fenced(f"shard {shard} has {batch[place].name} at {outcome.sequence}")
        return len(batch), None

    async def trim(self, shard: int, upto: int) -> None:
        """Forget the records up to and including position `upto`.

        This journal hides them at once. The engine is told every TRIM_RECORDS positions, and keeps
        the newest record, which says whose the stream is: other processes may see them for longer.
        """
        self._trimmed[shard] = max(upto, self._trimmed.get(shard, 0))
        if upto < self._purged.get(shard, 0) + limits.TRIM_RECORDS:
            await trio.lowlevel.checkpoint()
            return
        stream = self._names.journal(shard)
        state = await self._jetstream.state(stream)
        if state is not None and upto <= state.last:
            await self._jetstream.purge(stream, below=upto)
            self._purged[shard] = upto

    # --- reading ---------------------------------------------------------------------------------

    async def read(self, shard: int, after: int) -> list[Record]:
        """All records of `shard` with a position above `after` that are kept, in order.

        What is appended while it reads is left for the next time.
        """
        records: list[Record] = []
        after = max(after, self._trimmed.get(shard, 0))
        stream = self._names.journal(shard)
        state = await self._jetstream.state(stream)
        if state is None or not state.messages or state.last <= after:
            return records
        reader = RecordReader()
        if state.last - after <= limits.READ_SINGLY:
            places = range(max(after + 1, state.first), state.last + 1)
            singly = await self._jetstream.at_all(stream, places)
            return [record for each in singly if each and (record := reader.read(each)) is not None]
        pull = Pull(self._jetstream, stream, after=after)
        while pull.after < state.last:
            for stored in await pull.next():
                record = reader.read(stored) if stored.sequence <= state.last else None
                if record is not None:
                    records.append(record)
        return records

    def follow(self, source: int, to: int, after: int) -> "NatsFollower":
        """The outs of `source` for `to` above position `after`, those to come included."""
        pull = Pull(
            self._jetstream,
            self._names.journal(source),
            after=max(after, self._trimmed.get(source, 0)),
            subject=self._names.records(source, to),
        )
        return NatsFollower(pull)

    # --- checkpoints -----------------------------------------------------------------------------

    async def save(self, shard: int, checkpoint: bytes, *, position: int, revision: int) -> int:
        """Replace checkpoint `revision` (0 for none); `Fenced` if the stored one is another."""
        return await self._checkpoints.save(shard, checkpoint, position, revision)

    async def load(self, shard: int) -> Checkpoint | None:
        """The newest checkpoint, if any. JournalError if it is there and not whole."""
        return await self._checkpoints.load(shard)


class NatsFollower:
    """Iterates the outs of one source for one destination, waiting for those to come."""

    def __init__(self, pull: Pull) -> None:
        self._pull = pull
        self._reader = RecordReader()
        self._here: list[Record] = []

    def __aiter__(self) -> "NatsFollower":
        """The follower iterates itself."""
        return self

    async def __anext__(self) -> Record:
        """Wait for the next out."""
        await trio.lowlevel.checkpoint()
        while not self._here:
            records = [self._reader.read(stored) for stored in await self._pull.next()]
            self._here = [record for record in reversed(records) if record is not None]
        return self._here.pop()


def _first_of(parts: Sequence[Part]) -> Sequence[Part]:
    """As many as are appended at once."""
    size = 0
    for number, part in enumerate(parts[: limits.PIPELINE_PARTS]):
        size += len(part.data)
        if size > limits.PIPELINE_BYTES:
            return parts[:number]
    return parts[: limits.PIPELINE_PARTS]


def _check_stores(shard: int, refused: Refused) -> None:
    if not (refused.expectation or refused.temporary):
        raise EngineRefused(f"the engine does not store for shard {shard}: {refused.text}")
