"""Handing entities over: who is beyond the border is cut out, posted, and shown as a guest.

Invariants: an entity is cut out after its step, with its session; its out is numbered in the order
in which entities were cut, which replay repeats from the record.

Must not know: the journal, the bus.
"""

from collections.abc import Collection, Sequence
from typing import Any

import attrs
import numpy as np

from protocol.geometry import Geometry
from server.shard import limits
from server.shard.border import Border
from server.shard.forwarding import Forwarding
from server.shard.guests import GuestBatch, Guests, select
from server.shard.outbox import Outbox
from server.shard.sessions import Session, SessionTable
from sim.engine import Export
from sim.world import World

__all__ = ["Departure", "Handoff"]


@attrs.frozen
class Departure:
    """An entity that was cut out, the shard that it goes to, and its session if it has one."""

    entity: int
    to: int
    session: Session | None
    held: list[Any] | None  # the session as it was cut out

    def to_data(self) -> tuple[int, int, list[Any] | None]:
        """What a record says of it."""
        return self.entity, self.to, self.held


class Handoff:
    """Cuts entities out of one shard's world."""

    def __init__(
        self,
        geometry: Geometry,
        shard: int,
        world: World,
        sessions: SessionTable,
        outbox: Outbox,
    ) -> None:
        self._border = Border(geometry, shard)
        self._world = world
        self._sessions = sessions
        self._outbox = outbox
        self._players: dict[int, list[Departure]] = {}
        self.guests = Guests()
        self.forwarding = Forwarding()

    def cut(self, tick: int, exports: Sequence[Export]) -> tuple[list[Departure], list[GuestBatch]]:
        """Cut out who is beyond the border after `tick`; they are guests from now on."""
        batches = self._batches(tick, exports)
        if not batches:
            return [], []
        entities = np.concatenate([batch.rows.ids for batch in batches]).tolist()
        shards = np.concatenate([batch.to for batch in batches]).tolist()
        players = {session.entity: session for session in self._sessions}
        departures = []
        for entity, to in zip(entities, shards, strict=True):
            session = players.get(entity)
            held = None if session is None else session.to_data(tick)
            departures.append(Departure(entity, to, session, held))
        self._send(departures)
        for departure in departures:
            if departure.session is not None:
                self._sessions.remove(departure.session.id)
                self._players.setdefault(tick, []).append(departure)
        for batch in batches:
            self.guests.add(batch)
        return departures, batches

    def repeat(self, departures: Sequence[tuple[int, int, list[Any] | None]]) -> None:
        """Cut out again who a record says was cut out."""
        self._send([Departure(entity, to, None, held) for entity, to, held in departures])
        for _, _, held in departures:
            if held is not None:
                self._sessions.remove(held[0])

    def returned(self, entities: Collection[int]) -> None:
        """Entities have arrived: whoever of them was in transit from here is so no more.

        That they went away, and their sessions with them, is not told any more: it was long ago.
        """
        for entity in entities:
            self.forwarding.came(entity)
        self.guests.take_back(entities)
        for tick, players in list(self._players.items()):
            away = [departure for departure in players if departure.entity not in entities]
            if away:
                self._players[tick] = away
            else:
                del self._players[tick]

    def release(self, durable_tick: int) -> tuple[list[GuestBatch], list[tuple[int, int]]]:
        """The guests that were cut at `durable_tick` or before; (session, to) of the players."""
        ticks = [tick for tick in self._players if tick <= durable_tick]
        players = [
            (departure.session.id, departure.to)
            for tick in ticks
            for departure in self._players.pop(tick)
            if departure.session is not None
        ]
        return self.guests.release(durable_tick), players

    def guest_sessions(self) -> list[Session]:
        """The sessions of guests."""
        return [
            departure.session
            for departures in self._players.values()
            for departure in departures
            if departure.session is not None
        ]

    def _batches(self, tick: int, exports: Sequence[Export]) -> list[GuestBatch]:
        batches = []
        room = limits.HANDOFFS_PER_TICK
        for kind, rows in enumerate(exports):
            places, to = self._border.crossing(rows.x, rows.y)
            places, to = places[:room], to[:room]
            room -= len(places)
            if len(places):
                batches.append(GuestBatch(tick, kind, to, select(rows, places)))
        return batches

    def _send(self, departures: Sequence[Departure]) -> None:
        bodies = self._world.depart([departure.entity for departure in departures])
        for departure, body in zip(departures, bodies, strict=True):
            self._outbox.send_entity(departure.to, departure.entity, body, departure.held)
            self.forwarding.went(departure.entity, departure.to)
