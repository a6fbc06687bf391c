"""The frame of a tick: the shard's parts, its sessions, their private sections, and events.

A frame stands on the one before it (`base`), and lists the sessions that have changed since. The
first of an epoch lists all, and stands on nothing, unless the owner goes on from the parts that the
former one published: then it stands on that one's last frame. A gateway that missed one gets the
same moment again on whatever base it still has of this epoch, with all sessions.

Must not know: the bus, the journal, how sessions are kept.
"""

from collections.abc import Sequence
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from protocol import limits as wire_limits
from protocol.frame import Frame
from protocol.listing import SessionColumns, difference
from protocol.news import FrameEvent
from protocol.parts import PartTable
from protocol.schema import Schema
from server.shard.newsroom import News
from server.shard.players import Players
from server.shard.sessions import Session
from server.shard.space import Space

__all__ = ["Framer"]

_NOBODY: Final = np.empty(0, np.uint64)


class Framer:
    """Makes the frames of one shard."""

    def __init__(self, schema: Schema, space: Space, table: PartTable, players: Players) -> None:
        self._schema = schema
        self._space = space
        self._table = table
        self._players = players
        self._base = self._base_epoch = 0
        self._first = 0  # tick of this epoch
        self._listed = SessionColumns.empty()

    def go_on_from(self, table: PartTable) -> None:
        """Frame `table`, whose state a former owner published last."""
        self._table = table
        self._base, self._base_epoch = table.tick, table.epoch

    def frame(self, guests: Sequence[Session], news: News, dilation: int) -> Frame:
        """The next frame, of the table's tick; `guests` are sessions that are on their way."""
        tick = self._table.tick
        # After a pause longer than deltas reach there are only keyframes, which say nothing of
        # the parts that are gone: receivers have to begin anew.
        base = self._base if tick - self._base < wire_limits.RETAINED_TICKS else 0
        is_first = self._base_epoch != self._table.epoch
        complete = is_first or not base
        keys, blob, offsets = self._table.encode_changed(base or None)
        before, self._listed = self._listed, self._players.columns(guests)
        sessions, gone = (self._listed, _NOBODY) if complete else difference(before, self._listed)
        frame = Frame(
            shard=self._table.shard,
            epoch=self._table.epoch,
            tick=tick,
            step=self._table.step,
            base=base,
            tree_version=self._space.version,
            dilation=dilation,
            keys=keys,
            offsets=offsets,
            blob=blob,
            sessions=sessions,
            complete=complete,
            gone=gone,
            privates=self._players.changed_privates(self._table.step),
            events=news.events,
            handed=news.handed,
            kinds=len(self._schema.kinds),
            cells=self._space.partition.geometry.cells,
        )
        if base:
            frame.base_epoch = self._base_epoch
        if is_first:
            self._first = tick
        self._base, self._base_epoch = tick, frame.epoch
        return frame

    def begin_anew(self) -> None:
        """Have the next frame stand on nothing, as if it were the first one."""
        self._base = 0

    def repeat(
        self,
        frame: Frame,
        *,
        since: int,
        cells: Sequence[int],
        gateway: str,
        events: Sequence[FrameEvent],
        handed: Sequence[tuple[int, int]],
    ) -> Frame:
        """The moment of `frame` once more, for a receiver that holds tick `since` (0: nothing).

        With `cells`, only those cells' parts, as keyframes. Private sections are those of
        all sessions of `gateway`, and `events` those that it may have missed, unless only cells are
        asked for; so are those `handed` over who are not back.
        """
        table = self._table
        here = set(self._listed.session.tolist()) if handed else ()
        if cells:
            since = 0
            keys, blob, offsets = self._keyframes(cells)
        else:
            retained = 0 < frame.tick - since < wire_limits.RETAINED_TICKS
            since = since if since >= self._first and retained else 0
            keys, blob, offsets = table.encode_changed(since or None)
        return attrs.evolve(
            frame,
            base=since,
            base_epoch=frame.epoch,
            keys=keys,
            blob=blob,
            offsets=offsets,
            sessions=self._listed,
            complete=True,
            gone=_NOBODY,
            privates=[] if cells else self._players.privates(gateway, table.step),
            events=[] if cells else events,
            handed=[] if cells else [pair for pair in handed if pair[0] not in here],
        )

    def _keyframes(
        self, cells: Sequence[int]
    ) -> tuple[npt.NDArray[np.uint32], bytes, npt.NDArray[np.uint32]]:
        keys = self._table.parts_in(cells)
        updates = self._table.encode(keys, None)
        present = [(key, update) for key, update in zip(keys, updates, strict=True) if update]
        lengths = [len(update) for _, update in present]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return (
            np.array([key for key, _ in present], np.uint32),
            b"".join(update for _, update in present),
            offsets.astype(np.uint32),
        )
