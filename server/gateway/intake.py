"""What clients say, one message at a time. Nothing in here may raise because of what a client sent.

Arrivals only fill buffers: inputs go into the batch for their shard, acknowledgements into the
link's flow. Whoever sends too much, or nonsense, is closed with the reason.

Must not know: the bus, how snapshots are made.
"""

from protocol import messages
from protocol.errors import CloseCode, RemoteProtocolError
from protocol.messages import Message
from protocol.schema import Schema
from server.gateway import limits
from server.gateway.handshake import Handshake
from server.gateway.links import LinkState, Phase
from server.gateway.post import Post
from server.gateway.roster import Roster
from server.gateway.sessions import Sessions
from server.shard.mail import Confirm, Input

__all__ = ["Intake"]


class Intake:
    """Takes the messages of all links."""

    def __init__(
        self, schema: Schema, roster: Roster, handshake: Handshake, sessions: Sessions, post: Post
    ) -> None:
        self.inputs = 0
        self._schema = schema
        self._roster = roster
        self._handshake = handshake
        self._sessions = sessions
        self._post = post

    def receive(self, state: LinkState, data: bytes, now: float) -> None:
        """Take one message of `state`."""
        if state.phase is Phase.CLOSED:
            return
        try:
            message = state.connection.receive(data)
            if not state.confirmed:
                self._confirm(state)
            self._take(state, message, now)
        except RemoteProtocolError as error:
            self._roster.drop(state, error.code, error.reason)

    def _confirm(self, state: LinkState) -> None:
        """The client has its new token; the one before it is void from now on."""
        state.confirmed = True
        playing = state.session
        if playing is not None:
            playing.confirms = True
            self._post.add(playing.route, Confirm(playing.session, playing.generation))

    def _take(self, state: LinkState, message: Message, now: float) -> None:
        match message:
            case messages.Input():
                self._input(state, message)
            case messages.Ack():
                self._acknowledge(state, message.tick)
            case messages.Ping():
                self._roster.say(state, messages.Pong(message.stamp))
            case messages.Pong():
                self._pong(state, message, now)
            case messages.Resync():
                self._resync(state, message, now)
            case messages.Hello():
                self._handshake.hello(state, message, now)
            case messages.Bye():
                self._roster.left(state)

    def _input(self, state: LinkState, message: messages.Input) -> None:
        self._acknowledge(state, message.ack)
        playing = state.session
        if playing is None:
            raise RemoteProtocolError("an observer has no avatar", CloseCode.POLICY)
        if message.kind >= len(self._schema.inputs):
            raise RemoteProtocolError("no such input", CloseCode.BAD_MESSAGE)
        self._schema.inputs[message.kind].check(message.values)
        self.inputs += 1
        entry = Input(
            playing.session,
            playing.generation,
            message.seq,
            message.tick,
            message.view,
            message.kind,
            tuple(message.values),
            playing.posted or state.told,
        )
        self._sessions.send(state, playing, entry)

    def _acknowledge(self, state: LinkState, tick: int) -> None:
        if tick > state.flow.newest:
            raise RemoteProtocolError("this was never sent", CloseCode.BAD_MESSAGE)
        state.flow.acknowledged(tick, self._roster.awake_at)

    def _pong(self, state: LinkState, message: messages.Pong, now: float) -> None:
        round_trip_s = now - message.stamp / 1000
        if 0 <= round_trip_s <= limits.SILENCE_S:
            state.flow.measured(round_trip_s)

    def _resync(self, state: LinkState, message: messages.Resync, now: float) -> None:
        if state.sent is None:
            return
        state.damaged |= state.sent.cell_set.intersection(message.cells)
        if now - state.resynced_at >= limits.RESYNC_EVERY_S:
            state.resynced_at = now
            state.be_special()
