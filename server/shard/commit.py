"""Making a tick durable: its record first, then one out for each parcel, all fenced.

A commit is appended in order and may be repeated from its beginning, since every append is known
by its id. The writer also knows from where the journal is still needed: a record may go when a
checkpoint covers it and the destinations of its outs have taken them.

Must not know: what records say, the clock, shards' state.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import attrs

from server.cluster.journal import MemoryJournal
from server.cluster.seams import Draft, Journal, Record
from server.shard.outbox import Out

__all__ = ["Commit", "Writer", "tick_of"]


NO_NUMBERS: Mapping[int, int] = MappingProxyType({})


@attrs.frozen
class Commit:
    """What one tick has to make durable. `numbers` are its outs' last numbers by destination.

    `checkpoint` is the shard after this tick, in the ticks that leave one.
    """

    tick: int
    record: bytes
    outs: tuple[Out, ...]
    numbers: Mapping[int, int]
    checkpoint: bytes | None = None


class Writer:
    """Appends one shard's commits after the position that its claim gave.

    `numbers` are those of the outs that were appended before, of which nothing else is known.
    """

    def __init__(
        self, journal: Journal, shard: int, position: int, numbers: Mapping[int, int] = NO_NUMBERS
    ) -> None:
        self._journal = journal
        self._shard = shard
        self._kept: deque[tuple[int, Mapping[int, int]]] = deque()
        self.position = position
        if numbers:
            self._kept.append((position, dict(numbers)))

    async def commit(self, commits: Sequence[Commit]) -> None:
        """Append ticks' records and outs at once; `Fenced` if the shard is no longer ours."""
        drafts = [draft for commit in commits for draft in _drafts(commit)]
        position = await self._journal.append(self._shard, drafts, expect=self.position)
        self._wrote(commits, position)

    def commit_nowait(self, commit: Commit) -> None:
        """Like `commit`, on a journal in memory, for callers that are not in trio."""
        assert isinstance(self._journal, MemoryJournal)
        drafts = _drafts(commit)
        position = self._journal.append_nowait(self._shard, drafts, expect=self.position)
        self._wrote([commit], position)

    def trimmable(self, taken: Mapping[int, int], checkpoint: int | None) -> int | None:
        """The position up to which nobody needs the journal any more, None if that is unchanged.

        `taken` is the last number that each destination took; `checkpoint` the position that the
        newest checkpoint covers, None where none are written.
        """
        upto = None
        while self._kept:
            position, numbers = self._kept[0]
            if checkpoint is not None and position > checkpoint:
                break
            if any(taken.get(to, 0) < number for to, number in numbers.items()):
                break
            upto = position
            self._kept.popleft()
        return upto

    def _wrote(self, commits: Sequence[Commit], position: int) -> None:
        self.position = position
        numbers: dict[int, int] = {}
        for commit in commits:
            numbers.update(commit.numbers)
        self._kept.append((position, numbers))


def tick_of(record: Draft | Record) -> int | None:
    """The tick whose record this is; None for an out."""
    return int(record.id) if record.to is None else None


def _drafts(commit: Commit) -> list[Draft]:
    record = Draft(str(commit.tick), commit.record)
    return [record, *(Draft(out.id, out.data, out.to) for out in commit.outs)]
