"""Hears every frame of a world on the bus, independently of whoever runs it.

A frame that does not stand on the one before it was missed by us; as a gateway would, we ask the
shard for the whole, and know nothing of who is in it until the answer comes.

Must not know: processes, gateways' insides.
"""

import secrets
from typing import Final

import structlog
import trio

from protocol.apply import Report
from protocol.errors import ProtocolError
from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.parts import PartTable
from protocol.schema import Schema
from server.cluster.seams import Bus, Directory
from server.fleet.owners import Owners
from server.fleet.transit import Transit
from server.placement.reconciler import Listener
from server.shard.mail import (
    Mail,
    Resync,
    Resynced,
    frame_subject,
    gateway_subject,
    inbox_subject,
)
from server.shard.service import shard_lease_prefix

__all__ = ["Spectator"]

_log = structlog.get_logger(__name__)

BUFFERED: Final = 4096  # frames; dropped ones are noticed as gaps
ASK_AGAIN_S: Final = 1.0


class Spectator:
    """What is seen of owners and of entities in transit. `gaps` counts frames that we missed."""

    def __init__(self, schema: Schema, geometry: Geometry, world: str) -> None:
        self.owners = Owners()
        self.transit = Transit()
        self.gaps = 0
        self.frames = 0
        self._schema = schema
        self._geometry = geometry
        self._world = world
        self._name = f"spectator-{secrets.token_hex(4)}"
        self._tables: dict[int, PartTable] = {}
        self._asked: dict[int, float] = {}

    async def run(self, bus: Bus, directory: Directory, listener: Listener) -> None:
        """Hear until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hear_frames, bus)
            nursery.start_soon(self._hear_answers, bus)
            nursery.start_soon(self._hear_leases, directory)
            while True:
                beacon = await listener.wait()
                self.owners.placed(dict(beacon.plan.nodes))

    async def _hear_frames(self, bus: Bus) -> None:
        async for message in bus.subscribe(frame_subject(self._world, "*"), buffer=BUFFERED):
            try:
                frame = Frame.decode(message.data)
            except ProtocolError:
                continue
            now = trio.current_time()
            self.frames += 1
            self.owners.told(frame.shard, frame.epoch, frame.tick, frame.step, now)
            if not self._show(frame) and now - self._asked.get(frame.shard, -1e9) > ASK_AGAIN_S:
                self.gaps += 1
                self._asked[frame.shard] = now
                mail = Mail(self._name, (Resync(0),))
                bus.publish(inbox_subject(self._world, frame.shard), mail.encode())

    async def _hear_answers(self, bus: Bus) -> None:
        subject = gateway_subject(self._world, self._name)
        async for message in bus.subscribe(subject, buffer=BUFFERED):
            for item in Mail.decode(message.data).items:
                if isinstance(item, Resynced):
                    self._show(Frame.decode(item.frame))

    async def _hear_leases(self, directory: Directory) -> None:
        prefix = shard_lease_prefix(self._world)
        async for event in directory.watch(prefix):
            if event.kind == "put":
                shard = int(event.entry.name.removeprefix(prefix))
                self.owners.granted(shard, event.entry.epoch, event.entry.meta.decode())

    def _show(self, frame: Frame) -> bool:
        """Take in who is in a frame; False if it stands on one that we missed."""
        table = self._tables.get(frame.shard)
        if table is None:
            table = self._tables[frame.shard] = PartTable(self._schema, self._geometry)
        if table.knows(frame):
            return True
        if not table.make_way(frame):
            return False
        report = Report(names=False)
        table.apply_frame(
            frame.blob, frame.offsets, frame.tick, frame.step, report, base=frame.base
        )
        entities = {entity for slab in table.slabs for entity in slab.ids[slab.part >= 0].tolist()}
        self.transit.show(frame.shard, frame.tick, entities)
        return True
