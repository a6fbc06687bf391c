"""What may be said when: both ends of a connection as one state table.

While        sends   what (-> the state after it)

    hello    client  Hello -> welcome
    hello    server  Goodbye -> closed
    welcome  client  Ping, Pong, Bye -> closed
    welcome  server  Ping, Pong, Welcome -> playing, Goodbye -> closed
    playing  client  Input, Ack, Resync, Ping, Pong, Bye -> closed
    playing  server  Snapshot, Events, Scores, GeometryChange, Ping, Pong, Goodbye -> closed

`_TABLE` below is the whole truth; `diagram()` prints it as above, and a test compares.

Bytes in, messages out; the same class plays both roles. What the peer does wrong raises
RemoteProtocolError with a close code, and the connection is closed; what we do wrong raises
LocalProtocolError and changes nothing.

Must not know: sockets, sessions, what messages mean.
"""

from enum import Enum
from typing import Final

from protocol import messages
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.messages import Message, Role

__all__ = ["Connection", "State", "diagram"]


class State(Enum):
    """How far a connection is."""

    HELLO = "hello"  # nobody has spoken
    WELCOME = "welcome"  # the hello is sent, its answer is not
    PLAYING = "playing"
    CLOSED = "closed"


_CHATTER: Final = (messages.Ping, messages.Pong)
_FROM_CLIENT: Final = (messages.Input, messages.Ack, messages.Resync, *_CHATTER)
_FROM_SERVER: Final = (
    messages.Snapshot,
    messages.Events,
    messages.Scores,
    messages.GeometryChange,
    *_CHATTER,
)

# (state, who sends) -> message class -> the state after it
_TABLE: Final[dict[tuple[State, Role], dict[type[Message], State]]] = {
    (State.HELLO, Role.CLIENT): {messages.Hello: State.WELCOME},
    (State.HELLO, Role.SERVER): {messages.Goodbye: State.CLOSED},
    (State.WELCOME, Role.CLIENT): {
        **dict.fromkeys(_CHATTER, State.WELCOME),
        messages.Bye: State.CLOSED,
    },
    (State.WELCOME, Role.SERVER): {
        **dict.fromkeys(_CHATTER, State.WELCOME),
        messages.Welcome: State.PLAYING,
        messages.Goodbye: State.CLOSED,
    },
    (State.PLAYING, Role.CLIENT): {
        **dict.fromkeys(_FROM_CLIENT, State.PLAYING),
        messages.Bye: State.CLOSED,
    },
    (State.PLAYING, Role.SERVER): {
        **dict.fromkeys(_FROM_SERVER, State.PLAYING),
        messages.Goodbye: State.CLOSED,
    },
}
_NOTHING: Final[dict[type[Message], State]] = {}


class Connection:
    """One end of a connection, as `role`."""

    __slots__ = ("_may_receive", "_may_send", "_peer", "_state", "role")

    def __init__(self, role: Role) -> None:
        self.role = role
        self._peer = Role.SERVER if role is Role.CLIENT else Role.CLIENT
        self.state = State.HELLO

    @property
    def state(self) -> State:
        """How far the connection is."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state
        # What the table says of it, for looking that up costs as much as reading a message.
        self._may_send = _TABLE.get((state, self.role), _NOTHING)
        self._may_receive = _TABLE.get((state, self._peer), _NOTHING)

    def send(self, message: Message) -> bytes:
        """The bytes of `message`, as one WebSocket message.

        Raises LocalProtocolError if it may not be sent now.
        """
        after = self._may_send.get(type(message))
        if after is None:
            raise LocalProtocolError(
                f"a {self.role.value} sends no {type(message).__name__} while {self.state.value}"
            )
        data = messages.encode(message)
        if after is not self._state:
            self.state = after
        return data

    def receive(self, data: bytes | memoryview) -> Message:
        """The message in `data`, one binary WebSocket message of the peer.

        Raises RemoteProtocolError if it is none or may not be sent now; the connection is then
        closed.
        """
        try:
            message = messages.decode(data, self._peer)
        except BaseException:
            self.state = State.CLOSED
            raise
        after = self._may_receive.get(type(message))
        if after is None:
            before, self.state = self._state, State.CLOSED
            raise RemoteProtocolError(
                f"a {self._peer.value} sends no {type(message).__name__} while {before.value}"
            )
        if after is not self._state:
            self.state = after
        return message


def diagram() -> str:
    """The state table as text, a line for each state and sender."""
    lines = []
    for (state, sender), moves in _TABLE.items():
        said = ", ".join(
            message.__name__ if after is state else f"{message.__name__} -> {after.value}"
            for message, after in moves.items()
        )
        lines.append(f"{state.value:8} {sender.value:7} {said}")
    return "\n".join(lines)
