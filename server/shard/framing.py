"""The frame of a tick: the shard's parts, its sessions, their private sections, events and scores.

A frame stands on the one before it (`base`); the first of an epoch stands on nothing. A gateway
that missed one gets the same moment again on whatever base it still has.

Must not know: the bus, the journal, how sessions are kept.
"""

from collections.abc import Iterable, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from protocol import cbor
from protocol.frame import Frame, FrameEvent, SessionColumns
from protocol.geometry import Geometry
from protocol.parts import PartTable
from server.shard.interest import follow_centres
from server.shard.sessions import Session
from sim.engine import Export
from sim.world import World

__all__ = ["Framer", "News"]

ScoreRow = tuple[int, str, int]


@attrs.define
class News:
    """What a frame tells besides state; gathered since the last frame."""

    events: list[FrameEvent] = attrs.field(factory=list)
    scores: list[ScoreRow] = attrs.field(factory=list)
    handed: list[tuple[int, int]] = attrs.field(factory=list)


class Framer:
    """Makes the frames of one shard."""

    def __init__(self, geometry: Geometry, table: PartTable, world: World) -> None:
        self._geometry = geometry
        self._table = table
        self._world = world
        self._base = 0
        self._privates: dict[int, bytes] = {}

    def frame(
        self, sessions: Sequence[Session], exports: Sequence[Export], news: News, dilation: int
    ) -> Frame:
        """The next frame, of the table's tick."""
        table = self._table
        self._follow(sessions, exports)
        keys, blob, offsets = table.encode_changed(self._base or None)
        frame = Frame(
            shard=table.shard,
            epoch=table.epoch,
            tick=table.tick,
            step=table.step,
            base=self._base,
            tree_version=self._geometry.version,
            dilation=dilation,
            keys=keys,
            offsets=offsets,
            blob=blob,
            sessions=self._columns(sessions),
            privates=self._changed_privates(sessions),
            events=news.events,
            scores=news.scores,
            handed=news.handed,
        )
        self._base = table.tick
        return frame
