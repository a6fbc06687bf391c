"""Messages come out whole, in order and counted, whatever a client's frames look like."""

import itertools
from contextlib import suppress

import pytest
import wsproto.connection
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from protocol.errors import CloseCode, RemoteProtocolError
from server.net import limits
from server.net.inbound import Inbound

MASK = b"\x11\x22\x33\x44"


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, mask: bytes = MASK) -> bytes:
    length = len(payload)
    head = bytes(((0x80 if final else 0) | opcode, 0x80 | min(length, 126)))
    if length >= 126:
        head += length.to_bytes(2, "big")
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


class Reader:
    """An Inbound with the WebSocket library behind it, as in a connection."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.others: list[object] = []
        self.inbound = Inbound(self.messages.append)
        self._socket = wsproto.connection.Connection(wsproto.connection.SERVER)
        self._pieces = b""

    def feed(self, data: bytes, now: float = 0.0) -> None:
        lent = self.inbound.feed(data, now)
        if lent and self._socket.state is wsproto.connection.ConnectionState.OPEN:
            self._socket.receive_data(lent)
            for event in self._socket.events():
                self._take(event)

    def _take(self, event: object) -> None:
        if isinstance(event, BytesMessage):
            self._pieces += event.data
            if event.message_finished:
                message, self._pieces = self._pieces, b""
                self.inbound.returned(message)
        elif isinstance(event, TextMessage):
            self.inbound.returned(event.data)
        else:
            self.others.append(event)


def fragmented(payload: bytes, cuts: int, control: bool) -> bytes:
    size = len(payload) // (cuts + 1) + 1
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
    frames = [
        frame(2 if i == 0 else 0, piece, final=i == len(pieces) - 1)
        for i, piece in enumerate(pieces)
    ]
    return (frame(9, b"ping") if control else b"").join(frames)


messages = st.tuples(st.binary(max_size=200), st.integers(0, 5), st.booleans())


@given(st.lists(messages, max_size=8), st.integers(1, 200))
def test_messages_come_out_in_order_whatever_the_fragments_and_pieces(script, size):
    reader = Reader()
    stream = b"".join(fragmented(*entry) for entry in script)
    for at in range(0, len(stream), size):
        reader.feed(stream[at : at + size])
    assert reader.messages == [payload for payload, _, _ in script]


@given(st.lists(st.binary(max_size=400), max_size=5))
def test_arbitrary_bytes_give_messages_or_a_protocol_error(chunks):
    reader = Reader()
    with suppress(RemoteProtocolError):
        for chunk in chunks:
            reader.feed(chunk)


short = st.binary(max_size=30).map(lambda payload: frame(2, payload))
around_the_short_form = st.integers(120, 130).map(lambda length: frame(2, bytes(length)))
any_frame = st.builds(
    lambda opcode, payload, final: frame(opcode, payload, final=final),
    st.sampled_from([0, 0, 1, 2, 2, 8, 9, 10, 11]),
    st.binary(max_size=140),
    st.booleans(),
)
streams = st.lists(
    st.one_of(short, short, around_the_short_form, any_frame, st.binary(max_size=8)), max_size=12
).map(b"".join)


def outcome(pieces: list[bytes]) -> tuple[object, ...]:
    """All that becomes of a stream which comes in these pieces."""
    reader, error = Reader(), None
    try:
        for piece in pieces:
            reader.feed(piece)
    except RemoteProtocolError as raised:
        error = (raised.code, raised.reason)
    return reader.messages, reader.others, error


@settings(max_examples=300)
@given(streams, st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_where_a_stream_is_cut_makes_no_difference(stream, sizes):
    """Whole frames take a shorter way than those of which a part is missing."""
    cuts = [0]
    while cuts[-1] < len(stream):
        cuts.append(cuts[-1] + sizes[len(cuts) % len(sizes)])
    pieces = [stream[start:end] for start, end in itertools.pairwise(cuts)]
    assert outcome(pieces) == outcome([stream[at : at + 1] for at in range(len(stream))])


def test_a_flood_is_noticed_at_the_same_frame_however_it_comes():
    flood = frame(2, b"x") * 301
    in_one, bytewise = outcome([flood]), outcome([flood[at : at + 1] for at in range(len(flood))])
    assert in_one == bytewise
    assert len(in_one[0]) == limits.FRAMES_BURST


@given(st.binary(max_size=1000), st.binary(min_size=4, max_size=4))
def test_a_masked_payload_is_freed_of_its_mask(payload, mask):
    reader = Reader()
    reader.feed(frame(2, payload, mask=mask))
    assert reader.messages == [payload]


def test_a_common_message_never_reaches_the_library():
    inbound = Inbound(lambda _: None)
    assert inbound.feed(frame(2, b"common"), 0.0) == b""


def test_control_frames_reach_the_library_whole():
    inbound = Inbound(lambda _: None)
    ping = frame(9, b"are you there")
    assert inbound.feed(frame(2, b"x") + ping[:5], 0.0) == b""
    assert inbound.feed(ping[5:] + frame(2, b"y"), 0.0) == ping
    reader = Reader()
    reader.feed(ping + frame(10, b"I am"))
    assert [type(event) for event in reader.others] == [Ping, Pong]


def test_nothing_is_a_message_after_close():
    reader = Reader()
    reader.feed(frame(2, b"before") + frame(8, b"\x03\xe8") + frame(2, b"after"))
    assert reader.messages == [b"before"]
    assert [type(event) for event in reader.others] == [CloseConnection]


@pytest.mark.parametrize(
    "broken",
    [
        b"\x82\x01a",  # not masked
        frame(3, b"unknown opcode"),
        frame(0, b"continues nothing"),
        frame(9, b"fragmented control", final=False),
        b"\xc2" + frame(2, b"reserved bit")[1:],
        b"\x82\xfe\x00\x05" + MASK + b"short",  # a length in more bytes than it needs
        frame(2, b"one", final=False) + frame(2, b"another begins"),
    ],
)
def test_the_library_answers_whatever_breaks_the_protocol(broken):
    reader = Reader()
    reader.feed(broken + frame(2, b"after"))
    assert reader.messages == []
    (event,) = reader.others
    assert isinstance(event, CloseConnection)
    assert event.code == 1002


def test_a_long_message_is_refused_before_its_payload_has_come():
    reader = Reader()
    header = frame(2, bytes(limits.MESSAGE_BYTES + 1))[:4]
    with pytest.raises(RemoteProtocolError) as caught:
        reader.feed(header + MASK)
    assert caught.value.code == CloseCode.TOO_BIG
    reader = Reader()
    reader.feed(frame(2, bytes(limits.MESSAGE_BYTES)))
    assert len(reader.messages[0]) == limits.MESSAGE_BYTES, "the bound itself is welcome"


def test_fragments_that_add_up_to_a_long_message_are_refused():
    reader = Reader()
    reader.feed(frame(2, bytes(limits.MESSAGE_BYTES), final=False))
    with pytest.raises(RemoteProtocolError) as caught:
        reader.feed(frame(0, b"x"))
    assert caught.value.code == CloseCode.TOO_BIG


def test_empty_fragments_are_counted():
    reader = Reader()
    reader.feed(frame(2, final=False))
    with pytest.raises(RemoteProtocolError) as caught:
        reader.feed(frame(0, final=False) * limits.FRAGMENTS)
    assert caught.value.code == CloseCode.POLICY


@pytest.mark.parametrize("opcode", [2, 9, 10])
def test_a_flood_of_frames_is_refused_whatever_they_are(opcode):
    reader = Reader()
    with pytest.raises(RemoteProtocolError) as caught:
        reader.feed(frame(opcode) * (int(limits.FRAMES_BURST) + 1))
    assert caught.value.code == CloseCode.RATE


def test_a_flood_of_bytes_is_refused():
    reader = Reader()
    with pytest.raises(RemoteProtocolError) as caught:
        reader.feed(frame(2, bytes(limits.MESSAGE_BYTES)) * 16)
    assert caught.value.code == CloseCode.RATE


def test_whoever_keeps_to_the_rate_may_go_on_for_ever():
    reader = Reader()
    for number in range(5000):
        reader.feed(frame(2, b"twenty bytes of input"), now=number / limits.FRAMES_PER_S)
    assert len(reader.messages) == 5000


def test_text_has_no_meaning():
    reader = Reader()
    with pytest.raises(RemoteProtocolError) as caught:
        reader.feed(frame(1, b"text"))
    assert caught.value.code == CloseCode.BAD_MESSAGE
