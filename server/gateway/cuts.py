"""How the world is cut: as it is now, as it is about to be, and as it was until lately.

A cut is told ahead of its tick. The shards into which interests will reach then are followed at
once, so none of their frames is missed. Shards take a cut up a little sooner or later than we do,
and hand over bit by bit whom they have where they own cells no more; so interests reach for a while
yet into the shards that owned their cells before.

Must not know: what frames say, how the world is cut and why.
"""

import attrs
import numpy as np

from protocol.geometry import Geometry
from protocol.messages import GeometryChange, encode
from server.gateway import limits
from server.gateway.feeds import Feeds
from server.gateway.following import Following
from server.gateway.handshake import Handshake
from server.gateway.interest import Interests
from server.gateway.links import Phase
from server.gateway.ontime import OnTime
from server.gateway.pulse import Pulse
from server.gateway.reminders import Reminders
from server.gateway.roster import Roster
from server.net.frames import frame as whole_frame
from server.shard.space import Partition

__all__ = ["Cuts"]


@attrs.define(eq=False)
class Cuts:
    """Tells the parts of one gateway how the world is cut; `present` is what holds now."""

    present: Partition
    _feeds: Feeds
    _following: Following
    _handshake: Handshake
    _interests: Interests
    _on_time: OnTime
    _pulse: Pulse
    _reminders: Reminders
    _roster: Roster
    _announced: list[Partition] = attrs.field(factory=list, init=False)
    _coming: list[tuple[Partition, bool]] = attrs.field(factory=list, init=False)
    _former: list[tuple[float, Geometry]] = attrs.field(factory=list, init=False)

    def announce(self, partition: Partition) -> None:
        """A partition holds from its tick on."""
        self._announced.append(partition)

    def foresee(self, now: float) -> None:
        """Have interests reach wherever something in them may be shown now or soon."""
        announced, self._announced = self._announced, []
        for partition in announced:
            self._pulse.know(partition.shards, now)
            self._following.know(partition.shards)
            self._coming.append((partition, self._feeds.newest_tick >= partition.since))
        self._former = [(until, geometry) for until, geometry in self._former if until > now]
        former = [geometry for _, geometry in self._former]
        coming = [partition.geometry for partition, _ in self._coming]
        by_version = {each.version: each for each in (*former, *coming, self.present.geometry)}
        self._interests.reach_by(tuple(by_version.values()))

    def hold(self, tick: int, now: float) -> None:
        """Take up what holds from `tick` on; to be called before its snapshots."""
        self.foresee(now)
        due = [each for each in self._coming if each[0].since <= tick]
        if not due:
            return
        for partition, late in sorted(due, key=lambda each: each[0].age):
            self._coming.remove((partition, late))
            if partition.age > self.present.age:
                self._take_up(partition, now, late=late)
        self.foresee(now)
        self._following.settle(now)

    def _take_up(self, partition: Partition, now: float, *, late: bool) -> None:
        before, self.present = self.present.geometry, partition
        geometry = partition.geometry
        self._reminders.cut_anew(partition.shards)
        if geometry.version == before.version:
            return
        self._former.append((now + limits.CUT_SETTLES_S, before))
        self._feeds.cut_anew(geometry)
        self._pulse.cut_anew(geometry.shards)
        self._interests.cut_anew(geometry)
        self._on_time.cut_anew()
        self._handshake.cut_anew(geometry.shards)
        told = whole_frame(encode(GeometryChange(geometry.to_data())))
        for state in self._roster.all():
            if state.phase is Phase.PLAYING:
                self._roster.push(state, told)
        if late and self._following.selects:
            self._remind(before, geometry)

    def _remind(self, before: Geometry, geometry: Geometry) -> None:
        """Ask for what the new owners of cells told before they were followed."""
        changed = frozenset(np.flatnonzero(before.owners != geometry.owners).tolist())
        for state in self._roster.all():
            interest, playing = state.interest, state.session
            if interest is not None and playing is not None and interest.cell_set & changed:
                self._reminders.begin(state, playing)
