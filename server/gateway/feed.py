"""What the gateway holds of a shard: the frames since the last snapshots, and a table of its parts.

A frame's updates stand on the tick of the frame before it (`base`). Frames that chain are sliced as
they are, also where another owner goes on from the former one's parts: what links hold is a
baseline as ever. A frame that does not chain is refused, and the shard is asked for what was
missed. The table is for those who need more than the newest frame says: joiners, moved interests,
late links. A shard of this very process lends its own; of others there is a copy, to which frames
are applied lazily, with a bounded backlog, and which encodes the very bytes that the owner would.

Must not know: links, interest, the bus.
"""

from collections import deque
from enum import Enum, auto

from protocol.apply import Report
from protocol.errors import RemoteProtocolError
from protocol.frame import Frame, Scope
from protocol.geometry import Geometry
from protocol.limits import RETAINED_TICKS
from protocol.parts import PartTable
from protocol.schema import Schema
from server.gateway import limits
from server.gateway.baseline import Position
from server.gateway.strays import Strays
from server.shard.schedule import FULL_SPEED, runs

__all__ = ["Feed", "NotNowError", "Taken"]


STEPS_REMEMBERED = 8  # twice as many as the outermost ring waits


class NotNowError(Exception):
    """The table has gone on to a tick that is not in the frames yet: ask again at the next one."""


class Taken(Enum):
    """What became of a frame."""

    CHAINED = auto()
    RESET = auto()  # it starts anew: everything before it is void
    OLD = auto()
    GAP = auto()  # frames before it are missing; it was refused


class Feed:
    """One shard's frames and the table of its parts; `owners` is the shard's own, if it is here.

    `epoch` is that of the baselines, in which what is held now began: the newest frame's, or an
    older one if that goes on from it. `fresh` are the frames since the last snapshots. While
    `chained` they stand on one another from there on; otherwise a link needs an update from the
    copy. `damaged`: the copy is not what the shard has (a CRC says so) and the shard must be asked
    for all of it. Links may have missed what happened in the shard since tick `known`; None:
    nothing, until its first frame.
    """

    def __init__(
        self,
        schema: Schema,
        geometry: Geometry,
        shard: int,
        owners: PartTable | None = None,
        *,
        known: int | None = None,
    ) -> None:
        self.shard = shard
        self.epoch = 0
        self.newest: Frame | None = None
        self.fresh: list[Frame] = []
        self.chained = True
        self.damaged = False
        self.strays = Strays(geometry, len(schema.kinds), shard)
        self._owners = owners
        self._copy = PartTable(schema, geometry)
        self._backlog: deque[Frame] = deque()
        self._backlog_bytes = 0
        self._whole_since = 0
        self._known = known
        self._told_tick: int | None = None
        self._steps: deque[tuple[int, int]] = deque(maxlen=STEPS_REMEMBERED)

    @property
    def position(self) -> Position | None:
        """The newest tick that is held, None before the first frame."""
        return Position(self.epoch, self.newest.tick) if self.newest else None

    @property
    def tick(self) -> int:
        """The newest tick that is held, 0 before the first frame."""
        return self.newest.tick if self.newest else 0

    def tick_of_step_ago(self, steps: int) -> int | None:
        """The tick of the frame so many steps before the newest; None if it is not known."""
        newest = self.newest
        wanted = newest.step - steps if newest is not None else -1
        return next((tick for step, tick in self._steps if step == wanted), None)

    def runs(self, tick: int) -> bool:
        """Whether the shard, at the speed that it announced last, runs at `tick`."""
        return runs(tick, self.newest.dilation if self.newest else FULL_SPEED)

    def take(self, frame: Frame) -> Taken:
        """Put `frame` behind those held, if it follows them; it loses the events that are known."""
        taken = self._judge(frame)
        if taken in (Taken.RESET, Taken.CHAINED):
            self._pass_over_events(frame)
        if taken is Taken.RESET:
            self._start_anew(frame)
        if taken in (Taken.RESET, Taken.CHAINED):
            self._keep(frame)
        return taken

    def composed(self) -> None:
        """Forget the frames that are in snapshots now."""
        self.fresh.clear()
        self.strays.composed()
        self.chained = True

    def reaches(self, position: Position) -> bool:
        """Whether a delta since `position` of the present epoch can still be encoded exactly."""
        newest = self.newest
        if newest is None or position.epoch != self.epoch:
            return False
        return self._whole_since <= position.tick and newest.tick - position.tick < RETAINED_TICKS

    def table(self) -> PartTable:
        """The parts as of the newest frame. Raises NotNowError when they have gone on."""
        newest, owners = self.newest, self._owners
        if owners is not None:
            if newest is None or (owners.epoch, owners.tick) != (newest.epoch, newest.tick):
                raise NotNowError
            return owners
        while self._backlog:
            self._apply_oldest()
        return self._copy

    def _pass_over_events(self, frame: Frame) -> None:
        """Durable events are told in the order of their ticks, so the newest says which are known.

        Whoever holds nothing yet has no link that may have missed any, unless the gateway has been
        there before. Then players may have, who came from elsewhere: clients tell what they heard.
        """
        told, came = self._told_tick, False
        if told is None:
            came = self._known is not None
            told = frame.tick if self._known is None else self._known
        frame.events = [
            e
            for e in frame.events
            if not e.repeated or e.tick > told or (came and e.scope is Scope.ENTITY)
        ]
        ticks = [e.tick for e in frame.events if e.shard == self.shard]
        self._told_tick = max([told, *ticks])

    def _judge(self, frame: Frame) -> Taken:
        newest = self.newest
        if newest is not None:
            if frame.epoch < newest.epoch:
                return Taken.OLD
            if frame.epoch == newest.epoch and frame.tick <= newest.tick:
                return Taken.OLD
            if frame.stands_on(newest.epoch, newest.tick) and frame.tick > newest.tick:
                return Taken.CHAINED
        return Taken.RESET if frame.base == 0 else Taken.GAP

    def _start_anew(self, frame: Frame) -> None:
        self.epoch = frame.epoch
        self._copy.reset(frame.epoch)
        self._backlog.clear()
        self._backlog_bytes = 0
        self.fresh.clear()
        self.strays.start_anew()
        self._whole_since = frame.tick
        self.chained = self.newest is None  # who holds nothing of a shard can go on from anything
        self.damaged = False

    def _keep(self, frame: Frame) -> None:
        self.newest = frame
        self._steps.append((frame.step, frame.tick))
        self.fresh.append(frame)
        if len(self.fresh) > limits.FRAMES_CHAINED:
            self.fresh.clear()
            self.chained = False
        self.strays.note(frame)
        if self._owners is not None:
            return
        self._backlog.append(frame)
        self._backlog_bytes += len(frame.blob)
        while (
            len(self._backlog) > limits.BACKLOG_FRAMES or self._backlog_bytes > limits.BACKLOG_BYTES
        ):
            self._apply_oldest()

    def _apply_oldest(self) -> None:
        """Bring the copy one frame on. What does not fit is noted: it is to be made anew."""
        frame = self._backlog.popleft()
        self._backlog_bytes -= len(frame.blob)
        report = Report(names=False)
        try:
            self._copy.apply_frame(
                frame.blob, frame.offsets, frame.tick, frame.step, report, base=frame.base
            )
        except RemoteProtocolError:
            self.damaged = True
        self.damaged |= bool(report.failed or report.unsynced)
