"""What the bus tells of a crowd: how long its players' ticks are, and how the world is cut.

A player's tick is the time between two frames of a shard that has its session, whichever that is.
Frames say what has changed of that; a shard whose frame was missed counts as it was until then.

Must not know: processes, the game.
"""

from collections.abc import Mapping
from typing import Any, Final

import attrs
import numpy as np
import numpy.typing as npt
import trio

from benchmarks.cluster import WORLD
from benchmarks.crowd.timeline import Timeline
from protocol.errors import ProtocolError
from protocol.frame import Frame
from protocol.listing import Listing
from server.cluster.seams import Bus
from server.placement.reconciler import Listener
from server.shard.mail import frame_subject

__all__ = ["Cuts", "Ticks"]

BUFFERED: Final = 4096


@attrs.define
class Ticks:
    """Hears every frame. `told` are (tick, seconds) of each player and frame, as columns."""

    timeline: Timeline
    newest: int = 0
    told: list[tuple[int, npt.NDArray[np.float64]]] = attrs.field(factory=list)
    shards: dict[int, int] = attrs.field(factory=dict)  # and how many play there
    slowest: int = 1000  # permille of full speed
    _listings: dict[int, Listing] = attrs.field(factory=dict)
    _places: dict[int, int] = attrs.field(factory=dict)
    _heard: npt.NDArray[np.float64] = attrs.field(factory=lambda: np.full(65536, np.nan))

    async def run(self, bus: Bus) -> None:
        """Hear until cancelled."""
        async for message in bus.subscribe(frame_subject(WORLD, "*"), buffer=BUFFERED):
            try:
                frame = Frame.decode(message.data)
            except ProtocolError:
                continue
            self._take(frame, trio.current_time())

    def _take(self, frame: Frame, now: float) -> None:
        listing = self._listings.setdefault(frame.shard, Listing())
        if frame.complete:
            listing.begin(frame.sessions)
        else:
            listing.go_on(frame.sessions, frame.gone)
        sessions = list(listing.rows)
        self.newest = max(self.newest, frame.tick)
        self.shards[frame.shard] = len(sessions)
        timeline = self.timeline
        if not sessions:
            timeline.frame(frame.shard, frame.epoch, frame.tick, frame.dilation, np.empty(0))
            return
        self.slowest = min(self.slowest, frame.dilation)
        places = self._places
        rows = np.array([places.setdefault(session, len(places)) for session in sessions])
        passed = now - self._heard[rows]
        self._heard[rows] = now
        passed = passed[passed > 0]  # a guest is listed twice at a tick
        self.told.append((frame.tick, passed))
        timeline.frame(frame.shard, frame.epoch, frame.tick, frame.dilation, passed)

    @property
    def players(self) -> int:
        """How many were ever listed."""
        return len(self._places)

    def within(self, begins: int, ends: int) -> npt.NDArray[np.float64]:
        """The intervals of all players in some ticks, in milliseconds."""
        parts = [passed for tick, passed in self.told if begins <= tick < ends]
        return 1000 * np.concatenate([np.empty(0), *parts])


@attrs.define
class Cuts:
    """How a world is cut and who runs what, as the beacons say. Moves of resting ones count not."""

    timeline: Timeline
    splits: int = 0
    merges: int = 0
    migrations: int = 0
    leaves: int = 0
    most: int = 0
    _homes: Mapping[int, str] = attrs.field(factory=dict)

    async def run(self, listener: Listener) -> None:
        """Listen until cancelled."""
        beacon = await listener.first()
        while True:
            self._take(beacon)
            beacon = await listener.wait()

    def _take(self, beacon: Any) -> None:
        geometry = beacon.partition().geometry
        shards = geometry.shards
        self.timeline.plan({leaf[0]: leaf[1:] for leaf in geometry.leaves}, beacon.plan.nodes)
        if self.leaves:
            self.splits += max(0, len(shards) - self.leaves)
            self.merges += max(0, self.leaves - len(shards))
        homes = {shard: home for shard, home in beacon.plan.nodes.items() if shard in shards}
        moved = [s for s, home in homes.items() if self._homes.get(s, home) != home]
        self.migrations += len(moved)
        self.leaves, self._homes = len(shards), homes
        self.most = max(self.most, len(shards))
