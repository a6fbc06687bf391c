"""A table of parts: the state of one shard as it is published, with what every delta needs.

The owner writes it once per tick; gateways, neighbours and clients hold copies that they bring
forward by applying updates. Either can encode any of its parts from any retained tick, and a copy
that saw every tick gives the owner's bytes. A copy that was brought forward over several ticks at
once does not know what lay between; for a baseline in there it gives a keyframe.

Invariants: an entity stands in one row of a table. A part's key names its cell, which may lie
outside the shard's rectangle (guests). Ticks only rise.

Must not know: shards' neighbours, clients' interest, the bus.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from protocol import cbor, limits
from protocol.apply import Report, Unsynced, apply_batch
from protocol.batch import Batch
from protocol.checksum import EMPTY_CRC, checksums, crc_due
from protocol.encode import encode_parts
from protocol.errors import RemoteProtocolError
from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.keys import Keys
from protocol.schema import Schema
from protocol.slab import Slab
from protocol.unpacking import unpack
from protocol.updates import KindForm, read_updates
from protocol.writing import CourseRows, KindRows, Reason, Writer

__all__ = ["CourseRows", "KindRows", "PartTable", "Reason"]

Ints = npt.NDArray[np.int64]
Changed = tuple[npt.NDArray[np.uint32], bytes, npt.NDArray[np.uint32]]
Columns = tuple[
    npt.NDArray[np.uint64], npt.NDArray[np.int32], dict[str, npt.NDArray[Any]], Ints | None
]

# Fewer updates than this are read one by one, which costs less than reading them in lockstep.
_LOCKSTEP_LEAST = 24


class PartTable:
    """The parts of one shard at (`epoch`, `tick`, `step`)."""

    def __init__(self, schema: Schema, geometry: Geometry) -> None:
        self.shard = 0
        self.epoch = 0
        self.tick = 0
        self.step = 0
        self.geometry = geometry
        self.kinds = schema.kinds
        self.slabs = tuple(Slab(kind, geometry) for kind in schema.kinds)
        self._forms = tuple(KindForm.of(kind) for kind in schema.kinds)
        self.keys = Keys(geometry.cells, len(self.slabs))
        self._writers: tuple[Writer, ...] = ()
        self._memo: dict[tuple[int, int | None], bytes | None] = {}
        self._lost: list[tuple[int, int]] = []  # ticks after the first, before the second: unknown

    # --- the owner -------------------------------------------------------------------------------

    def begin(self, tick: int, step: int) -> None:
        """Start writing the state after `step`, which is published at `tick`.

        A receiver's table may be written on from where it stands: then it is its owner's.
        """
        assert tick > self.tick, "a table goes forward only"
        if not self._writers:
            self._writers = tuple(
                Writer(slab, self.keys, kind, self.step) for kind, slab in enumerate(self.slabs)
            )
        self._go_to(tick, step)

    def write(
        self,
        tick: int,
        step: int,
        kind_index: int,
        rows: KindRows,
        reasons: Mapping[int, tuple[Reason, int]],
    ) -> None:
        """Bring one kind to `rows`; who is not among them leaves for its reason, or is gone.

        Raises ValueError when two rows are one entity, or a handle is not the row's.
        """
        self._writers[kind_index].write(rows, reasons, tick=tick, step=step)

    def finish(self) -> None:
        """End writing."""
        self._memo.clear()

    def handles(self, kind_index: int, ids: npt.NDArray[np.uint64]) -> Ints:
        """The slots in which the entities `ids` of a kind stand; -1 for those who are not here."""
        slab = self.slabs[kind_index]
        rows = (slab.part >= 0).nonzero()[0]
        handles = np.full(len(ids), -1, np.int64)
        if len(rows):
            rows = rows[np.argsort(slab.ids[rows])]
            at = np.minimum(np.searchsorted(slab.ids[rows], ids), len(rows) - 1)
            found = slab.ids[rows[at]] == ids
            handles[found] = rows[at[found]]
        return handles

    # --- both sides ------------------------------------------------------------------------------

    def encode(self, parts: Sequence[int], since: int | None) -> list[bytes | None]:
        """The update of each part since the tick `since`, None where there is nothing to say.

        `since` None means that the receiver holds nothing of these parts: they come as keyframes.
        A tick that is too old, or that this table knows nothing of, gives keyframes too.
        """
        if since is not None and since >= self.tick:
            return [None] * len(parts)  # not even a CRC: a delta of age 0 would be a keyframe
        base = self._base(since)
        memo = self._memo
        wanted = [(int(key), base) for key in parts]
        missing = {key for key, _ in wanted if (key, base) not in memo}
        if missing:
            self._encode(sorted(missing), base)
        return [memo[key] for key in wanted]

    def encode_changed(self, since: int | None) -> Changed:
        """Everything that changed since the tick `since`: keys, updates back to back, offsets.

        `since` as for `encode`. Kind by kind, each ascending by key, which within a cell is the
        order of `parts_in`. `offsets` has one more item than `keys`.
        """
        keys, blobs, lengths = [], [], []
        base = self._base(since)
        for slab in self.slabs if since is None or since < self.tick else ():
            told = slab.key >= 0
            if base is not None:
                told &= (
                    (slab.touched > base) | (slab.known > base) | crc_due(self.tick, slab.key, base)
                )
            places = told.nonzero()[0]
            if len(places):
                places = places[np.argsort(slab.key[places])]
                blob, offsets = self._encoded(slab, places, base)
                sizes = np.diff(offsets)
                keys.append(slab.key[places[sizes > 0]])
                blobs.append(blob)
                lengths.append(sizes[sizes > 0])
        count = sum(map(len, keys))
        ends = np.zeros(count + 1, np.uint32)
        if not count:
            return np.zeros(0, np.uint32), b"", ends
        np.cumsum(np.concatenate(lengths), out=ends[1:])
        return np.concatenate(keys).astype(np.uint32), b"".join(blobs), ends

    def parts_in(self, cells: Iterable[int]) -> list[int]:
        """The keys of all parts in `cells`, ordered by cell, kind and ordinal."""
        present: list[int] = []
        for cell in cells:
            for slab in self.slabs:
                present += slab.keys_in.get(cell, ())
        return present

    def rows_of(self, key: int) -> Ints:
        """The rows of the entities in a part, slots ascending."""
        slab = self.slabs[self.keys.kind(key)]
        place = slab.place.get(key)
        if place is None:
            return np.zeros(0, np.int64)
        return slab.rows_in(np.array([place]))[1]

    def checksum(self, key: int) -> int:
        """The CRC of a part, which need not exist."""
        slab = self.slabs[self.keys.kind(key)]
        place = slab.place.get(key)
        return EMPTY_CRC if place is None else checksums(slab, np.array([place]))[0]

    def columns(self, kind_index: int, cells: Iterable[int] | None = None) -> Columns:
        """All entities of a kind (in `cells`, if given), ordered by part and slot.

        Ids, cells, wire integers by field, course int64[5, N] (x0, y0, vx, vy, step0) or None.
        """
        slab = self.slabs[kind_index]
        if cells is None:
            places = (slab.taken > 0).nonzero()[0]
            places = places[np.argsort(slab.key[places])]
        else:
            keys = [key for cell in cells for key in slab.keys_in.get(cell, ())]
            places = np.array([slab.place[key] for key in keys], np.int64)
        of, rows = slab.rows_in(places)
        fields = {name: column[rows] for name, column in slab.values.items()}
        course = None if slab.kind.course is None else np.ascontiguousarray(slab.course[rows].T)
        return slab.ids[rows], slab.cell[places[of]], fields, course

    # --- receivers -------------------------------------------------------------------------------

    def advance(self, tick: int, step: int, *, base: int | None = None) -> None:
        """Go to a later tick; what it changed is applied next. An older tick changes nothing.

        `base` is the tick on which the owner's updates stand, if that is known: when it is this
        table's, nothing happened between the two.
        """
        if tick > self.tick:
            if tick > self.tick + 1 and (not base or base != self.tick):
                self._lost.append((self.tick, tick))
            self._go_to(tick, step)

    def apply(self, item: Any, tick: int, step: int, report: Report | None = None) -> Report:
        """Apply one decoded update of `tick`; what it did is added to `report`.

        Raises RemoteProtocolError when the update is malformed, Unsynced when it stands on what
        this table does not hold. Either way nothing has changed.
        """
        report = Report() if report is None else report
        before = len(report.unsynced)
        self.apply_items([item], tick, step, report)
        if len(report.unsynced) > before:
            raise Unsynced("the update stands on what is not here")
        return report

    def apply_items(self, items: Iterable[Any], tick: int, step: int, report: Report) -> None:
        """Apply the decoded updates of one tick.

        Raises RemoteProtocolError when one of them is malformed or the tick is a past one; then
        nothing has changed. Updates that stand on what this table does not hold are left out and
        named in `report.unsynced`.
        """
        batches = read_updates(self._forms, items)
        if tick < self.tick:
            raise RemoteProtocolError("updates of a tick that is over")
        self.advance(tick, step)
        self._apply(batches, report)

    def apply_frame(
        self,
        blob: bytes,
        offsets: npt.NDArray[Any],
        tick: int,
        step: int,
        report: Report,
        *,
        base: int | None = None,
    ) -> None:
        """Apply the updates of one tick that lie back to back in `blob`; `base` as for `advance`.

        Raises RemoteProtocolError, and reports, as `apply_items` does.
        """
        batches = None
        if len(offsets) > _LOCKSTEP_LEAST:
            batches = unpack(self._forms, blob, offsets)
        if batches is None:
            bounds = offsets.tolist()
            items = [cbor.loads(blob[start:end]) for start, end in pairwise(bounds)]
            batches = read_updates(self._forms, items)
        if tick < self.tick:
            raise RemoteProtocolError("updates of a tick that is over")
        self.advance(tick, step, base=base)
        self._apply(batches, report)

    def drop_cells(self, cells: Iterable[int]) -> list[int]:
        """Forget all parts in `cells`; gives the ids of the entities in them."""
        dropped: list[int] = []
        wanted = list(cells)
        for slab in self.slabs:
            places = [slab.place[k] for cell in wanted for k in slab.keys_in.get(cell, ())]
            if places:
                _, rows = slab.rows_in(np.array(places))
                dropped += slab.ids[rows].tolist()
                slab.free(places)
        self._memo.clear()
        return dropped

    def knows(self, frame: Frame) -> bool:
        """Whether all that a frame of this shard tells is old news here."""
        return (frame.epoch, frame.tick) <= (self.epoch, self.tick)

    def make_way(self, frame: Frame) -> bool:
        """Be what a frame that is news can be applied to; False if what it stands on is not here.

        A frame that stands on nothing makes the table empty. Another owner may go on from it.
        """
        if frame.base == 0:
            self.reset(frame.epoch)
        elif not frame.stands_on(self.epoch, self.tick):
            return False
        self.epoch = frame.epoch
        return True

    def reset(self, epoch: int) -> None:
        """Forget everything: another epoch begins."""
        self.epoch = epoch
        self.tick = self.step = 0
        self.slabs = tuple(Slab(kind, self.geometry) for kind in self.kinds)
        self._writers = ()
        self._lost.clear()
        self._memo.clear()

    # --- inside ----------------------------------------------------------------------------------

    def _go_to(self, tick: int, step: int) -> None:
        self.tick, self.step = tick, step
        self._memo.clear()
        for slab in self.slabs:
            slab.forget(tick)
        if self._lost:
            oldest = tick - limits.RETAINED_TICKS
            self._lost = [gap for gap in self._lost if gap[1] > oldest]

    def _base(self, since: int | None) -> int | None:
        """The baseline to encode from: -1 (for which every part has a keyframe) if it is unknown.

        -1 keeps clear of None: its receiver may hold somebody where nobody is any more.
        """
        if since is None:
            return None
        if self.tick - since >= limits.RETAINED_TICKS:
            return _UNKNOWN
        return _UNKNOWN if any(a < since < b for a, b in self._lost) else since

    def _encode(self, keys: Sequence[int], base: int | None) -> None:
        """Put the updates of `keys` (ascending) into the memo."""
        by_kind: dict[int, tuple[list[int], list[int]]] = {}
        for key in keys:
            kind = self.keys.kind(key)
            place = self.slabs[kind].place.get(key)
            if place is None:
                self._memo[key, base] = None
            else:
                wanted, places = by_kind.setdefault(kind, ([], []))
                wanted.append(key)
                places.append(place)
        for kind, (wanted, places) in by_kind.items():
            blob, offsets = self._encoded(self.slabs[kind], np.array(places), base)
            bounds = offsets.tolist()
            for key, start, end in zip(wanted, bounds[:-1], bounds[1:], strict=True):
                self._memo[key, base] = blob[start:end] or None

    def _encoded(self, slab: Slab, places: Ints, base: int | None) -> tuple[bytes, Ints]:
        return encode_parts(slab, places, tick=self.tick, step=self.step, since=base)

    def _apply(self, batches: Iterable[tuple[int, Batch]], report: Report) -> None:
        for kind, batch in batches:
            slab = self.slabs[kind]
            apply_batch(slab, self.keys, kind, batch, tick=self.tick, step=self.step, report=report)
        self._memo.clear()


_UNKNOWN = -2
