"""What a client sends, frame by frame, before anything is decoded.

The common message, one whole binary frame, is unmasked here and goes straight into the inbox.
Everything else is handed to trio-websocket as whole frames: control frames, text, fragmented
messages, and whatever breaks the protocol, with all that follows it. So trio-websocket keeps the
conformance, and costs nothing in the common case.

Invariants: every frame is counted when its header is there, before its payload is waited for;
messages stay in order (while trio-websocket holds one, the next ones go the same way); what is held
is at most one frame.

Must not know: sockets, trio, what a message means. Time is an argument.
"""

from collections.abc import Callable
from typing import Final

from protocol.errors import CloseCode, RemoteProtocolError
from server.net import limits
from server.net.budget import Budget

__all__ = ["Inbound"]

_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_OPCODES: Final = frozenset((_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG))
_WHOLE_BINARY: Final = _FINAL | _BINARY
_HEADER_BYTES: Final = 6  # of a short masked frame: two and the mask
_SHORT_END: Final = _MASKED | 126  # the second byte of a short masked frame is below this
# What a mask is multiplied with to cover so many bytes of payload, and by how many bits that is
# too long then: big-endian numbers are aligned at their beginning.
_REPEATS: Final = tuple(sum(1 << 32 * i for i in range((n + 3) // 4)) for n in range(126))
_SURPLUS: Final = tuple(-n % 4 * 8 for n in range(126))


class Inbound:
    """Takes a client's byte stream apart. `sink` is given every message, in order.

    `surrendered`: the client said Close or broke the protocol, so that trio-websocket gets all the
    rest.
    """

    __slots__ = (
        "_bytes",
        "_counted",
        "_fragments",
        "_frames",
        "_held",
        "_lent",
        "_message_bytes",
        "_sink",
        "surrendered",
    )

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self._sink = sink
        self._frames = Budget(limits.FRAMES_PER_S, limits.FRAMES_BURST)
        self._bytes = Budget(limits.BYTES_PER_S, limits.BYTES_BURST)
        self._held = b""
        self._counted = False  # whether the frame that is held was counted already
        self.surrendered = False
        self._fragments = 0  # of the message that is being sent in pieces
        self._message_bytes = 0
        self._lent = 0  # whole messages in trio-websocket's hands

    def feed(self, data: bytes, now: float) -> bytes:
        """Take `data`; gives back the part of it that trio-websocket must see.

        Raises RemoteProtocolError, with the close code, when a bound is overstepped.
        """
        if not self._bytes.spend(len(data), now):
            raise RemoteProtocolError("too many bytes a second", CloseCode.RATE)
        if self.surrendered:
            return data
        buffer = self._held + data if self._held else data
        position = 0
        if not self._lent and not self._fragments:
            position = self._take_short(buffer, now)
            if position == len(buffer):
                self._held = b""
                return b""
        return self._take_any(buffer, position, now)

    def _take_short(self, buffer: bytes, now: float) -> int:
        """The common case: messages in one short frame each, from the beginning of `buffer`.

        Where the first frame begins that is none of them, or is not complete.
        """
        position, size = 0, len(buffer)
        while (
            position + _HEADER_BYTES <= size
            and buffer[position] == _WHOLE_BINARY
            and _MASKED <= (second := buffer[position + 1]) < _SHORT_END
        ):
            length = second - _MASKED
            start = position + _HEADER_BYTES
            end = start + length
            if end > size:
                break
            if self._counted:
                self._counted = False
            elif not self._frames.spend(1, now):
                raise RemoteProtocolError("too many messages a second", CloseCode.RATE)
            mask = int.from_bytes(buffer[start - 4 : start]) * _REPEATS[length] >> _SURPLUS[length]
            self._sink((int.from_bytes(buffer[start:end]) ^ mask).to_bytes(length))
            position = end
        return position

    def _take_any(self, buffer: bytes, position: int, now: float) -> bytes:
        """Everything else, from `position` on; what is not complete is held."""
        lent = []
        while (span := _span(buffer, position)) is not None:
            start, end = span
            if start < 0:
                self.surrendered = True
            if self.surrendered:
                lent.append(buffer[position:])
                position = len(buffer)
                break
            if not self._counted:
                self._count(buffer[position], end - start, now)
                self._counted = True
            if end > len(buffer):
                break
            self._counted = False
            if buffer[position] == _WHOLE_BINARY and not self._lent and not self._fragments:
                self._sink(_unmask(buffer, start, end))
            else:
                self._lend(buffer[position])
                lent.append(buffer[position:end])
            position = end
        self._held = buffer[position:]
        return b"".join(lent)

    def returned(self, message: bytes | str) -> None:
        """Take back a whole message from trio-websocket.

        Raises RemoteProtocolError if it is text: the protocol has none.
        """
        if isinstance(message, str):
            raise RemoteProtocolError("a text message has no meaning here", CloseCode.BAD_MESSAGE)
        self._lent -= 1
        self._sink(message)

    def _count(self, first: int, length: int, now: float) -> None:
        if not self._frames.spend(1, now):
            raise RemoteProtocolError("too many messages a second", CloseCode.RATE)
        if first & 0x0F >= _CLOSE:
            return
        continued = self._message_bytes if self._fragments else 0
        self._message_bytes = continued + length
        if self._message_bytes > limits.MESSAGE_BYTES:
            raise RemoteProtocolError("the message is too long", CloseCode.TOO_BIG)
        if self._fragments >= limits.FRAGMENTS:
            raise RemoteProtocolError("the message has too many fragments", CloseCode.POLICY)

    def _lend(self, first: int) -> None:
        opcode = first & 0x0F
        if opcode >= _CLOSE:
            self.surrendered = opcode == _CLOSE
        elif first & _FINAL:
            self._fragments = 0
            self._lent += 1
        else:
            self._fragments += 1


def _span(buffer: bytes, position: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `position` starts and ends.

    None while the header is incomplete, a negative start if it breaks the protocol (RFC 6455,
    section 5.2), which trio-websocket then answers.
    """
    if len(buffer) < position + 2:
        return None
    first, second = buffer[position], buffer[position + 1]
    opcode, length = first & 0x0F, second & 0x7F
    start = position + 2
    if first & _RESERVED or not second & _MASKED or opcode not in _OPCODES:
        return -1, -1
    if opcode >= _CLOSE and (length > 125 or not first & _FINAL):
        return -1, -1
    if length >= 126:
        size = 2 if length == 126 else 8
        start += size
        if len(buffer) < start:
            return None
        length = int.from_bytes(buffer[start - size : start], "big")
        if length < (126 if size == 2 else 1 << 16) or length >> 63:
            return -1, -1
    return start + 4, start + 4 + length


def _unmask(buffer: bytes, start: int, end: int) -> bytes:
    """The payload, freed of the mask that stands in the four bytes before it."""
    length = end - start
    mask = buffer[start - 4 : start] * (length // 4 + 1)
    masked = int.from_bytes(buffer[start:end], "little")
    return (masked ^ int.from_bytes(mask[:length], "little")).to_bytes(length, "little")
