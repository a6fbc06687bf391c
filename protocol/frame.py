"""What a shard publishes on the bus for one tick, for all gateways and neighbours.

The updates lie back to back in `blob`; `keys` names the part of each and `offsets` (one more than
keys) where it begins. All of them stand on the frame of tick `base`; 0 means that they stand on
nothing: all are keyframes. A gateway cuts out the updates that its clients need without decoding
them. Private sections and event values are encoded items, which are passed on as they are.

`base_epoch` is the epoch of that frame. It is another one than the frame's own in the first frame
of an owner that goes on from the former one's parts, and only then it travels, as a last item:
who does not know it takes that one frame for damaged, and asks for everything after the next.

Reading is strict although the hop is trusted: a damaged frame is an error, not a guess.
Must not know: what updates say.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from protocol import cbor, limits
from protocol.checks import ID_MAX, SHARD_MAX, typed, whole
from protocol.errors import RemoteProtocolError
from protocol.listing import COLUMNS, SessionColumns
from protocol.news import FrameEvent, Scope, event_items, read_events
from protocol.packing import gathered

__all__ = ["Frame", "FrameEvent", "Runs", "Scope", "runs_of"]

Runs: TypeAlias = npt.NDArray[np.int64]
Range: TypeAlias = tuple[int, int]
ByCell: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]


def _own_epoch(frame: "Frame") -> int:
    return frame.epoch


@attrs.define(eq=False)
class Frame:
    """One tick of one shard. `dilation` is its speed in permille of the schedule's.

    `sessions` are those whose rows have changed since `base`, or all that the shard has if the
    listing is `complete`, as in a frame that stands on nothing; `gone` are those that it had.
    `privates` are (session, encoded private section) changed since `base`; `handed` (session,
    shard) that left. The listing of an epoch's first frame is always complete.
    """

    shard: int
    epoch: int
    tick: int
    step: int
    base: int
    tree_version: int
    dilation: int
    keys: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.uint32]
    blob: bytes
    sessions: SessionColumns = attrs.field(factory=SessionColumns.empty)
    complete: bool = True
    gone: npt.NDArray[np.uint64] = attrs.field(factory=partial(np.empty, 0, np.uint64))
    privates: Sequence[tuple[int, bytes]] = ()
    events: Sequence[FrameEvent] = ()
    handed: Sequence[tuple[int, int]] = ()
    base_epoch: int = attrs.field(default=attrs.Factory(_own_epoch, takes_self=True))
    _by_cell: ByCell | None = attrs.field(default=None, init=False)
    _ranges: dict[int, Range] | None = attrs.field(default=None, init=False)
    _bounds: list[int] = attrs.field(factory=list, init=False)
    kinds: int = 0
    cells: int = 0

    def encode(self) -> bytes:
        """The frame as bytes."""
        former = [self.base_epoch] if self.base and self.base_epoch != self.epoch else []
        return cbor.dumps(
            [
                [self.shard, self.epoch, self.tick, self.step, self.base],
                [self.tree_version, self.dilation, self.kinds, self.cells],
                np.asarray(self.keys, np.uint32),
                np.asarray(self.offsets, np.uint32),
                bytes(self.blob),
                [
                    np.ascontiguousarray(getattr(self.sessions, name), dtype)
                    for name, dtype in COLUMNS.items()
                ],
                self.complete,
                np.ascontiguousarray(self.gone, np.uint64),
                [list(private) for private in self.privates],
                event_items(self.events),
                [list(pair) for pair in self.handed],
                *former,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> "Frame":
        """The reverse. Raises RemoteProtocolError when `data` is no frame."""
        try:
            return _decode(cbor.loads_arrays(data))
        except (TypeError, ValueError, IndexError, KeyError) as error:
            raise RemoteProtocolError(f"a damaged frame: {error!r}") from None

    def stands_on(self, epoch: int, tick: int) -> bool:
        """Whether this goes on from what was published at `tick` of `epoch`."""
        return self.base > 0 and (self.base_epoch, self.base) == (epoch, tick)

    @property
    def by_cell(self) -> ByCell:
        """The cell of each update, ascending; where it begins (one more than cells); the bytes."""
        if self._by_cell is None:
            self._by_cell = self._sorted()
        return self._by_cell

    def cut(self, cells: Iterable[int]) -> tuple[int, list[memoryview]]:
        """The updates of the parts in `cells`: how many, and their bytes cell by cell."""
        ranges = self._cell_ranges
        offsets, view = self._bounds, self.by_cell[2].data
        count, pieces = 0, []
        for cell in cells:
            found = ranges.get(cell)
            if found is not None:
                first, end = found
                count += end - first
                pieces.append(view[offsets[first] : offsets[end]])
        return count, pieces

    def slices(self, cells: Iterable[int]) -> list[memoryview]:
        """The updates of the parts in `cells`, one by one, in the order of `cells`."""
        ranges = self._cell_ranges
        bounds, view = self._bounds, self.by_cell[2].data
        found = (ranges[cell] for cell in cells if cell in ranges)
        places = (place for first, end in found for place in range(first, end))
        return [view[bounds[place] : bounds[place + 1]] for place in places]

    @property
    def _cell_ranges(self) -> dict[int, Range]:
        """Of each cell that is told of, which updates are in it."""
        if self._ranges is None:
            cells, offsets, _ = self.by_cell
            firsts = np.flatnonzero(np.diff(cells, prepend=-1))
            ends = np.append(firsts, len(cells))[1:]
            ranges = zip(firsts.tolist(), ends.tolist(), strict=True)
            self._ranges = dict(zip(cells[firsts].tolist(), ranges, strict=True))
            self._bounds = offsets.tolist()
        return self._ranges

    def _sorted(self) -> ByCell:
        """Updates are nearly always in the order of their cells."""
        cells = self.keys.astype(np.int64) // self.kinds % self.cells
        offsets, blob = self.offsets.astype(np.int64), np.frombuffer(self.blob, np.uint8)
        if (cells[1:] < cells[:-1]).any():
            order = np.argsort(cells, kind="stable")
            lengths = np.diff(offsets)[order]
            blob = gathered(blob, offsets[order], lengths)
            offsets = np.concatenate((offsets[:1], np.cumsum(lengths)))
            cells = cells[order]
        return cells, offsets, blob


def runs_of(cells: Iterable[int]) -> Runs:
    """`cells` as ranges that have no gaps: int64[N, 2] of [first, end)."""
    every = np.unique(np.array(list(cells), np.int64))
    firsts = np.diff(every, prepend=-2) > 1
    lasts = np.diff(every, append=np.iinfo(np.int64).max) > 1
    return np.stack((every[firsts], every[lasts] + 1), axis=1)


def _decode(item: Any) -> Frame:
    (
        head, terms, keys, offsets, blob, columns, complete, gone, privates, events, handed,
        *former,
    ) = item  # fmt: skip
    shard, epoch, tick, step, base = (whole(number) for number in head)
    tree_version, dilation, kinds, cells = (whole(number) for number in terms)
    if shard > SHARD_MAX or not (1 <= kinds <= limits.KINDS_MAX and 1 <= cells <= limits.CELLS_MAX):
        raise ValueError("a head out of bounds")
    _check_index(keys, offsets, blob)
    _check_gone(gone, typed(complete, bool), base)
    base_epoch = _base_epoch(former, epoch) if former else epoch
    if base_epoch != epoch and not (base and complete):
        raise ValueError("the first frame of an epoch that says too little")
    return Frame(
        shard=shard,
        epoch=epoch,
        tick=tick,
        step=step,
        base=base,
        tree_version=tree_version,
        dilation=dilation,
        keys=keys,
        offsets=offsets,
        blob=blob,
        sessions=_columns(columns),
        complete=complete,
        gone=gone,
        privates=[(whole(a, ID_MAX), typed(b, bytes)) for a, b in privates],
        events=read_events(events),
        handed=[(whole(a, ID_MAX), whole(b, SHARD_MAX)) for a, b in handed],
        base_epoch=base_epoch,
        kinds=kinds,
        cells=cells,
    )


def _base_epoch(former: Any, epoch: int) -> int:
    (base_epoch,) = former
    if whole(base_epoch) >= epoch:
        raise ValueError("an epoch that follows a later one")
    return whole(base_epoch)


def _check_index(keys: Any, offsets: Any, blob: Any) -> None:
    typed(blob, bytes)
    for column in (keys, offsets):
        if not isinstance(column, np.ndarray) or column.dtype != np.dtype("<u4"):
            raise ValueError("an index that is no column")
    if len(offsets) != len(keys) + 1 or offsets[0] != 0 or offsets[-1] != len(blob):
        raise ValueError("an index that does not fit the updates")
    if (np.diff(offsets.astype(np.int64)) <= 0).any():
        raise ValueError("an index that runs backwards")


def _check_gone(gone: Any, complete: bool, base: int) -> None:  # noqa: FBT001 - as it is named
    if not isinstance(gone, np.ndarray) or gone.dtype != COLUMNS["session"]:
        raise ValueError("sessions that are gone are no column")
    if complete and len(gone):
        raise ValueError("a listing of all sessions names some that are gone")
    if not complete and not base:
        raise ValueError("a listing of changes that stands on nothing")


def _columns(items: Any) -> SessionColumns:
    if len(items) != len(COLUMNS):
        raise ValueError("session columns")
    for item, dtype in zip(items, COLUMNS.values(), strict=True):
        if not isinstance(item, np.ndarray) or item.dtype != dtype or len(item) != len(items[0]):
            raise ValueError("a session column")
    columns = SessionColumns(*items)
    if (columns.session[1:] <= columns.session[:-1]).any():
        raise ValueError("sessions out of order")
    return columns
