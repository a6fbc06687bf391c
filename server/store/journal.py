"""The journal in a folder: `seams.Journal` over a log of segments and checkpoints beside it.

What a caller is told is durable first: an append returns when its record would survive a crash, and
others read it only then. Appends of all shards that wait at the same time cost one sync.

Records since the older of a shard's two checkpoints are kept in memory as well, which is where they
are read from; the files are read when a store is opened, and never again.

Error handling: `open` raises StoreDamaged when something that was durable is missing or wrong. A
torn tail, and a damaged checkpoint that an older one stands in for, are reported and not refused.
Must not know: what records and checkpoints say.
"""

import struct
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final

import attrs
import trio

from server.cluster.seams import Checkpoint, Draft, Fenced, Record, check_drafts
from server.store.checkpoints import Checkpoints
from server.store.disk import Disk
from server.store.errors import StoreDamaged, StoreFull
from server.store.frames import Frame, What
from server.store.log import SEGMENT_BYTES, Log, Placed

__all__ = ["StoreFollower", "StoreJournal"]


@attrs.define
class _Stream:
    """One shard's records that are durable, and where its next one goes.

    `last` and `last_id` are of the newest append or claim, `written` the place in the log behind
    it, durable or not. `places` are the places in the log before the records, `waiting` are records
    that are not durable yet, with the places before and behind them. `trims` are
    the places behind the trims that may not be durable yet, `settled` is the newest that is.
    `saved` is the newest revision that is kept for sure, `revision` may be on its way.
    `newest` is the position of the newest record, `gone` that of the newest one that went with a
    former segment.
    """

    records: list[Record] = attrs.field(factory=list)
    waiting: deque[tuple[Record, int, int]] = attrs.field(factory=deque)
    places: list[int] = attrs.field(factory=list)
    last: int = 0
    last_id: str | None = None
    written: int = 0
    epoch: int = 0
    trimmed: int = 0
    trims: deque[tuple[int, int]] = attrs.field(factory=deque)
    settled: int = 0
    revision: int = 0
    saved: int = 0
    newest: int = 0
    gone: int = 0

    def after(self, position: int) -> list[Record]:
        return self.records[bisect_right(self.records, position, key=_position) :]

    def reveal(self, durable: int) -> bool:
        """Have those that became durable among the records; whether any of them is an out."""
        found = False
        while self.waiting and self.waiting[0][2] <= durable:
            record, begins, _ = self.waiting.popleft()
            self.records.append(record)
            self.places.append(begins)
            found = found or record.to is not None
        return found

    def knows(self, position: int, name: str) -> bool:
        """Whether the record at this position, durable or not, has this id."""
        if position == self.last:
            return self.last_id == name
        waiting = (record for record, _, _ in self.waiting)
        for record in (*self.after(position - 1)[:1], *waiting):
            if record.position == position:
                return record.id == name
        return False

    def settle(self, durable: int) -> int:
        """Up to where it is trimmed durably: what a crash may bring back is still needed."""
        while self.trims and self.trims[0][0] <= durable:
            self.settled = self.trims.popleft()[1]
        return self.settled

    def forget(self, upto: int) -> None:
        gone = bisect_right(self.records, upto, key=_position)
        del self.records[:gone]
        del self.places[:gone]


# A shard when a segment begins: trimmed up to, newest record, newest checkpoint's revision.
_STATE: Final = struct.Struct("<QQQ")


def _position(record: Record) -> int:
    return record.position


class StoreJournal:
    """A `seams.Journal` on a disk. Made by `open`; `close` it when nothing is appended any more."""

    def __init__(self, log: Log, checkpoints: Checkpoints) -> None:
        self._log = log
        self._checkpoints = checkpoints
        self._streams: dict[int, _Stream] = {}
        self._news: dict[int, trio.Event] = {}

    @classmethod
    async def open(
        cls,
        disk: Disk,
        report: Callable[[str], None],
        *,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> "StoreJournal":
        """The journal that lies on a disk, an empty one if none does. Raises StoreDamaged."""
        checkpoints = Checkpoints(disk, report)
        log, placed = Log.open(disk, report, segment_bytes=segment_bytes)
        journal = cls(log, checkpoints)
        journal._replay(placed, report)
        await log.cut_tail()
        log.heading = journal._states
        return journal

    @property
    def syncs(self) -> int:
        """How often the disk was asked to make something durable."""
        return self._log.syncs

    @property
    def shards(self) -> Iterable[int]:
        """The shards of which anything is known."""
        return sorted(self._streams)

    def epoch(self, shard: int) -> int:
        """The highest epoch that has claimed a shard, 0 for none."""
        return self._stream(shard).epoch

    async def close(self) -> None:
        """Make all durable, and say so in the log: then the next one knows of no tail to cut."""
        await self._log.wait_durable(self._log.ends)
        await self._log.wait_durable(self._log.append(Frame(What.CLOSE)))

    # --- writing ---------------------------------------------------------------------------------

    async def claim(self, shard: int, epoch: int) -> int:
        """Become the writer; `Fenced` if an equal or higher epoch has claimed the shard."""
        stream = self._stream(shard)
        if epoch <= stream.epoch:
            raise Fenced(f"shard {shard} was claimed with epoch {stream.epoch}, not below {epoch}")
        position = stream.last + 1
        place = self._log.append(Frame(What.CLAIM, shard, position, epoch))
        stream.epoch, stream.last, stream.last_id = epoch, position, None
        stream.written = place
        await self._wait_durable(shard, stream)
        return position

    async def append(self, shard: int, drafts: Sequence[Draft], *, expect: int) -> int:
        """Append after position `expect`, durably; `Fenced` if anything else was appended since.

        All of `drafts` cost one sync. After StoreFull the same may be tried again.
        """
        check_drafts(drafts)
        stream, position = self._stream(shard), expect
        for draft in drafts:
            if position == stream.last:
                self._put(shard, stream, draft)
            elif not stream.knows(position + 1, draft.id):
                raise Fenced(f"shard {shard} is at position {stream.last}, not at {position}")
            position += 1
        await self._wait_durable(shard, stream)
        return position

    async def trim(self, shard: int, upto: int) -> None:
        """Forget the records up to and including position `upto`.

        They stay on the disk while the older checkpoint needs them.
        """
        stream = self._stream(shard)
        if upto <= stream.trimmed:
            await trio.lowlevel.checkpoint()
            return
        place = self._log.append(Frame(What.TRIM, shard, upto))  # durable with what comes next
        stream.trimmed = upto
        stream.trims.append((place, upto))
        await self._forget()

    # --- reading ---------------------------------------------------------------------------------

    async def read(self, shard: int, after: int) -> list[Record]:
        """All records of `shard` with a position above `after` that are kept, in order."""
        await trio.lowlevel.checkpoint()
        return self._kept(shard, after)

    def follow(self, source: int, to: int, after: int) -> "StoreFollower":
        """The outs of `source` for `to` above position `after`, those to come included."""
        return StoreFollower(self, source, to, after)

    def outs(self, source: int, to: int, after: int) -> list[Record]:
        """The outs of `source` for `to` above position `after` that are durable now."""
        return [record for record in self._kept(source, after) if record.to == to]

    async def wait_for_outs(self, source: int) -> None:
        """Wait until the next out of `source` is durable."""
        await self._news.setdefault(source, trio.Event()).wait()

    # --- checkpoints -----------------------------------------------------------------------------

    async def save(self, shard: int, checkpoint: bytes, *, position: int, revision: int) -> int:
        """Replace checkpoint `revision` (0 for none); `Fenced` if the stored one is another."""
        stream = self._stream(shard)
        if stream.revision != revision:
            raise Fenced(f"shard {shard} holds checkpoint {stream.revision}, not {revision}")
        await self._wait_durable(shard, stream)  # what it covers is not younger than it
        if stream.revision != revision:
            raise Fenced(f"shard {shard} holds checkpoint {stream.revision}, not {revision}")
        stream.revision = revision + 1
        try:
            await self._checkpoints.save(shard, Checkpoint(checkpoint, position, revision + 1))
        except OSError as error:
            stream.revision = revision
            self._log.raise_for(error, f"checkpoint {revision + 1} of shard {shard} is not kept")
        stream.saved = revision + 1
        # So that a checkpoint that is missing is noticed. Durable with whatever comes next.
        with suppress(StoreFull):
            self._log.append(Frame(What.SAVED, shard, position, revision + 1))
        await self._forget()
        return revision + 1

    async def load(self, shard: int) -> Checkpoint | None:
        """The newest checkpoint that is whole, if any."""
        await trio.lowlevel.checkpoint()
        return self._checkpoints.newest(shard)

    def history(self, shard: int) -> tuple[list[Checkpoint], list[Record]]:
        """All checkpoints that are whole, oldest first, and all records that are still here.

        These are more than a recovery needs: back to the oldest checkpoint, or to the beginning.
        """
        return self._checkpoints.kept(shard), list(self._stream(shard).records)

    # --- inside ----------------------------------------------------------------------------------

    def _put(self, shard: int, stream: _Stream, draft: Draft) -> None:
        position, begins = stream.last + 1, self._log.ends
        name, to, data = draft.id, draft.to, draft.data
        place = self._log.append(Frame(What.RECORD, shard, position, stream.epoch, name, to, data))
        stream.last = stream.newest = position
        stream.last_id, stream.written = name, place
        stream.waiting.append((Record(position, name, to, data), begins, place))

    async def _wait_durable(self, shard: int, stream: _Stream) -> None:
        await self._log.wait_durable(stream.written)
        if stream.reveal(self._log.durable) and shard in self._news:
            self._news.pop(shard).set()

    def _kept(self, shard: int, after: int) -> list[Record]:
        stream = self._stream(shard)
        return stream.after(max(after, stream.trimmed))

    def _states(self) -> Iterator[Frame]:
        """Where every shard stands, for the head of a segment."""
        for shard, stream in self._streams.items():
            data = _STATE.pack(stream.trimmed, stream.newest, stream.saved)
            name = stream.last_id or ""
            yield Frame(What.STATE, shard, stream.last, stream.epoch, name, data=data)

    async def _forget(self) -> None:
        """Let go of what nobody needs: trimmed, and in all checkpoints where there are any."""
        first_needed = self._log.durable
        for shard, stream in self._streams.items():
            upto = stream.settle(self._log.durable)
            if stream.revision:
                covered = self._checkpoints.covered(shard)
                upto = min(upto, covered) if covered is not None else 0
            stream.forget(upto)
            if stream.places:
                first_needed = min(first_needed, stream.places[0])
        await self._log.forget(first_needed)

    def _replay(self, placed: list[Placed], report: Callable[[str], None]) -> None:
        """Take over what a log holds. Raises StoreDamaged where a shard's positions jump."""
        begins = 0
        for each in placed:
            self._take(each.frame, begins)
            begins = each.ends
        if placed and placed[-1].frame.what is not What.CLOSE:
            report(
                "the journal was not closed: the last process was killed, or the end is missing; "
                "this is as far as it goes"
            )
        for shard, stream in self._streams.items():
            self._recall(shard, stream, report)

    def _take(self, frame: Frame, place: int) -> None:
        """Take over one frame that begins at a place in the log."""
        if frame.what is What.CLOSE:
            return
        stream = self._stream(frame.shard)
        match frame.what:
            case What.TRIM:
                stream.trimmed = max(stream.trimmed, frame.position)
                return
            case What.SAVED:
                stream.saved = max(stream.saved, frame.epoch)
                return
            case What.STATE:
                trimmed, newest, revision = _STATE.unpack(frame.data)
                if not stream.last:
                    stream.newest = stream.gone = newest
                stream.trimmed = max(stream.trimmed, trimmed)
                stream.saved = max(stream.saved, revision)
            case What.RECORD:
                record = Record(frame.position, frame.id, frame.to, frame.data)
                stream.records.append(record)
                stream.places.append(place)
                stream.newest = frame.position
        ahead = 0 if frame.what is What.STATE else 1
        if stream.last and frame.position != stream.last + ahead:
            raise StoreDamaged(
                f"the journal is damaged: shard {frame.shard} goes on at position {frame.position} "
                f"after {stream.last}"
            )
        stream.last, stream.last_id = frame.position, frame.id or None
        stream.epoch = max(stream.epoch, frame.epoch)

    def _recall(self, shard: int, stream: _Stream, report: Callable[[str], None]) -> None:
        """Have the records follow the checkpoint. Raises StoreDamaged where that cannot be."""
        newest, noted = self._checkpoints.newest(shard), stream.saved
        if newest is None and (noted or self._checkpoints.lacks(shard)):
            if stream.gone:
                raise StoreDamaged(
                    f"no checkpoint of shard {shard} is whole, and its journal begins only at "
                    f"position {stream.gone + 1}"
                )
            report(f"no checkpoint of shard {shard} is whole; all of its journal is used")
            stream.trimmed = 0
        if newest is not None:
            if newest.position > stream.last:
                raise StoreDamaged(
                    f"the end of the journal is missing: shard {shard} has a checkpoint of "
                    f"position {newest.position}, and its journal ends at {stream.last}"
                )
            if newest.revision < noted and not self._checkpoints.lacks(shard, noted):
                report(f"checkpoint {noted} of shard {shard} is missing; an older one is used")
            # What is in the newest checkpoint only is needed again when that one is damaged.
            stream.trimmed = min(stream.trimmed, newest.position)
        stream.revision = stream.saved = newest.revision if newest else 0
        stream.settled = stream.trimmed
        if stream.gone > stream.trimmed:
            raise StoreDamaged(
                f"a segment is missing: the journal of shard {shard} is needed from position "
                f"{stream.trimmed + 1} on, and nothing up to {stream.gone} is there"
            )

    def _stream(self, shard: int) -> _Stream:
        return self._streams.setdefault(shard, _Stream())


class StoreFollower:
    """Iterates the outs of one source for one destination, waiting for those to come."""

    def __init__(self, journal: StoreJournal, source: int, to: int, after: int) -> None:
        self._journal = journal
        self._source = source
        self._to = to
        self._after = after

    def __aiter__(self) -> "StoreFollower":
        """The follower iterates itself."""
        return self

    async def __anext__(self) -> Record:
        """Wait for the next out."""
        await trio.lowlevel.checkpoint()
        while not (here := self._journal.outs(self._source, self._to, self._after)):
            await self._journal.wait_for_outs(self._source)
        self._after = here[0].position
        return here[0]
