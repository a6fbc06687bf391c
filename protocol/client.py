"""The whole client without its socket: bytes in, bytes out, time as an argument.

It says hello, applies snapshots to its replica, acknowledges them (on inputs, else at most four
times a second), paces its inputs by the server's reports, measures the round trip, asks for parts
whose replica went wrong, and comes back after a lost link with its unacknowledged inputs. The
predictor is given from outside, since this package knows no simulation.

Must not know: sockets, games, rendering.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs

from protocol import limits, messages
from protocol.clock import InputPacer, RoundTrip, Timeline
from protocol.connection import Connection, State
from protocol.errors import LocalProtocolError
from protocol.events import Event, Heard
from protocol.foresight import Foresight, PredictorFactory
from protocol.geometry import Geometry
from protocol.messages import Message, Role
from protocol.playback import Playback, Shown
from protocol.replica import Changes, Replica
from protocol.schema import Schema
from protocol.totals import ClientStatistics
from protocol.unconfirmed import Unconfirmed

__all__ = ["Client", "ClientStatistics", "Event"]

ACK_EVERY_S: Final = 0.25
PING_EVERY_S: Final = 1.0
RESYNC_EVERY_S: Final = 1.0


class Client:
    """One player, or one observer, of a world.

    `predictor_factory(schema data, kind index)` makes the predictor of the own avatar; None shows
    it like everybody else. `playback=False` saves the tracks for who never looks at `screen`.
    """

    def __init__(
        self,
        name: str = "",
        *,
        world: str | None = None,
        token: bytes | None = None,
        resume: bytes | None = None,
        observe: bool = False,
        predictor_factory: PredictorFactory | None = None,
        playback: bool = True,
        fixed_delay_s: float | None = None,
    ) -> None:
        self.name = name
        self._hello = messages.Hello(
            world=world, name=name, token=token, resume=resume, observe=observe
        )
        self._factory = predictor_factory
        self._wants_playback = playback
        self._fixed_delay_s = fixed_delay_s
        self._connection = Connection(Role.CLIENT)
        self.welcome: messages.Welcome | None = None
        self.schema: Schema | None = None
        self.geometry: Geometry | None = None
        self.replica: Replica | None = None
        self.playback: Playback | None = None
        self.timeline: Timeline | None = None
        self.foresight: Foresight | None = None
        self._foreseen = (0, 0)
        self.entity = 0
        self.private: dict[str, float | int | str] = {}
        self.goodbye: messages.Goodbye | None = None
        self.scores: tuple[messages.ScoreRow | tuple[int, str, int], ...] = ()
        self.events: deque[Event] = deque(maxlen=limits.CLIENT_EVENTS)
        self._heard = Heard()
        self.on_changes: Callable[[Changes], None] | None = None
        self._out: list[bytes] = []
        self._round_trip = RoundTrip()
        self._pacer = InputPacer(20)
        self._inputs = Unconfirmed()
        self._resuming = False  # from the welcome of another link to its first snapshot
        self._acked = 0
        self._ack_due = self._ping_due = self._resync_due = 0.0
        self._resync: set[int] = set()
        self._totals = dict.fromkeys(("bytes", "messages", "snapshots", "events", "resumes"), 0)
        self._checks = self._mismatches = 0

    # --- the link's life -------------------------------------------------------------------------

    def start(self) -> bytes:
        """The hello: the first message on a link, also after one that ended without a welcome."""
        self._connection = Connection(Role.CLIENT)
        self._out.clear()
        return self._connection.send(self._hello)

    def reconnect(self) -> bytes:
        """The hello on another link, which asks for the session back.

        What was shown stays until the welcome; inputs that the server has not confirmed are sent
        again after it. If the session is gone (4401), make a new client.
        """
        self._connection = Connection(Role.CLIENT)
        self._out.clear()
        self.goodbye = None
        token = self.welcome.token if self.welcome is not None else self._hello.resume
        hello = attrs.evolve(self._hello, resume=token or None)
        if self.welcome is not None:
            self._totals["resumes"] += 1
        return self._connection.send(hello)

    def leave(self) -> bytes:
        """The last message of a player who goes for good."""
        return self._connection.send(messages.Bye())

    @property
    def ready(self) -> bool:
        """Whether the welcome and a first snapshot are here."""
        return self.timeline is not None and self.timeline.started

    @property
    def playing(self) -> bool:
        """Whether the link is up and the server has let this client in."""
        return self._connection.state is State.PLAYING

    # --- bytes in --------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> Message:
        """Take one message of the server, and give it as it was read.

        Raises RemoteProtocolError when it is none, or may not be sent now: close the link.
        """
        self._totals["bytes"] += len(data)
        self._totals["messages"] += 1
        message = self._connection.receive(data)
        match message:
            case messages.Snapshot():
                self._take_snapshot(message, now)
            case messages.Events():
                self._take_events(message)
            case messages.Scores(rows=rows):
                self.scores = rows
            case messages.Ping(stamp=stamp):
                self._say(messages.Pong(stamp))
            case messages.Pong(stamp=stamp):
                self._round_trip.add(now - stamp / 1000)
                self._pacer.round_trip(self._round_trip.seconds)
            case messages.Welcome():
                self._take_welcome(message, now)
            case messages.Goodbye():
                self.goodbye = message
            case messages.GeometryChange(geometry=geometry):
                self.geometry = Geometry.from_data(geometry)
                assert self.replica is not None, "a geometry changes after the welcome"
                self.replica.regeometry(self.geometry)
            case _:
                raise AssertionError("the connection's table lets nothing else through")
        return message

    # --- bytes out -------------------------------------------------------------------------------

    def outgoing(self) -> list[bytes]:
        """The messages to send now, in order."""
        out, self._out = self._out, []
        return out

    def tick(self, now: float) -> None:
        """Do what time has brought: acknowledgements, pings, requests for keyframes."""
        if not self.playing or self.replica is None:
            return
        if now >= self._ack_due and self.replica.tick > self._acked:
            self._acked = self.replica.tick
            self._ack_due = now + ACK_EVERY_S
            self._say(messages.Ack(self._acked))
        if now >= self._ping_due:
            self._ping_due = now + PING_EVERY_S
            self._say(messages.Ping(max(int(now * 1000), 0)))
        if self._resync and now >= self._resync_due:
            self._resync_due = now + RESYNC_EVERY_S
            cells = sorted(self._resync)[: limits.RESYNC_CELLS_MAX]
            self._resync.difference_update(cells)
            self._say(messages.Resync(tuple(cells)))

    def send_input(self, kind: str, values: Mapping[str, object], now: float) -> int:
        """Send an intent by the names of its kind and fields; gives its number.

        While the link is lost it is kept, and sent when the session is back.

        Raises LocalProtocolError before the first snapshot, and for values that do not fit.
        """
        schema, timeline = self.schema, self.timeline
        if schema is None or timeline is None or timeline.newest == 0 or self.replica is None:
            raise LocalProtocolError("there is no world yet to send an input to")
        index = schema.input_index(kind)
        fields = schema.inputs[index].fields
        if set(values) != {field.name for field in fields}:
            raise LocalProtocolError(f"{kind} has the fields {[field.name for field in fields]}")
        wire = schema.inputs[index].encode([values[field.name] for field in fields])
        self._acked = self.replica.tick
        self._ack_due = now + ACK_EVERY_S
        entry = messages.Input(
            seq=self._inputs.newest + 1,
            tick=self.input_tick(now),
            view=max(int(timeline.render_tick(now) * 256), 0),
            ack=self._acked,
            kind=index,
            values=tuple(wire),
        )
        self._inputs.add(entry)
        if self.foresight is not None:
            self.foresight.sent(entry, schema.inputs[index])
        if self.playing and not self._resuming:
            self._say(entry)  # else it waits with the others for the session to go on
        return entry.seq

    # --- what to show ----------------------------------------------------------------------------

    def server_tick(self, now: float) -> float:
        """The server's tick as the newest snapshots tell it."""
        return 0.0 if self.timeline is None else self.timeline.server_tick(now)

    def input_tick(self, now: float) -> int:
        """The tick that an input sent now is meant for."""
        return max(int(self._pacer.tick(self.server_tick(now), now)), 1)

    def origin(self, now: float) -> tuple[float, float] | None:
        """Where the server will have the own avatar when an input that is sent now takes effect.

        Inputs take effect between ticks, the screen shows the avatar within one. So aim at a point
        of the screen from here, and the shot goes through that point on the server as well. None
        where nothing is predicted: then aim from where the avatar is shown.
        """
        return None if self.foresight is None else self.foresight.origin(self.input_tick(now))

    def screen(self, now: float) -> dict[int, Shown]:
        """Everybody as the player sees them now; the own avatar predicted, if that is on."""
        if self.playback is None or self.timeline is None:
            return {}
        shown = self.playback.screen(self.timeline.render_tick(now))
        if self.foresight is not None and self.entity in shown:
            ahead = self._pacer.tick(self.server_tick(now), now)
            spot = self.foresight.position(ahead, now)
            if spot is not None:
                x, y, vx, vy = spot
                shown[self.entity] = attrs.evolve(shown[self.entity], x=x, y=y, vx=vx, vy=vy)
        return shown

    def statistics(self) -> ClientStatistics:
        """Totals so far."""
        timeline = self.timeline.statistics() if self.timeline else None
        foresight = self.foresight
        return ClientStatistics(
            bytes_received=self._totals["bytes"],
            messages_received=self._totals["messages"],
            snapshots=self._totals["snapshots"],
            crc_checks=self._checks,
            mismatches=self._mismatches,
            inputs=self._inputs.newest,
            inputs_lost=self._inputs.lost,
            events=self._totals["events"],
            resumes=self._totals["resumes"],
            corrections=foresight.corrections if foresight else 0,
            rubber_bands=foresight.rubber_bands if foresight else 0,
            round_trip_s=self._round_trip.seconds,
            view_age_s=timeline.delay_s if timeline else 0.0,
            stalls=timeline.stalls if timeline else 0,
        )

    # --- inside ----------------------------------------------------------------------------------

    def _say(self, message: Message) -> None:
        self._out.append(self._connection.send(message))

    def _take_welcome(self, welcome: messages.Welcome, now: float) -> None:
        self.schema = Schema.from_data(welcome.schema)
        self.geometry = Geometry.from_data(welcome.geometry)
        resumed = self._is_resumed(welcome)
        self.welcome = welcome
        self.entity = welcome.entity
        self.replica = Replica(self.schema, self.geometry)
        self._resync.clear()
        self._acked = 0
        self._ping_due = now
        if resumed:
            self._go_on()
        else:
            self._begin(welcome.hz)

    def _is_resumed(self, welcome: messages.Welcome) -> bool:
        """Whether it is the session, and the game, that was played before the link was lost."""
        was = self.welcome
        return was is not None and was.session == welcome.session and was.schema == welcome.schema

    def _begin(self, hz: int) -> None:
        assert self.schema is not None
        self.playback = Playback(self.schema) if self._wants_playback else None
        self.timeline = Timeline(hz, self._fixed_delay_s)
        self.foresight = None
        self._foreseen = (0, 0)
        self._pacer = InputPacer(hz)
        self._inputs = Unconfirmed()
        self._resuming = False
        self._heard = Heard()

    def _go_on(self) -> None:
        """Show what was shown, until the snapshots say otherwise."""
        assert self.timeline is not None
        self.timeline.restart()
        self._pacer.restart()
        if self.playback is not None:
            self.playback.restart()
        self._resuming = True

    def _repeat(self, now: float) -> None:
        """The first snapshot of another link says what may be lost: send it again."""
        self._resuming = False
        before, aim = self._pacer.last, self.input_tick(now)
        entries = self._inputs.again(aim)
        if aim < int(before) and self.foresight is not None:
            # The world stood still: what was predicted is of a time that did not come.
            self._predict(self.foresight.entity, self.foresight.kind, entries)
        for entry in entries:
            self._say(entry._replace(ack=0))

    def _take_snapshot(self, snapshot: messages.Snapshot, now: float) -> None:
        replica, timeline = self.replica, self.timeline
        assert replica is not None, "a snapshot follows the welcome"
        assert timeline is not None
        changes = replica.apply(snapshot)
        timeline.arrive(snapshot.tick, now)
        self._totals["snapshots"] += 1
        self._checks += changes.crc_checks
        self._mismatches += changes.mismatches
        self._resync.update(changes.resync)
        if self.playback is not None:
            self.playback.feed(replica, changes, shown=timeline.shown)
        if snapshot.report is not None:
            applied, margin = snapshot.report
            if self._inputs.confirm(applied):
                self._pacer.report(margin, now, self._round_trip.seconds)
        if snapshot.private is not None:
            self._take_private(snapshot.private)
        if self._resuming:
            self._repeat(now)
        if self.foresight is not None:
            self.foresight.snapshot(replica, self.private, self._inputs.confirmed)
        if self.on_changes is not None:
            self.on_changes(changes)

    def _take_private(self, private: messages.Private) -> None:
        schema = self.schema
        assert schema is not None
        self.entity = private.entity
        if private.kind >= len(schema.kinds):
            return
        fields = schema.kinds[private.kind].private
        self.private = {
            field.name: value if field.type == "u64" else field.lo + value * field.step
            for field, value in zip(fields, private.values, strict=False)
        }
        if self._factory is not None and self._foreseen != (private.entity, private.kind):
            self._foreseen = (private.entity, private.kind)
            self.foresight = None
            self._predict(*self._foreseen)

    def _predict(self, entity: int, kind: int, inputs: Sequence[messages.Input] = ()) -> None:
        """Predict the own avatar, with these inputs, from the server's next word on."""
        assert self.schema is not None
        assert self._factory is not None
        predictor, was = self._factory(self.schema.data, kind), self.foresight
        if was is not None:
            predictor.corrections, predictor.rubber_bands = was.corrections, was.rubber_bands
        self.foresight = Foresight(predictor, entity, kind) if predictor.predictable else None
        if self.foresight is not None:
            for entry in inputs:
                self.foresight.sent(entry, self.schema.inputs[entry.kind])

    def _take_events(self, batch: messages.Events) -> None:
        schema = self.schema
        assert schema is not None
        heard = self._heard.begin()
        for number, *items in batch.events:
            if number < len(schema.events):
                kind = schema.events[number]
                names = [field.name for field in kind.fields]
                told = batch.tick, batch.shard, number, tuple(items)
                if kind.durable and not heard.is_new(*told):
                    continue
                values = dict(zip(names, kind.decode(items), strict=True))
                self.events.append(Event(kind.name, batch.tick, batch.shard, values))
                self._totals["events"] += 1
