"""The head of an opening request: where it ends, and the lines that decide who may enter.

trio-websocket parses and checks the request; this only finds the blank line, by the same rule as
its parser (a line feed, perhaps a carriage return, a line feed), so that bytes which came too early
are held back instead of lost, and bounds the length.

Must not know: the stream, trio-websocket.
"""

import re
from typing import Final

from protocol.errors import CloseCode, RemoteProtocolError
from server.net import limits

__all__ = ["Head"]

_END: Final = re.compile(rb"\n\r?\n")


class Head:
    """Collects the head; whatever follows it is `early`."""

    def __init__(self) -> None:
        self.early = b""
        self.complete = False
        self._data = b""

    def feed(self, data: bytes) -> bytes:
        """The bytes of `data` that belong to the head.

        Raises RemoteProtocolError when it is longer than any honest one.
        """
        known = len(self._data)
        self._data += data
        end = _END.search(self._data, max(known - 2, 0))
        length = end.end() if end else len(self._data)
        if length > limits.HEAD_BYTES:
            raise RemoteProtocolError("the opening request is too long", CloseCode.TOO_BIG)
        if end:
            self.complete = True
            self.early = self._data[length:]
            self._data = self._data[:length]
        return self._data[known:]

    def line(self, name: bytes) -> bytes | None:
        """The value of the last header `name` (lower case), None without one."""
        values = self.lines(name)
        return values[-1] if values else None

    def lines(self, name: bytes) -> list[bytes]:
        """The values of all headers `name` (lower case), in order."""
        values = []
        for line in self._data.split(b"\n")[1:]:
            key, colon, rest = line.partition(b":")
            if colon and key.strip().lower() == name:
                values.append(rest.strip())
        return values
