"""Both roles follow one state table, whatever is said in whatever order."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import cbor, connection, messages
from protocol.connection import Connection, State
from protocol.errors import CloseCode, LocalProtocolError, RemoteProtocolError
from protocol.messages import Message, Role

CLIENT: list[Message] = [
    messages.Hello(name="Ada"),
    messages.Input(seq=1, tick=5, kind=0, values=()),
    messages.Ack(5),
    messages.Resync((1,)),
    messages.Bye(),
]
SERVER: list[Message] = [
    messages.Welcome(session=1, token=b"t", hz=20, tick=4, entity=9, schema={}, geometry={}),
    messages.Snapshot(tick=5),
    messages.Events(5, 0, ((0,),)),
    messages.Scores(()),
    messages.GeometryChange({}),
    messages.Goodbye(CloseCode.RESTART, "", 1.0),
]
CHATTER: list[Message] = [messages.Ping(1), messages.Pong(1)]
SAID = {Role.CLIENT: [*CLIENT, *CHATTER], Role.SERVER: [*SERVER, *CHATTER]}
OTHER = {Role.CLIENT: Role.SERVER, Role.SERVER: Role.CLIENT}
TURNS = [(role, message) for role in Role for message in SAID[role]]


def pair() -> dict[Role, Connection]:
    return {role: Connection(role) for role in Role}


def said(ends: dict[Role, Connection], sender: Role, message: Message) -> Message:
    heard = ends[OTHER[sender]].receive(ends[sender].send(message))
    assert heard == message, "what is said is heard"
    assert ends[sender].state is ends[OTHER[sender]].state, "both ends are in the same state"
    return heard


def playing() -> dict[Role, Connection]:
    ends = pair()
    said(ends, Role.CLIENT, CLIENT[0])
    said(ends, Role.SERVER, SERVER[0])
    return ends


def test_a_game_from_hello_to_bye() -> None:
    ends = pair()
    assert ends[Role.CLIENT].state is State.HELLO
    said(ends, Role.CLIENT, CLIENT[0])
    assert ends[Role.SERVER].state is State.WELCOME
    said(ends, Role.CLIENT, CHATTER[0])
    said(ends, Role.SERVER, CHATTER[1])
    said(ends, Role.SERVER, SERVER[0])
    for message in [*SERVER[1:5], *CHATTER]:
        said(ends, Role.SERVER, message)
    for message in [*CLIENT[1:4], *CHATTER]:
        said(ends, Role.CLIENT, message)
    assert ends[Role.CLIENT].state is State.PLAYING
    said(ends, Role.CLIENT, CLIENT[4])
    assert ends[Role.SERVER].state is State.CLOSED


@pytest.mark.parametrize("words", range(3))
def test_a_server_may_say_goodbye_at_any_time(words: int) -> None:
    ends = pair()
    for sender, message in [(Role.CLIENT, CLIENT[0]), (Role.SERVER, SERVER[0])][:words]:
        said(ends, sender, message)
    said(ends, Role.SERVER, SERVER[5])
    assert ends[Role.CLIENT].state is State.CLOSED


@given(st.lists(st.sampled_from(TURNS), max_size=12))
def test_whatever_may_be_sent_may_be_received_and_nothing_else(
    turns: list[tuple[Role, Message]],
) -> None:
    """The sender refuses by itself just what the receiver would refuse."""
    ends = playing() if len(turns) % 2 else pair()
    for sender, message in turns:
        receiver = ends[OTHER[sender]]
        before = receiver.state
        try:
            data = ends[sender].send(message)
        except LocalProtocolError:
            assert ends[sender].state is before, "what was not sent changes nothing"
            with pytest.raises(RemoteProtocolError) as refused:
                receiver.receive(messages.encode(message))
            assert refused.value.code is CloseCode.BAD_MESSAGE
            assert receiver.state is State.CLOSED, "a peer that errs is not listened to again"
            return
        assert receiver.receive(data) == message
        assert receiver.state is ends[sender].state


def test_nothing_comes_before_the_hello() -> None:
    for message in SAID[Role.CLIENT]:
        if isinstance(message, messages.Hello):
            continue
        with pytest.raises(RemoteProtocolError):
            Connection(Role.SERVER).receive(messages.encode(message))


def test_another_version_is_refused_with_its_own_code() -> None:
    server = Connection(Role.SERVER)
    with pytest.raises(RemoteProtocolError) as refused:
        server.receive(cbor.dumps([0, 2, None, "Ada", None, None, False, "new"]))
    assert refused.value.code is CloseCode.VERSION
    assert server.state is State.CLOSED


def test_nothing_is_said_after_the_end() -> None:
    ends = playing()
    said(ends, Role.CLIENT, messages.Bye())
    for role in Role:
        for message in SAID[role]:
            with pytest.raises(LocalProtocolError):
                ends[role].send(message)
            with pytest.raises(RemoteProtocolError):
                ends[OTHER[role]].receive(messages.encode(message))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_the_peers_fault(data: bytes) -> None:
    for role, ends in product(Role, (pair, playing)):
        end = ends()[role]
        try:
            end.receive(data)
        except RemoteProtocolError:
            assert end.state is State.CLOSED


def test_the_diagram_tells_the_whole_table() -> None:
    diagram = connection.diagram()
    assert connection.__doc__ is not None
    for line in diagram.splitlines():
        assert line in connection.__doc__, "the module's diagram is the one that its table prints"
    for role in Role:
        for message in SAID[role]:
            assert type(message).__name__ in diagram
