from hypothesis import given
from hypothesis import strategies as st

from server.net.frames import BINARY, CLOSE, Frame, FrameReader, binary_header, close_frame, frame

payloads = st.one_of(st.binary(max_size=300), st.integers(0, 70_000).map(bytes))


@given(st.lists(payloads, max_size=5), st.data())
def test_frames_read_back_in_whatever_pieces_they_come(payload_list, data):
    stream = b"".join(frame(payload) for payload in payload_list)
    reader, frames, position = FrameReader(), [], 0
    while position < len(stream):
        size = data.draw(st.integers(1, len(stream)))
        frames += reader.feed(stream[position : position + size])
        position += size
    assert frames == [Frame(BINARY, payload) for payload in payload_list]
    assert not reader.partial, "a whole stream leaves nothing behind"


def test_header_sizes_follow_the_standard():
    sizes = {0: 2, 125: 2, 126: 4, 65535: 4, 65536: 10}
    assert {length: len(binary_header(length)) for length in sizes} == sizes


def test_parts_make_one_payload():
    assert frame(b"head", b"", b"body") == binary_header(8) + b"headbody"


def test_a_long_close_reason_is_cut_at_a_whole_character():
    (closing,) = FrameReader().feed(close_frame(4400, "é" * 100))
    assert closing.opcode == CLOSE
    assert closing.payload[:2] == (4400).to_bytes(2, "big")
    assert closing.payload[2:].decode() == "é" * 61, "123 bytes hold 61 two-byte characters"
