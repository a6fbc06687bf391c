"""Every record that was ever durable, kept beside the journals, which are trimmed.

Checks at each step what a journal promises: what was told to be durable is there after a crash, and
nobody writes to a shard who does not hold its newest claim.
"""

from bisect import bisect_right
from collections.abc import Sequence

import attrs

from server.cluster.seams import Draft, Record
from server.store.journal import StoreJournal
from tests.simulation.judge import Judge
from tests.simulation.trace import Trace

__all__ = ["Claim", "History"]


@attrs.frozen
class Claim:
    """Who claimed a shard, under which epoch, and where that lies in its journal."""

    epoch: int
    node: str
    position: int


class History:
    """The records of all shards since the beginning, durable ones only."""

    def __init__(self, judge: Judge, trace: Trace) -> None:
        self.records: dict[int, list[Record]] = {}
        self.log: list[tuple[int, Record]] = []  # of all shards, in the order of becoming durable
        self.claims: dict[int, list[Claim]] = {}
        self._judge = judge
        self._trace = trace

    def of(self, shard: int) -> list[Record]:
        """The records of a shard, oldest first."""
        return self.records.setdefault(shard, [])

    def epoch(self, shard: int) -> int:
        """The newest epoch under which a shard was claimed."""
        claims = self.claims.get(shard)
        return claims[-1].epoch if claims else 0

    # --- what the engine tells -------------------------------------------------------------------

    def claimed(self, shard: int, epoch: int, node: str, position: int) -> None:
        """A claim is durable."""
        self._judge.require(
            epoch > self.epoch(shard),
            f"shard {shard} was claimed with epoch {epoch} after {self.epoch(shard)}",
        )
        self._trace.tell(f"{node} claims shard {shard} with epoch {epoch}")
        self.claims.setdefault(shard, []).append(Claim(epoch, node, position))

    async def append(
        self, journal: StoreJournal, shard: int, drafts: Sequence[Draft], *, expect: int, epoch: int
    ) -> int:
        """Let the holder of `epoch` append, and see whether it was allowed to."""
        is_stale = journal.epoch(shard) != epoch
        last = journal._stream(shard).last
        position = await journal.append(shard, drafts, expect=expect)
        if is_stale and position > last:
            self._judge.blame(
                f"the journal of shard {shard} took a record under epoch {epoch} "
                f"after epoch {journal.epoch(shard)} had claimed it"
            )
        return position

    def absorb(self, journal: StoreJournal) -> None:
        """Take what has become durable."""
        for shard in journal.shards:
            known = self.of(shard)
            last = known[-1].position if known else 0
            records = journal._stream(shard).records
            if records and records[-1].position > last:
                for record in records[bisect_right(records, last, key=_position) :]:
                    self._trace.add(shard, record.position, record.id, record.to, record.data)
                    known.append(record)
                    self.log.append((shard, record))

    def refused(self, why: str) -> None:
        """A crash, which tears and does no other damage, has left what cannot be opened."""
        self._judge.blame(f"after a crash the journal cannot be opened: {why}")

    def reopened(self, journal: StoreJournal) -> None:
        """The journal was opened on what a crash has left: nothing that was durable is missing."""
        for shard, known in self.records.items():
            stream = journal._stream(shard)
            kept = {record.position: record for record in stream.records}
            first = min(kept, default=stream.last + 1)
            for record in known[bisect_right(known, first - 1, key=_position) :]:
                self._judge.require(
                    kept.get(record.position) == record,
                    f"record {record.id} of shard {shard} at {record.position} was durable, "
                    "and a crash of the engine took or changed it",
                )
            self._judge.require(
                stream.epoch >= self.epoch(shard),
                f"shard {shard} was claimed with epoch {self.epoch(shard)}, and a crash took that",
            )
        self.absorb(journal)


def _position(record: Record) -> int:
    return record.position
