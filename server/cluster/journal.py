"""The journal of a single process that keeps nothing: records in memory, fenced all the same.

It holds what handoffs need while the process lives, and it obeys the seam exactly, so that code
which runs on it runs on a durable journal. Every operation has a `_nowait` twin, with which tests
drive shards without trio.

Must not know: what the records say.
"""

from bisect import bisect_right
from collections.abc import Sequence

import attrs
import trio

from server.cluster.seams import Checkpoint, Draft, Fenced, Record, check_drafts

__all__ = ["MemoryJournal"]


@attrs.define
class _Stream:
    """One shard's records. `first` is the position of `records[0]`; claims leave None behind."""

    records: list[Record | None] = attrs.field(factory=list)
    outs: dict[int, list[Record]] = attrs.field(factory=dict)
    first: int = 1
    epoch: int = 0
    checkpoint: Checkpoint | None = None

    @property
    def last(self) -> int:
        return self.first + len(self.records) - 1

    def at(self, position: int) -> Record | None:
        place = position - self.first
        return self.records[place] if 0 <= place < len(self.records) else None

    def after(self, position: int) -> list[Record]:
        kept = self.records[max(0, position + 1 - self.first) :]
        return [record for record in kept if record is not None]

    def outs_after(self, to: int, position: int) -> list[Record]:
        outs = self.outs.get(to, [])
        return outs[bisect_right(outs, position, key=_position) :]

    def put(self, record: Record) -> None:
        self.records.append(record)
        if record.to is not None:
            self.outs.setdefault(record.to, []).append(record)

    def trim(self, upto: int) -> None:
        gone = min(max(0, upto + 1 - self.first), len(self.records))
        del self.records[:gone]
        self.first += gone
        for outs in self.outs.values():
            del outs[: bisect_right(outs, upto, key=_position)]


def _position(record: Record) -> int:
    return record.position


class MemoryJournal:
    """A `seams.Journal` within one process."""

    def __init__(self) -> None:
        self._streams: dict[int, _Stream] = {}
        self._news: dict[int, trio.Event] = {}

    # --- writing ---------------------------------------------------------------------------------

    async def claim(self, shard: int, epoch: int) -> int:
        """Become the writer; `Fenced` if an equal or higher epoch has claimed the shard."""
        await trio.lowlevel.checkpoint()
        return self.claim_nowait(shard, epoch)

    def claim_nowait(self, shard: int, epoch: int) -> int:
        """Like `claim`, for callers that are not in trio."""
        stream = self._stream(shard)
        if epoch <= stream.epoch:
            raise Fenced(f"shard {shard} was claimed with epoch {stream.epoch}, not below {epoch}")
        stream.epoch = epoch
        stream.records.append(None)  # moves the position, so the former owner's appends fail
        return stream.last

    async def append(self, shard: int, drafts: Sequence[Draft], *, expect: int) -> int:
        """Append after position `expect`; `Fenced` if anything else was appended since."""
        await trio.lowlevel.checkpoint()
        return self.append_nowait(shard, drafts, expect=expect)

    def append_nowait(self, shard: int, drafts: Sequence[Draft], *, expect: int) -> int:
        """Like `append`, for callers that are not in trio."""
        check_drafts(drafts)
        stream, position = self._stream(shard), expect
        for draft in drafts:
            if position == stream.last:
                stream.put(Record(position + 1, draft.id, draft.to, draft.data))
                if draft.to is not None and shard in self._news:
                    self._news.pop(shard).set()
            else:
                known = stream.at(position + 1)
                if known is None or known.id != draft.id:
                    raise Fenced(f"shard {shard} is at position {stream.last}, not at {position}")
            position += 1
        return position

    async def trim(self, shard: int, upto: int) -> None:
        """Forget the records up to and including position `upto`."""
        await trio.lowlevel.checkpoint()
        self.trim_nowait(shard, upto)

    def trim_nowait(self, shard: int, upto: int) -> None:
        """Like `trim`, for callers that are not in trio."""
        self._stream(shard).trim(upto)

    # --- reading ---------------------------------------------------------------------------------

    async def read(self, shard: int, after: int) -> list[Record]:
        """All kept records of `shard` above position `after`, in order."""
        await trio.lowlevel.checkpoint()
        return self.read_nowait(shard, after)

    def read_nowait(self, shard: int, after: int) -> list[Record]:
        """Like `read`, for callers that are not in trio."""
        return self._stream(shard).after(after)

    def follow(self, source: int, to: int, after: int) -> "MemoryFollower":
        """The outs of `source` for `to` above position `after`, those to come included."""
        return MemoryFollower(self, source, to, after)

    def follow_nowait(self, source: int, to: int, after: int) -> list[Record]:
        """The outs of `source` for `to` above position `after` that are here now."""
        return self._stream(source).outs_after(to, after)

    # --- checkpoints -----------------------------------------------------------------------------

    async def save(self, shard: int, checkpoint: bytes, *, position: int, revision: int) -> int:
        """Replace checkpoint `revision` (0 for none); `Fenced` if the stored one is another."""
        await trio.lowlevel.checkpoint()
        return self.save_nowait(shard, checkpoint, position=position, revision=revision)

    def save_nowait(self, shard: int, checkpoint: bytes, *, position: int, revision: int) -> int:
        """Like `save`, for callers that are not in trio."""
        stream = self._stream(shard)
        stored = stream.checkpoint.revision if stream.checkpoint else 0
        if stored != revision:
            raise Fenced(f"shard {shard} holds checkpoint {stored}, not {revision}")
        stream.checkpoint = Checkpoint(checkpoint, position, revision + 1)
        return revision + 1

    async def load(self, shard: int) -> Checkpoint | None:
        """The newest checkpoint, if any."""
        await trio.lowlevel.checkpoint()
        return self.load_nowait(shard)

    def load_nowait(self, shard: int) -> Checkpoint | None:
        """Like `load`, for callers that are not in trio."""
        return self._stream(shard).checkpoint

    async def wait_for_outs(self, source: int) -> None:
        """Wait until the next out of `source` is appended."""
        await self._news.setdefault(source, trio.Event()).wait()

    def _stream(self, shard: int) -> _Stream:
        return self._streams.setdefault(shard, _Stream())


class MemoryFollower:
    """Iterates the outs of one source for one destination, waiting for those to come."""

    def __init__(self, journal: MemoryJournal, source: int, to: int, after: int) -> None:
        self._journal = journal
        self._source = source
        self._to = to
        self._after = after

    def __aiter__(self) -> "MemoryFollower":
        """The follower iterates itself."""
        return self

    async def __anext__(self) -> Record:
        """Wait for the next out."""
        await trio.lowlevel.checkpoint()
        while not (here := self._journal.follow_nowait(self._source, self._to, self._after)):
            await self._journal.wait_for_outs(self._source)
        self._after = here[0].position
        return here[0]
