"""What arrives for a shard on the bus, taken once per tick and decoded strictly.

A message that cannot be read is counted and dropped: a broken sender must not stop the world.

Must not know: what mail asks for.
"""

from collections.abc import Iterator

import attrs

from protocol import cbor
from protocol.errors import ProtocolError
from protocol.frame import Frame
from server.cluster.seams import Bus, Subscription
from server.shard import limits
from server.shard.mail import (
    Mail,
    MailError,
    Resynced,
    frame_subject,
    gateway_subject,
    inbox_subject,
    resume_subject,
    shard_sender,
    taken_subject,
)

__all__ = ["Inbox", "Taken"]


@attrs.define
class Taken:
    """What came since the last tick: mail, others' frames, and (shard, number) that it took."""

    mail: list[Mail] = attrs.field(factory=list)
    frames: list[Frame] = attrs.field(factory=list)
    acknowledged: list[tuple[int, int]] = attrs.field(factory=list)


class Inbox:
    """The subscriptions of one shard. Frames are taken only from the shards in `neighbours`."""

    def __init__(self, bus: Bus, world: str, shard: int, neighbours: frozenset[int]) -> None:
        self._bus = bus
        self._world = world
        self.malformed = 0
        size = limits.INBOX_MESSAGES
        self._mail = [
            bus.subscribe(inbox_subject(world, shard), buffer=size),
            bus.subscribe(resume_subject(world), buffer=size),
        ]
        self._acknowledged = bus.subscribe(taken_subject(world, shard), buffer=size)
        self._answers = bus.subscribe(
            gateway_subject(world, shard_sender(shard)), buffer=limits.FRAMES_BUFFERED
        )
        self._frames: dict[int, Subscription] = {}
        self.watch(neighbours)

    def watch(self, neighbours: frozenset[int]) -> None:
        """From now on take the frames of these shards."""
        for former in self._frames.keys() - neighbours:
            self._frames.pop(former).close()
        for fresh in sorted(neighbours - self._frames.keys()):
            self._frames[fresh] = self._bus.subscribe(
                frame_subject(self._world, fresh), buffer=limits.FRAMES_BUFFERED
            )

    @property
    def is_empty(self) -> bool:
        """Whether no mail waits."""
        return not any(each.statistics().waiting for each in self._mail)

    def take(self) -> Taken:
        """Everything that came since the last call."""
        taken = Taken()
        for subscription in self._mail:
            for message in subscription.take_nowait():
                self._read_mail(message.data, taken)
        for message in self._acknowledged.take_nowait():
            self._read_acknowledged(message.data, taken)
        for subscription in self._frames.values():
            for message in subscription.take_nowait():
                self._read_frame(message.data, taken)
        for message in self._answers.take_nowait():
            self._read_answers(message.data, taken)
        return taken

    def skip(self) -> None:
        """Pass over what came until now."""
        for subscription in self._all:
            subscription.take_nowait()

    def close(self) -> None:
        """Receive nothing more."""
        for subscription in self._all:
            subscription.close()

    @property
    def _all(self) -> Iterator[Subscription]:
        yield from (*self._mail, self._acknowledged, self._answers, *self._frames.values())

    def _read_mail(self, data: bytes, taken: Taken) -> None:
        try:
            taken.mail.append(Mail.decode(data))
        except MailError:
            self.malformed += 1

    def _read_acknowledged(self, data: bytes, taken: Taken) -> None:
        try:
            match cbor.loads(data):
                case [int(shard), int(number)]:
                    taken.acknowledged.append((shard, number))
                case _:
                    self.malformed += 1
        except ProtocolError:
            self.malformed += 1

    def _read_frame(self, data: bytes, taken: Taken) -> None:
        try:
            frame = Frame.decode(data)
        except ProtocolError:
            self.malformed += 1
            return
        if frame.shard in self._frames:
            taken.frames.append(frame)

    def _read_answers(self, data: bytes, taken: Taken) -> None:
        try:
            mail = Mail.decode(data)
        except MailError:
            self.malformed += 1
            return
        for item in mail.items:
            if isinstance(item, Resynced):
                self._read_frame(item.frame, taken)
