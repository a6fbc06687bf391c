"""One accepted connection from its first byte to its last.

The stages: what a trusted proxy says of whom it speaks for; where there are pages, requests for
them, if that is what it came for; handshake under a deadline; conversation, in which the listener's
drain reads, messages go straight to the link, and trio-websocket answers pings and closing; the
end, in which what is left is written within `limits.CLOSE_S`, and the socket is closed by force in
any case.

Error handling: nothing that a client does raises out of `run`. Only cancellation does.
"""

import socket
from collections.abc import Callable, Collection

import structlog
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from protocol.errors import CloseCode
from protocol.limits import SUBPROTOCOL
from server.net import limits
from server.net.doors import origin_of
from server.net.drain import Drain
from server.net.exchange import UPGRADE
from server.net.forwarded import TrustedProxies
from server.net.frames import close_frame
from server.net.handshake import refusal
from server.net.inbound import Inbound
from server.net.link import Closed
from server.net.outbound import Outbound
from server.net.pages import Pages
from server.net.proxied import BadPreambleError, Preamble
from server.net.request import Request
from server.net.seat import Seat
from server.net.socket import SocketLink
from server.net.stream import LinkStream
from server.net.transport import SocketTransport, next_bytes
from server.net.visit import Visit

__all__ = ["Connection", "OnLink"]

OnLink = Callable[[SocketLink], None]

_log = structlog.get_logger(__name__)
_ABNORMAL = Closed(1006, "the connection was lost", by_peer=True)
_FORWARDED_FOR = b"x-forwarded-for"


class Connection:
    """Owns `connected` and everything that runs on it. Without `pages` there is only the game.

    `address` is the other end's, and it is the client's if the `seat` knows who that is. Otherwise
    it is that of one of the `proxies`, from which the client's is still to be heard.
    """

    def __init__(
        self,
        connected: socket.socket,
        address: str,
        *,
        seat: Seat,
        proxies: TrustedProxies,
        drain: Drain,
        origins: Collection[str],
        pages: Pages | None,
        on_link: OnLink,
    ) -> None:
        self.link: SocketLink | None = None
        self._address = address
        self._seat = seat
        self._proxies = proxies
        self._origins = origins
        self._pages = pages
        self._on_link = on_link
        self._tasks = trio.CancelScope()
        self._nursery: trio.Nursery | None = None
        self._web_socket: WebSocketConnection | None = None
        self._transport = SocketTransport(connected)
        self._outbound = Outbound(self._transport, self._flush_soon)
        self._stream = LinkStream(self._transport, self._outbound, drain, self._tasks.cancel)

    async def run(self) -> None:
        """Serve the connection until it is closed."""
        closed = Closed(CloseCode.LEAVING, "the server ends", by_peer=False)
        try:
            closed = await self._converse()
        except* Exception as errors:  # noqa: BLE001 - one bad connection never hurts another
            # With a star: a cancellation from outside may come in one group with what failed.
            closed = self._blame(errors)
        finally:
            self._stream.stop_reading()
            if self.link is not None:
                self.link.end(closed)
            await self._finish()

    def abort(self) -> None:
        """Let go of the socket at once; the tasks notice."""
        if self.link is not None:
            self.link.end(_ABNORMAL)
        self._transport.close()

    async def _converse(self) -> Closed:
        with self._tasks:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                if await self._asks_to_play():
                    self._web_socket = await self._shake_hands(nursery)
                if self._web_socket is not None:
                    self._open()
                    while True:
                        self._stream.returned(await self._web_socket.get_message())
                nursery.cancel_scope.cancel()
        return self._outcome()

    def _outcome(self) -> Closed:
        violation = self._stream.violation
        if violation is not None:
            return Closed(int(violation.code), violation.reason, by_peer=False)
        reason = self._web_socket.closed if self._web_socket is not None else None
        if reason is None:
            return _ABNORMAL
        return Closed(int(reason.code), reason.reason or "", by_peer=True)

    async def _asks_to_play(self) -> bool:
        """Answer requests for pages, if there are any; whether one for an upgrade remains.

        Until it is known what it came for, a connection counts as one that shakes hands.
        """
        if self._pages is None and self._seat.known:
            return True
        number = self._seat.begin_handshake(self._tasks.cancel)
        try:
            with trio.fail_after(limits.HANDSHAKE_S):
                early = await self._hear_proxy()
                if early is None or self._pages is None:
                    self._stream.replay(early or b"")
                    return early is not None
                visit = Visit(self._transport, self._pages, early)
                asked = await visit.next()
        finally:
            self._seat.end_handshake(number)
        if isinstance(asked, Request):
            self._seat.visit(self._origin_of(asked), self._tasks.cancel)
            asked = await visit.answer(asked, self._may_ask)
            if asked is UPGRADE and not self._seat.play():
                return False
        self._stream.replay(visit.data)
        return asked is UPGRADE

    def _may_ask(self, asked: Request, now: float) -> bool:
        probes = self._pages is not None and self._pages.probes(asked)
        return self._seat.may_ask(self._origin_of(asked), now, probes=probes)

    # --- who it is -------------------------------------------------------------------------------

    async def _hear_proxy(self) -> bytes | None:
        """What was read of the client, after its proxy's preamble if there is one; None: leave."""
        if self._seat.known:
            return b""
        preamble = Preamble()
        try:
            while not preamble.feed(data := await next_bytes(self._transport)):
                if not data:
                    return None
        except BadPreambleError:
            return None
        if preamble.source is not None:
            self._address = preamble.source
            trusted = self._proxies.trusts(preamble.source)
            if not trusted and not self._seat.identify(origin_of(preamble.source)):
                return None
        return preamble.rest

    def _origin_of(self, asked: Request) -> str:
        """For whom a page is asked: over one connection, a proxy may speak for many."""
        chain = [value for name, value in asked.headers if name == _FORWARDED_FOR]
        return origin_of(self._proxies.client_of(self._address, chain))

    def _identify(self) -> tuple[int, str] | None:
        """Find out for whom an upgrade is asked; why it must be refused, None if need not be."""
        if self._seat.known:
            return None
        chain = self._stream.head.lines(_FORWARDED_FOR)
        self._address = self._proxies.client_of(self._address, chain)
        if self._seat.identify(origin_of(self._address)):
            return None
        return 429, "this address has too many connections\n"

    async def _shake_hands(self, nursery: trio.Nursery) -> WebSocketConnection | None:
        """The connection that trio-websocket speaks for, None if the request was refused."""
        number = self._seat.begin_handshake(self._tasks.cancel)
        try:
            with trio.fail_after(limits.HANDSHAKE_S):
                request = await wrap_server_stream(
                    nursery,
                    self._stream,
                    max_message_size=limits.MESSAGE_BYTES,
                    receive_buffer_size=limits.RECEIVE_BYTES,
                )
                problem = self._identify() or refusal(
                    subprotocols=request.proposed_subprotocols,
                    origin=self._stream.head.line(b"origin"),
                    host=self._stream.head.line(b"host"),
                    origins=self._origins,
                )
                if problem is not None:
                    status, reason = problem
                    await request.reject(status, body=reason.encode())
                    return None
                return await request.accept(subprotocol=SUBPROTOCOL)
        finally:
            self._seat.end_handshake(number)

    def _open(self) -> None:
        stream = self._stream
        self.link = link = SocketLink(
            self._address, self._outbound, lambda: stream.bytes_received, self._tasks.cancel
        )
        stream.open(Inbound(link.deliver))
        self._on_link(link)

    def _blame(self, errors: ExceptionGroup[Exception]) -> Closed:
        """Why a conversation ended that did not end in order."""
        if errors.split((ConnectionClosed, trio.BrokenResourceError, trio.TooSlowError))[1] is None:
            return self._outcome()
        # One line: a traceback for each hostile connection would be the client's way to our time.
        _log.debug("connection failed", peer=self._address, reason=repr(errors.exceptions[0])[:200])
        return Closed(CloseCode.CRASH, "the connection failed", by_peer=False)

    def _flush_soon(self) -> None:
        if self._nursery is not None and not self._tasks.cancel_called:
            self._nursery.start_soon(self._outbound.flush)

    async def _finish(self) -> None:
        try:
            with trio.CancelScope(deadline=trio.current_time() + limits.CLOSE_S, shield=True):
                await self._outbound.finish(self._last_words())
                if self._outbound.bytes_waited:
                    await self._stream.linger(limits.LINGER_BYTES)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the peer is gone already, and that is all we wanted
        finally:
            self._transport.close()

    def _last_words(self) -> bytes:
        """The Close frame that is still to be said, b"" if none."""
        closed = self.link.closed if self.link is not None else None
        if closed is None or closed.by_peer:
            return b""
        return close_frame(closed.code, closed.reason)
