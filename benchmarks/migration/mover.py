"""A coordinator that says where shards belong, and a watcher of what shard 0 publishes meanwhile.

Nodes stand by as candidates, as ever; this one has the lease.

Must not know: clients.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import trio

from benchmarks.cluster import WORLD
from protocol.frame import Frame
from protocol.schema import Schema
from server.cluster.nats.engine import Engine
from server.cluster.seams import Subscription
from server.placement.coordinator import BEACON_S
from server.placement.plan import Plan
from server.placement.words import COORDINATOR, Beacon, beacon_subject
from server.roles.world import founding_of
from server.settings import Settings
from server.shard.mail import frame_subject, gateway_subject, heir_sender
from sim import Game

__all__ = ["SHARD", "Change", "Mover", "missed"]

SHARD: Final = 0
LEASE_S: Final = 15.0  # nobody is to follow it, however busy the machine is


@attrs.frozen
class Change:
    """A change of owner as the bus has it: the ticks around it, how long its first frame is, and
    whether that stands on nothing.
    """

    epoch: int
    before: int
    after: int
    frame_bytes: int
    anew: bool

    @property
    def missed(self) -> int:
        """Ticks that nobody stepped."""
        return self.after - self.before - 1


class Mover:
    """Says where shards belong, and notes who publishes shard 0."""

    def __init__(self, game: Game, shards: str, engine: Engine) -> None:
        schema = Schema.from_data(game.describe())
        self._founding = founding_of(game, schema, Settings(world=WORLD, shards=shards))
        self._engine = engine
        self._start_s = time.time()
        self._number = 0
        self._plan = Plan()
        self._epoch = 0
        self.newest: tuple[int, int] | None = None
        self.changes: list[Change] = []
        self.overlaps = 0
        self.frame_bytes: list[int] = []  # of the frames that are no owner's first
        self.standby_bytes: list[int] = []  # of the answers to next owners

    async def run(
        self,
        homes: Mapping[int, str],
        *,
        watch: bool = True,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Coordinate until cancelled; at first shards belong to these `homes`."""
        self._plan = Plan(1, homes)
        frames = self._engine.bus.subscribe(frame_subject(WORLD, SHARD), buffer=4096)
        lease = await self._engine.directory.acquire(f"{WORLD}.{COORDINATOR}", b"mover", LEASE_S)
        assert lease is not None, "nobody else is there yet"
        self._epoch = lease.epoch
        async with trio.open_nursery() as nursery:
            if watch:
                nursery.start_soon(self._watch, frames)
                nursery.start_soon(self._watch_standbys)
            else:
                nursery.start_soon(self._wait_frame, frames)
            task_status.started()
            while True:
                self._say()
                await trio.sleep(BEACON_S)
                await lease.renew()

    def move(self, homes: Mapping[int, str]) -> None:
        """From now on shards belong to other nodes."""
        self._plan = Plan(self._plan.version + 1, homes)
        self._say()

    def _say(self) -> None:
        self._number += 1
        founding = self._founding
        beacon = Beacon(
            epoch=self._epoch,
            number=self._number,
            now_s=time.time(),
            start_s=self._start_s,
            hz=founding.hz,
            identity=founding.identity,
            geometry=founding.geometry,
            plan=self._plan,
        )
        self._engine.bus.publish(beacon_subject(WORLD), beacon.encode())

    async def _wait_frame(self, frames: Subscription) -> None:
        async for message in frames:
            frame = Frame.decode(message.data)
            self.newest = frame.epoch, frame.tick
            frames.close()

    async def _watch(self, frames: Subscription) -> None:
        async for message in frames:
            frame = Frame.decode(message.data)
            epoch, tick = self.newest or (frame.epoch, frame.tick - 1)
            if frame.epoch < epoch or frame.tick <= tick:
                self.overlaps += 1
                continue
            if frame.epoch != epoch:
                size, anew = len(message.data), not frame.base
                self.changes.append(Change(frame.epoch, tick, frame.tick, size, anew))
            else:
                self.frame_bytes.append(len(message.data))
            self.newest = frame.epoch, frame.tick

    async def _watch_standbys(self) -> None:
        subject = gateway_subject(WORLD, heir_sender(SHARD))
        async for message in self._engine.bus.subscribe(subject, buffer=64):
            self.standby_bytes.append(len(message.data))


def missed(changes: Sequence[Change]) -> list[Any]:
    """Of each change the ticks that nobody stepped."""
    return [change.missed for change in changes]
