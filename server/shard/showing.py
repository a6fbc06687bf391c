"""Showing steps that are taken again: frames of what was, for observers of a recording.

A frame is made for a slot of the showing's own time, whose tick is not the one that was recorded:
between two frames there may have been many steps, or none. Whoever was cut out in the newest step
is published as a guest, and is handed over with the next one.

Frames name no sessions: nobody plays here, so no gateway holds their links.

Must not know: records, the schedule.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from server.cluster.seams import Bus
from server.shard.framing import Framer
from server.shard.guests import GuestBatch, select
from server.shard.handoff import Handoff
from server.shard.mail import bulletin_subject, frame_subject
from server.shard.newsroom import Newsroom
from server.shard.replication import Replication
from server.shard.schedule import FULL_SPEED
from sim.engine import TickOutput
from sim.world import World

__all__ = ["Showing"]


class Showing:
    """Publishes one shard as it was."""

    def __init__(
        self,
        world: World,
        bus: Bus,
        handoff: Handoff,
        newsroom: Newsroom,
        replication: Replication,
        framer: Framer,
    ) -> None:
        self._world = world
        self._bus = bus
        self._handoff = handoff
        self._newsroom = newsroom
        self._replication = replication
        self._framer = framer
        self._kinds = range(len(world.game.rules.kinds))

    def stepped(
        self,
        tick: int,
        output: TickOutput,
        departures: Sequence[tuple[int, int, list[Any] | None]],
    ) -> None:
        """Note what a step did, before those who left after it are cut out."""
        self._newsroom.report(tick, output.events, output.scores)
        self._newsroom.durable(tick)  # it is: it was recorded
        if not departures:
            return
        to = {entity: shard for entity, shard, _ in departures}
        for kind in self._kinds:
            rows = self._world.export(kind)
            places = np.flatnonzero(np.isin(rows.ids, np.array(list(to), np.uint64)))
            if len(places):
                shards = np.array([to[entity] for entity in rows.ids[places].tolist()])
                self._handoff.guests.add(GuestBatch(tick, kind, shards, select(rows, places)))

    def show(self, world: str, tick: int, *, anew: bool = False) -> None:
        """Publish the moment after the newest step as the frame of `tick`; `world` is its name.

        `anew`: it stands on nothing, since somebody has missed one.
        """
        state, handoff = self._world, self._handoff
        exports = [state.export(kind) for kind in self._kinds]
        released, _ = handoff.release(state.tick - 1)
        self._replication.write(tick, state.step, exports, handoff.guests, released)
        if anew:
            self._framer.begin_anew()
        news = self._newsroom.take(lambda _: False)
        frame = self._framer.frame([], news, FULL_SPEED)
        bulletin = self._newsroom.bulletin(frame.epoch, tick)
        if bulletin is not None:
            self._bus.publish(bulletin_subject(world, frame.shard), bulletin.encode())
        self._bus.publish(frame_subject(world, frame.shard), frame.encode())
