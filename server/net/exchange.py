"""One HTTP/1.1 request and its reply, as bytes in and bytes out (h11 does the parsing).

An exchange serves once; what came behind its request is the beginning of the next. A request for
an upgrade to WebSocket is only recognised: its bytes are for trio-websocket to judge.

Invariants: what is held is bounded (`limits.HEAD_BYTES` and a chunk, `limits.BODY_BYTES`); whatever
bytes come, `feed` gives a request, asks for more or raises BadRequestError.

Must not know: streams, time, what is served.
"""

from collections.abc import Sequence
from email.utils import formatdate
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

import h11

from server.net import limits
from server.net.request import BadRequestError, Reply, Request

__all__ = ["UPGRADE", "Exchange", "Upgrade"]


class Upgrade(Enum):
    """Instead of a request: the client wants to play."""

    UPGRADE = auto()


UPGRADE: Final = Upgrade.UPGRADE

_WEBSOCKET: Final = b"websocket"
_REASONS: Final = {400: "this is no HTTP request", 431: "the request is too long"}


class Exchange:
    """Feed it until it says what is asked; then `reply` once."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.HEAD_BYTES)
        self._data = b""
        self._asked: h11.Request | None = None
        self._body = b""

    @property
    def data(self) -> bytes:
        """All bytes that were fed, until it is known that they ask for no upgrade."""
        return self._data

    @property
    def begun(self) -> bool:
        """Whether anything of a request is there."""
        return bool(self._data) or self._asked is not None

    @property
    def over(self) -> bool:
        """After the reply: whether the connection carries no further exchange."""
        return not self._http.our_state is self._http.their_state is h11.DONE

    @property
    def rest(self) -> bytes:
        """What came behind the request."""
        return bytes(self._http.trailing_data[0])

    def feed(self, data: bytes) -> Request | Upgrade | None:
        """What is asked for, as soon as all of it is there; None: more must come.

        Raises BadRequestError.
        """
        if self._asked is None:
            self._data += data
        self._http.receive_data(data)
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                status = error.error_status_hint
                raise BadRequestError(status, _REASONS.get(status, "")) from None
            match event:
                case h11.Request() if _asks_for_upgrade(event):
                    return UPGRADE
                case h11.Request():
                    self._asked, self._data = event, b""
                case h11.Data():
                    self._body += event.data
                    if len(self._body) > limits.BODY_BYTES:
                        raise BadRequestError(413, "the request's body is too long")
                case h11.EndOfMessage():
                    return self._request()
                case _:  # more data is needed; a request that was whole has been returned
                    return None

    def reply(self, reply: Reply, *, last: bool) -> list[bytes]:
        """The bytes to write, in pieces; `last` says that the connection ends with them."""
        http, length = self._http, len(reply.body)
        headers = [*reply.headers, ("Date", formatdate(usegmt=True))]
        if reply.status != HTTPStatus.NOT_MODIFIED:
            headers.append(("Content-Length", str(length)))
        if last or http.their_state is not h11.DONE:
            headers.append(("Connection", "close"))
        reason = HTTPStatus(reply.status).phrase
        pieces: list[bytes] = []
        _extend(
            pieces,
            http.send_with_data_passthrough(
                h11.Response(status_code=reply.status, headers=headers, reason=reason)
            ),
        )
        if length and not (self._asked and self._asked.method == b"HEAD"):
            _extend(pieces, http.send_with_data_passthrough(h11.Data(data=reply.body)))
        _extend(pieces, http.send_with_data_passthrough(h11.EndOfMessage()))
        return pieces

    def _request(self) -> Request:
        asked = self._asked
        assert asked is not None, "a message that ended has begun"
        return Request(
            asked.method.decode("ascii"),
            asked.target.decode("ascii"),
            tuple(asked.headers),
            self._body,
        )


def _asks_for_upgrade(request: h11.Request) -> bool:
    """Whether it names WebSocket. Whether it does so rightly is not asked here."""
    return any(_WEBSOCKET in value.lower() for name, value in request.headers if name == b"upgrade")


def _extend(pieces: list[bytes], more: Sequence[bytes] | None) -> None:
    pieces.extend(piece for piece in more or () if piece)
