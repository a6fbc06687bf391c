"""A player in a simulated world: a real client, with replica, playback and prediction, whose only
simulated part is the wire under it.

Must not know: shards, the gateway's inside.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from protocol.client import Client, Event
from protocol.playback import Shown
from protocol.replica import EntityView, Replica
from server.net.link import Closed
from server.net.memory import MemoryPair

__all__ = ["Event", "SimClient", "View"]

Connect = Callable[[], MemoryPair]


class View(Mapping[int, EntityView]):
    """What a client holds of the world, by entity id: everything in its interest, as of its newest
    snapshot. Looking up an entity that the client does not know raises KeyError.
    """

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def __getitem__(self, entity: int) -> EntityView:
        view = self._replica.entity(entity)
        if view is None:
            raise KeyError(entity)
        return view

    def __iter__(self) -> Iterator[int]:
        return iter(list(self._replica.ids()))

    def __len__(self) -> int:
        return len(list(self._replica.ids()))


class SimClient:
    """One player. Made by `Sim.join`; everything happens when the simulation ticks.

    `reads`: set it to False and the client stops reading, as a hung process would; set it to True
    and it goes on. `events` are all events that it was told, oldest first.
    """

    def __init__(self, client: Client, connect: Connect) -> None:
        self.client = client
        self.reads = True
        self._connect = connect
        self._now = 0.0
        self._pair = connect()
        self._pair.client.send(client.start())

    # --- the player ------------------------------------------------------------------------------

    @property
    def id(self) -> int:
        """The player's entity, 0 before it is welcomed and while it has none."""
        return self.client.entity

    @property
    def welcomed(self) -> bool:
        """Whether the player is in the world."""
        return self.client.welcome is not None

    def send(self, intent: object, /, **values: Any) -> None:
        """Send an input: an instance of a declared input class, or its name and its values.

        It goes out with the next tick, as a real client's would.
        """
        if isinstance(intent, str):
            name = intent
        else:
            name = type(intent).__name__
            values = _values(intent)
        self.client.send_input(name, values, self._now)

    # --- what the player knows -------------------------------------------------------------------

    @property
    def view(self) -> View:
        """The client's replica. Raises LookupError before the client is welcomed."""
        return View(self._replica)

    def screen(self) -> dict[int, Shown]:
        """What the player sees now: interpolated, a little behind; the own avatar predicted."""
        return self.client.screen(self._now)

    @property
    def events(self) -> Sequence[Event]:
        """All events so far, oldest first: name, tick, and the values by field, as attributes."""
        return list(self.client.events)

    @property
    def scores(self) -> Sequence[Any]:
        """The score board as it was told last: rows of (entity, name, score), best first."""
        return self.client.scores

    @property
    def mismatches(self) -> int:
        """How often a part's CRC told that the replica was wrong; 0 if all is well."""
        return self._replica.mismatches

    @property
    def checks(self) -> int:
        """How often a part's CRC was compared with the replica."""
        return self._replica.crc_checks

    @property
    def _replica(self) -> Replica:
        replica = self.client.replica
        if replica is None:
            raise LookupError("the client has not been welcomed yet: tick the simulation")
        return replica

    # --- the wire --------------------------------------------------------------------------------

    @property
    def closed(self) -> Closed | None:
        """Why the link ended, None while it is open."""
        return self._pair.client.closed

    @property
    def held_bytes(self) -> int:
        """What the server holds for this client: the rest of a frame that was taken in part."""
        return self._pair.link.statistics().remainder_bytes

    @property
    def next_arrival(self) -> float | None:
        """When the next bytes of the server arrive; None while none are under way."""
        return self._pair.down.next_arrival

    def cut(self) -> None:
        """Lose the link without a word."""
        self._pair.cut()

    def leave(self) -> None:
        """Say goodbye: the session ends."""
        self._pair.client.send(self.client.leave())

    def resume(self) -> None:
        """Come back over a new link with the resume token."""
        self._pair = self._connect()
        self._pair.client.send(self.client.reconnect())

    # --- for the simulation ----------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Read what has arrived by `now`, then say what there is to say."""
        self.hear(now)
        if self.closed is None:
            self.client.tick(now)
            for message in self.client.outgoing():
                self._pair.client.send(message)

    def hear(self, now: float) -> None:
        """Read what has arrived by `now`."""
        self._now = now
        self._pair.advance(now)
        if self.reads:
            for message in self._pair.client.receive():
                self.client.receive(message, now)


def _values(intent: Any) -> dict[str, Any]:
    if not attrs.has(type(intent)):
        raise TypeError(f"{intent!r} is not an instance of a declared input class")
    return {field.name: getattr(intent, field.name) for field in attrs.fields(type(intent))}
