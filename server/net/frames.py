"""WebSocket frames as a server writes them: unmasked, unfragmented (RFC 6455, section 5.2).

The fan-out builds a frame once and pushes it to many links, so frames are plain bytes here.

Must not know: links, streams, what the payload means.
"""

import struct
from typing import Final

import attrs

__all__ = [
    "BINARY",
    "CLOSE",
    "Frame",
    "FrameReader",
    "binary_header",
    "close_frame",
    "frame",
    "payload_of",
]

BINARY: Final = 0x2
CLOSE: Final = 0x8

_FINAL: Final = 0x80
_CONTROL_BYTES_MAX: Final = 125
_MEDIUM: Final = struct.Struct("!BBH")
_LONG: Final = struct.Struct("!BBQ")
_SHORT_HEADERS: Final = tuple(bytes((_FINAL | BINARY, length)) for length in range(126))


def binary_header(length: int) -> bytes:
    """The header of a binary frame with a payload of `length` bytes: 2, 4 or 10 bytes."""
    if length < 126:
        return _SHORT_HEADERS[length]
    if length < 1 << 16:
        return _MEDIUM.pack(_FINAL | BINARY, 126, length)
    return _LONG.pack(_FINAL | BINARY, 127, length)


def payload_of(frames: bytes) -> tuple[int, int]:
    """Where the payload of the first of some frames of ours begins and ends."""
    length = frames[1]
    start = 2
    if length >= 126:
        start = 4 if length == 126 else 10
        length = int.from_bytes(frames[2:start])
    return start, start + length


def frame(*parts: bytes) -> bytes:
    """A whole binary frame whose payload is `parts`, one after the other."""
    return b"".join((binary_header(sum(map(len, parts))), *parts))


def close_frame(code: int, reason: str) -> bytes:
    """A Close frame; a `reason` that does not fit is cut at a whole character."""
    room = _CONTROL_BYTES_MAX - 2
    text = reason.encode()[:room].decode(errors="ignore").encode()
    return bytes((_FINAL | CLOSE, 2 + len(text))) + code.to_bytes(2, "big") + text


@attrs.frozen
class Frame:
    """One whole frame: `opcode` of RFC 6455 and its payload."""

    opcode: int
    payload: bytes


class FrameReader:
    """Takes a server's byte stream apart into frames, whatever pieces it comes in.

    For memory links and tests. It trusts the stream to be this server's own: anything that this
    module does not write raises ValueError.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def partial(self) -> bool:
        """Whether the stream stands in the middle of a frame."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes."""
        self._buffer += data
        frames = []
        while (span := self._span()) is not None and len(self._buffer) >= span[1]:
            start, end = span
            frames.append(Frame(self._buffer[0] & 0x0F, bytes(self._buffer[start:end])))
            del self._buffer[:end]
        return frames

    def _span(self) -> tuple[int, int] | None:
        """Where the first frame's payload starts and ends; None if its header is incomplete."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        first, length = buffer[0], buffer[1]
        if not first & _FINAL or first & 0x70 or length & 0x80:
            raise ValueError("not a frame of this server")
        if length < 126:
            return 2, 2 + length
        start = 4 if length == 126 else 10
        if len(buffer) < start:
            return None
        return start, start + int.from_bytes(buffer[2:start], "big")
