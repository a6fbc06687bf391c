"""What the next owner of a shard holds of what the present one publishes, to go on from there.

A keyframe is asked for once, and every frame after it brings a copy of the parts forward, as at any
gateway. Where the copy stands at the very tick with which the journal ends, the next owner
publishes from it: its first frame stands on the last one of the former owner, and no receiver has
to begin anew. Whatever was missed on the bus leaves a copy that is of no use; then it is asked for
again.

Must not know: journals, leases, worlds.
"""

from typing import Final

import trio

from protocol.apply import Report
from protocol.errors import ProtocolError
from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.parts import PartTable
from protocol.schema import Schema
from server.cluster.seams import Bus
from server.shard import limits
from server.shard.mail import (
    Mail,
    MailError,
    Resync,
    Resynced,
    frame_subject,
    gateway_subject,
    heir_sender,
    inbox_subject,
)

__all__ = ["Succession"]

LOOK_S: Final = 0.005  # between two looks for what is about to come
ASK_AGAIN_S: Final = 0.25


class Succession:
    """Follows the frames of shard number `shard`, from the next one on."""

    def __init__(
        self, schema: Schema, geometry: Geometry, bus: Bus, *, world: str, shard: int
    ) -> None:
        self._bus = bus
        self._shard = shard
        self._sender = heir_sender(shard)
        self._inbox = inbox_subject(world, shard)
        self._answers = bus.subscribe(
            gateway_subject(world, self._sender), buffer=limits.FRAMES_BUFFERED
        )
        self._frames = bus.subscribe(frame_subject(world, shard), buffer=limits.FRAMES_BUFFERED)
        self._table = PartTable(schema, geometry)
        self._table.shard = shard
        self._whole = False
        self._asked_at = -ASK_AGAIN_S

    def follow(self) -> None:
        """Take what was published since; ask for everything if that leads nowhere."""
        came = [message.data for message in self._frames.take_nowait()]
        for message in self._answers.take_nowait():
            came += _answered(message.data)
        # An answer is of the same tick as a frame: it comes before it, which then says nothing.
        frames = [frame for data in came for frame in _read(data) if frame.shard == self._shard]
        for frame in sorted(frames, key=lambda frame: (frame.epoch, frame.tick, frame.base)):
            self._take(frame)
        if not self._whole and trio.current_time() - self._asked_at >= ASK_AGAIN_S:
            self._asked_at = trio.current_time()
            self._bus.publish(self._inbox, Mail(self._sender, (Resync(0),)).encode())

    async def wait_whole(self, patience_s: float) -> bool:
        """Follow until the copy is whole; False if it is not in time."""
        return await self._wait(None, patience_s)

    async def wait_for(self, tick: int, patience_s: float) -> PartTable | None:
        """The copy as of `tick`, when that has come; None if it is not in time, or gone by."""
        return self._table if await self._wait(tick, patience_s) else None

    def close(self) -> None:
        """Hear nothing more."""
        self._frames.close()
        self._answers.close()

    async def _wait(self, tick: int | None, patience_s: float) -> bool:
        with trio.move_on_after(patience_s):
            while True:
                self.follow()
                if self._whole and tick in (None, self._table.tick):
                    return True
                if tick is not None and not (self._whole and self._table.tick < tick):
                    return False
                await trio.sleep(LOOK_S)
        return False

    def _take(self, frame: Frame) -> None:
        table = self._table
        if table.knows(frame):
            return
        if (frame.base and not self._whole) or not table.make_way(frame):
            self._whole = False
            return
        report = Report(names=False)
        try:
            table.apply_frame(
                frame.blob, frame.offsets, frame.tick, frame.step, report, base=frame.base
            )
        except ProtocolError:
            self._whole = False
        else:
            self._whole = not (report.failed or report.unsynced)


def _answered(data: bytes) -> list[bytes]:
    try:
        items = Mail.decode(data).items
    except MailError:
        return []
    return [item.frame for item in items if isinstance(item, Resynced)]


def _read(data: bytes) -> list[Frame]:
    try:
        return [Frame.decode(data)]
    except ProtocolError:
        return []  # it counts as missed
