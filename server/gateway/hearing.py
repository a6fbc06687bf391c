"""What a gateway hears on the bus: its mail, all bulletins, the frames of some shards or of all.

Resource handling: the subscriptions are there from the beginning and until `close`; `run` hands
over what comes until it is cancelled.

Must not know: what any of it says.
"""

from collections.abc import Callable, Iterable
from typing import TypeAlias

import trio

from server.cluster.seams import Bus, Subscription
from server.gateway import limits
from server.shard.mail import bulletin_subject, frame_subject, gateway_subject

__all__ = ["Hearing"]

Take: TypeAlias = Callable[[bytes], None]

_ALL = "*"


class Hearing:
    """The subscriptions of one gateway."""

    def __init__(self, bus: Bus, world: str, name: str) -> None:
        self._bus = bus
        self._world = world
        self._others: dict[str, Subscription] = {
            "mail": bus.subscribe(gateway_subject(world, name), buffer=limits.MAIL_BUFFERED),
            "bulletin": bus.subscribe(
                bulletin_subject(world, _ALL), buffer=limits.BULLETINS_BUFFERED
            ),
        }
        self._frames: dict[int | str, Subscription] = {}
        self._takers: dict[str, Take] = {}
        self._tasks: trio.Nursery | None = None

    def follow_all(self) -> None:
        """Hear the frames of every shard."""
        self._begin(_ALL)

    def follow(self, shards: Iterable[int]) -> None:
        """Hear the frames of these shards from now on, and of no others."""
        wanted = set(shards)
        for shard in self._frames.keys() - wanted:
            self._frames.pop(shard).close()
        for shard in sorted(wanted - self._frames.keys()):
            self._begin(shard)

    def _begin(self, shard: int | str) -> None:
        subject = frame_subject(self._world, shard)
        frames = self._bus.subscribe(subject, buffer=limits.FRAMES_BUFFERED)
        self._frames[shard] = frames
        if self._tasks is not None:
            self._tasks.start_soon(self._read, frames, "frame")

    async def run(self, *, frame: Take, bulletin: Take, mail: Take) -> None:
        """Hand over what comes, as it comes."""
        self._takers = {"frame": frame, "bulletin": bulletin, "mail": mail}
        async with trio.open_nursery() as self._tasks:
            for name, subscription in self._others.items():
                self._tasks.start_soon(self._read, subscription, name)
            for frames in self._frames.values():
                self._tasks.start_soon(self._read, frames, "frame")
            await trio.sleep_forever()

    async def _read(self, subscription: Subscription, name: str) -> None:
        take = self._takers[name]
        async for message in subscription:
            take(message.data)

    def take_nowait(self) -> None:
        """Hand over what is there already, bulletins and frames before mail."""
        for name in ("bulletin", "frame", "mail"):
            take = self._takers.get(name)
            if take is None:
                continue
            subscriptions = self._frames.values() if name == "frame" else [self._others[name]]
            for subscription in list(subscriptions):
                for message in subscription.take_nowait():
                    take(message.data)

    def close(self) -> None:
        """Hear nothing more."""
        for subscription in (*self._others.values(), *self._frames.values()):
            subscription.close()
