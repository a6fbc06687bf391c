"""A table of parts: the state of one shard as it is published, with what every delta needs.

The owner writes it once per tick; gateways, neighbours and clients hold copies that they bring
forward by applying updates. Either can encode any of its parts from any retained tick, and a copy
that saw every tick gives the owner's bytes.

Invariants: an entity stands in one row of a table. A part's key names its cell, which may lie
outside the shard's rectangle (guests). Ticks only rise.

Must not know: shards' neighbours, clients' interest, the bus.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from protocol import cbor, limits
from protocol.apply import Report, Unsynced, apply_update, read_update
from protocol.apply_many import apply_updates
from protocol.encode import crc_due, encode_part
from protocol.encode_many import encode_parts
from protocol.errors import RemoteProtocolError
from protocol.geometry import Geometry
from protocol.schema import Schema
from protocol.slab import Slab
from protocol.writing import CourseRows, Keys, KindRows, Reason, write_kind

__all__ = ["CourseRows", "KindRows", "PartTable", "Reason"]

# Up to so many parts are encoded faster one by one than on columns.
_FEW: Final = 2

Changed = tuple[npt.NDArray[np.uint32], bytes, npt.NDArray[np.uint32]]


class PartTable:
    """The parts of one shard at (`epoch`, `tick`, `step`)."""

    def __init__(self, schema: Schema, geometry: Geometry) -> None:
        self.shard = 0
        self.epoch = 0
        self.tick = 0
        self.step = 0
        self.geometry = geometry
        self.slabs = tuple(Slab(kind) for kind in schema.kinds)
        self.keys = Keys(geometry.cells, len(self.slabs))
        self._memo: dict[tuple[int, int | None], bytes | None] = {}
        self._origins: dict[tuple[int, int], tuple[int, int]] = {}

    # --- the owner -------------------------------------------------------------------------------

    def begin(self, tick: int, step: int) -> None:
        """Start writing the state after `step`, which is published at `tick`."""
        assert tick > self.tick, "a table goes forward only"
        self.tick, self.step = tick, step
        self._memo.clear()

    def write(
        self,
        tick: int,
        step: int,
        kind_index: int,
        rows: KindRows,
        reasons: Mapping[int, tuple[Reason, int]],
    ) -> None:
        """Bring one kind to `rows`; who is not among them leaves for its reason, or is gone."""
        slab = self.slabs[kind_index]
        write_kind(slab, self.keys, kind_index, rows, reasons, tick=tick, step=step)

    def finish(self) -> None:
        """End writing: parts that nobody can need any more are freed."""
        for slab in self.slabs:
            slab.bury(self.tick)

    # --- both sides ------------------------------------------------------------------------------

    def encode(self, keys: Sequence[int], since: int | None) -> list[bytes | None]:
        """The update of each part since a tick that the receiver holds, None for nothing to say.

        `since` None, or older than what is retained, gives keyframes. Memoised for the tick.
        """
        if since is not None and since >= self.tick:
            return [None] * len(keys)  # not even a CRC: a delta of age 0 would be a keyframe
        if since is not None and self.tick - since >= limits.RETAINED_TICKS:
            since = None
        wanted = [int(key) for key in keys]
        memo = self._memo
        missing = [key for key in wanted if (key, since) not in memo]
        if missing:
            self._encode(missing, since)
        return [memo[key, since] for key in wanted]

    def encode_changed(self, since: int | None) -> Changed:
        """Everything that changed since the tick `since`: keys, updates back to back, offsets.

        `since` None gives a keyframe of every part. `offsets` has one more item than `keys`.
        """
        keys = self._keys_to_tell(since)
        updates = zip(keys, self.encode(keys, since), strict=True)
        told = [(key, update) for key, update in updates if update is not None]
        offsets = np.zeros(len(told) + 1, np.uint32)
        np.cumsum([len(update) for _, update in told], out=offsets[1:])
        blob = b"".join(update for _, update in told)
        return np.array([key for key, _ in told], np.uint32), blob, offsets

    def parts_in(self, cells: Iterable[int]) -> list[int]:
        """The keys of all parts in `cells`, ordered by cell, kind and ordinal."""
        present: list[int] = []
        for cell in cells:
            for slab in self.slabs:
                present += slab.keys_in.get(cell, ())
        return present

    def columns(
        self, kind_index: int
    ) -> tuple[
        npt.NDArray[np.uint64],
        npt.NDArray[np.int32],
        dict[str, npt.NDArray[Any]],
        npt.NDArray[np.int64] | None,
    ]:
        """All entities of a kind: ids, cells, wire integers by field, course int64[5, N] or None.

        The course's rows are x0, y0, vx, vy, step0.
        """
        slab = self.slabs[kind_index]
        rows = np.flatnonzero(slab.occupied)
        fields = {name: column[rows] for name, column in slab.values.items()}
        course = None if slab.kind.course is None else slab.course[:, rows]
        return slab.ids[rows], slab.cell[rows // limits.SLOTS], fields, course

    # --- receivers -------------------------------------------------------------------------------

    def advance(self, tick: int, step: int) -> None:
        """Go to a later tick; what it changed is applied next. An older tick changes nothing."""
        if tick > self.tick:
            self.tick, self.step = tick, step
            self._memo.clear()
            self.finish()

    def apply(self, item: Any, tick: int, step: int, report: Report | None = None) -> Report:
        """Apply one decoded update of `tick`; what it did is added to `report`.

        Raises RemoteProtocolError when the update is malformed, Unsynced when it stands on what
        this table does not hold. Either way nothing has changed.
        """
        report = Report() if report is None else report
        self.advance(tick, step)
        key = self.key_of(item)
        slab = self.slabs[self.keys.kind(key)]
        update = read_update(slab, item, key)
        cell = self.keys.cell(key)
        origin = self._origin(self.keys.kind(key), cell)
        apply_update(slab, update, cell, origin, tick=tick, step=step, report=report)
        self._memo.clear()
        return report

    def apply_all(
        self, blob: bytes, count: int, tick: int, step: int, report: Report | None = None
    ) -> Report:
        """Apply `count` encoded updates of `tick` that lie back to back, as `apply` does each.

        Much faster than one by one, and for receivers of whole frames. Raises what `apply` raises
        for the first update that does not fit; others may have been applied by then.
        """
        report = Report() if report is None else report
        self.advance(tick, step)
        items = cbor.loads_arrays(cbor.array_head(count) + blob)
        assert type(items) is list
        kinds: dict[int, dict[int, Any]] = {}
        for item in items:
            key = self.key_of(item)
            if kinds.setdefault(self.keys.kind(key), {}).setdefault(key, item) is not item:
                raise RemoteProtocolError("two updates of one part in one tick")
        for kind, by_key in kinds.items():
            try:
                self._apply_kind(kind, by_key, tick, step, report)
            except Unsynced:
                for item in by_key.values():
                    self.apply(item, tick, step, report)
        self._memo.clear()
        return report

    def key_of(self, item: Any) -> int:
        """The key of a decoded update. Raises RemoteProtocolError if it is none."""
        if type(item) is not list or len(item) < 3 or type(item[0]) is not int:
            raise RemoteProtocolError("an update is an array of a part, a baseline and contents")
        if not 0 <= item[0] < limits.PART_KEY_MAX:
            raise RemoteProtocolError("an update of an impossible part")
        return item[0]

    def drop_cells(self, cells: Iterable[int]) -> list[int]:
        """Forget all parts in `cells`; gives the ids of the entities in them."""
        dropped: list[int] = []
        for key in self.parts_in(cells):
            slab = self.slabs[self.keys.kind(key)]
            place = slab.place[key]
            rows = slab.rows(place)
            dropped += slab.ids[rows][slab.occupied[rows]].tolist()
            slab.free(place)
        self._memo.clear()
        return dropped

    def reset(self, epoch: int) -> None:
        """Forget everything: another epoch begins."""
        self.epoch = epoch
        self.tick = self.step = 0
        self.slabs = tuple(Slab(slab.kind) for slab in self.slabs)
        self._memo.clear()

    # --- inside ----------------------------------------------------------------------------------

    def _encode(self, keys: Sequence[int], since: int | None) -> None:
        """Put the updates of `keys` into the memo."""
        by_kind: dict[int, tuple[list[int], list[int]]] = {}
        for key in keys:
            kind = self.keys.kind(key)
            place = self.slabs[kind].place.get(key)
            if place is None:
                self._memo[key, since] = None
            else:
                wanted, places = by_kind.setdefault(kind, ([], []))
                wanted.append(key)
                places.append(place)
        for kind, (wanted, places) in by_kind.items():
            updates = self._encode_kind(kind, wanted, places, since)
            for key, update in zip(wanted, updates, strict=True):
                self._memo[key, since] = update

    def _encode_kind(
        self, kind: int, keys: Sequence[int], places: Sequence[int], since: int | None
    ) -> list[bytes | None]:
        slab, origins = self.slabs[kind], self._origins_of(kind, keys)
        if len(keys) > _FEW:
            return encode_parts(
                slab,
                np.array(places, np.int64),
                origins,
                tick=self.tick,
                step=self.step,
                since=since,
            )
        return [
            encode_part(slab, place, (x, y), tick=self.tick, step=self.step, since=since)
            for place, x, y in zip(places, *origins.tolist(), strict=True)
        ]

    def _apply_kind(
        self, kind: int, by_key: Mapping[int, Any], tick: int, step: int, report: Report
    ) -> None:
        slab, keys = self.slabs[kind], list(by_key)
        apply_updates(
            slab,
            [read_update(slab, item, key) for key, item in by_key.items()],
            [self.keys.cell(key) for key in keys],
            self._origins_of(kind, keys),
            tick=tick,
            step=step,
            report=report,
        )

    def _origins_of(self, kind: int, keys: Sequence[int]) -> npt.NDArray[np.int64]:
        if all(field.axis is None for field in self.slabs[kind].kind.fields):
            return np.zeros((2, len(keys)), np.int64)
        corners = [self._origin(kind, self.keys.cell(key)) for key in keys]
        return np.array(corners, np.int64).T

    def _keys_to_tell(self, since: int | None) -> list[int]:
        found: list[int] = []
        for slab in self.slabs:
            told = slab.key >= 0
            if since is not None:
                told &= (slab.touched > since) | crc_due(self.tick, slab.key)
            found += slab.key[told].tolist()
        return sorted(found)

    def _origin(self, kind: int, cell: int) -> tuple[int, int]:
        origin = self._origins.get((kind, cell))
        if origin is None:
            corner = self.geometry.cell_origin(cell)
            steps = [0, 0]
            for field in self.slabs[kind].kind.fields:
                if field.axis is not None:
                    steps[field.axis] = int(field.to_int(corner[field.axis]))
            origin = self._origins[kind, cell] = (steps[0], steps[1])
        return origin
