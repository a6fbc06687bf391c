"""Connections follow their table: what it allows goes through, the rest is somebody's fault."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import cbor, messages
from protocol import connection as connection_module
from protocol.connection import _TABLE, Connection, State, diagram
from protocol.errors import CloseCode, LocalProtocolError, RemoteProtocolError
from protocol.messages import Message, Role

EXAMPLES: dict[type, Message] = {
    type(message): message
    for message in (
        messages.Hello(name="Ada"),
        messages.Input(seq=1, tick=1, kind=0, values=()),
        messages.Ack(1),
        messages.Ping(1),
        messages.Pong(1),
        messages.Resync((1,)),
        messages.Bye(),
        messages.Welcome(session=1, token=b"", hz=20, tick=1, entity=0, schema={}, geometry={}),
        messages.Snapshot(tick=1),
        messages.Events(1, 0, ()),
        messages.Scores(()),
        messages.Goodbye(CloseCode.RESTART, "", 1.0),
        messages.GeometryChange({}),
    )
}
CLIENTS = (messages.Hello, messages.Input, messages.Ack, messages.Resync, messages.Bye)
OPPOSITE = {Role.CLIENT: Role.SERVER, Role.SERVER: Role.CLIENT}


def at(role: Role, state: State) -> Connection:
    connection = Connection(role)
    connection.state = state
    return connection


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("role", Role)
def test_the_table_says_what_may_be_sent_and_received(
    role: Role, state: State, kind: type[Message]
) -> None:
    message = EXAMPLES[kind]
    after = _TABLE.get((state, role), {}).get(kind)
    sender, receiver = at(role, state), at(OPPOSITE[role], state)
    if after is None:
        with pytest.raises(LocalProtocolError):
            sender.send(message)
        assert sender.state is state, "what was not sent changes nothing"
        with pytest.raises(RemoteProtocolError):
            receiver.receive(messages.encode(message))
        assert receiver.state is State.CLOSED, "a peer at fault is not listened to any more"
        return
    assert receiver.receive(sender.send(message)) == message
    assert sender.state is receiver.state is after, "both ends go on together"


def test_the_handshake_is_hello_then_welcome_then_play() -> None:
    client, server = Connection(Role.CLIENT), Connection(Role.SERVER)
    server.receive(client.send(EXAMPLES[messages.Hello]))
    client.receive(server.send(EXAMPLES[messages.Welcome]))
    server.receive(client.send(EXAMPLES[messages.Input]))
    client.receive(server.send(EXAMPLES[messages.Snapshot]))
    client.receive(server.send(EXAMPLES[messages.Goodbye]))
    assert client.state is server.state is State.CLOSED
    with pytest.raises(LocalProtocolError):
        server.send(messages.Ping(1))


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(list(EXAMPLES))), max_size=30))
@settings(deadline=None)
def test_two_ends_never_disagree(talk: list[tuple[bool, type[Message]]]) -> None:
    ends = {role: Connection(role) for role in Role}
    for by_client, kind in talk:
        sender = ends[Role.CLIENT if by_client else Role.SERVER]
        receiver = ends[OPPOSITE[sender.role]]
        try:
            data = sender.send(EXAMPLES[kind])
        except LocalProtocolError:
            continue
        assert receiver.receive(data) == EXAMPLES[kind], "whatever may be sent is understood"
        assert sender.state is receiver.state


@given(st.binary(max_size=60), st.sampled_from(State), st.sampled_from(Role))
def test_noise_closes_and_is_the_peers_fault(data: bytes, state: State, role: Role) -> None:
    connection = at(role, state)
    try:
        connection.receive(data)
    except RemoteProtocolError:
        assert connection.state is State.CLOSED


def test_another_version_is_refused_with_its_own_code() -> None:
    server = Connection(Role.SERVER)
    with pytest.raises(RemoteProtocolError) as refused:
        server.receive(cbor.dumps([0, 1, None, "Ada", None, None, False, "new"]))
    assert refused.value.code is CloseCode.VERSION
    assert server.state is State.CLOSED


def test_the_diagram_is_the_tables() -> None:
    lines = diagram().splitlines()
    assert len(lines) == len(_TABLE), "a line for every state and sender"
    assert connection_module.__doc__ is not None
    for line in lines:
        assert line in connection_module.__doc__, "the page shows what the table prints"
