"""The stream under trio-websocket: lets the fan-out push frames and takes the common message out.

It goes through two phases. In the handshake the bytes of the opening request pass, and not one
more, until `open` is called; its own task waits for them. From then on the listener's `Drain` reads
and `Inbound` sees everything first, and trio-websocket gets only what it must answer. While it has
not come back for that, nothing more is read: no more is held than before.

trio-websocket closes the stream when it has nothing more to say. That only tells the connection's
task (`on_end`), which writes what is left and then lets go of the transport; so no error in here or
there can leave a socket open.

Invariants: the socket is in the drain only between `open` and the first reason to end, and not
while trio-websocket is being waited for; nothing that reading raises reaches the drain.

Must not know: gateways, what messages mean.
"""

from collections.abc import Callable
from contextlib import suppress

import trio

from protocol.errors import RemoteProtocolError
from server.net import limits
from server.net.drain import Drain
from server.net.head import Head
from server.net.inbound import Inbound
from server.net.outbound import Outbound
from server.net.transport import NOT_NOW, Transport

__all__ = ["LinkStream"]


class LinkStream(trio.abc.Stream):
    """One connection's bytes. `on_end` is called when there is nothing more to read or to say.

    `violation` is the bound that the client has overstepped, if it has.
    """

    __slots__ = (
        "_drain",
        "_failure",
        "_inbound",
        "_lent",
        "_news",
        "_on_end",
        "_outbound",
        "_over",
        "_paused",
        "_replayed",
        "_transport",
        "bytes_received",
        "head",
        "violation",
    )

    def __init__(
        self, transport: Transport, outbound: Outbound, drain: Drain, on_end: Callable[[], None]
    ) -> None:
        self.bytes_received = 0
        self.head = Head()
        self.violation: RemoteProtocolError | None = None
        self._transport = transport
        self._outbound = outbound
        self._drain = drain
        self._on_end = on_end
        self._inbound: Inbound | None = None
        self._news = trio.Event()  # trio-websocket waits for it: there is something in `_lent`
        self._lent = b""
        self._replayed = b""
        self._paused = False  # until trio-websocket has taken that
        self._over = False  # nothing more is read
        self._failure: Exception | None = None

    def replay(self, data: bytes) -> None:
        """Somebody else has read `data`, the beginning of the opening request: it comes first."""
        self._replayed = data

    def open(self, inbound: Inbound) -> None:
        """The handshake is over: let the drain read, and show everything to `inbound`."""
        early, self.head = self.head.early, Head()  # the request is not needed any more
        self._inbound = inbound
        self._transport.enter(self._drain, self._read)
        self._feed(early, trio.current_time())

    def stop_reading(self) -> None:
        """Read nothing more, but for `linger`."""
        self._over = True
        self._transport.leave()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Bytes that trio-websocket must see; b"" at the end, which a `violation` is too."""
        if self._inbound is not None or self.head.complete:
            return await self._receive_lent()
        data, self._replayed = self._replayed, b""
        if not data:
            data = await self._receive(max_bytes or limits.RECEIVE_BYTES)
        self.bytes_received += len(data)
        if not data:
            self._on_end()
        try:
            return self.head.feed(data)
        except RemoteProtocolError as error:
            # Raised from here, it could get lost among the errors that it causes on its way.
            self._violated(error)
            return b""

    def returned(self, message: bytes | str) -> None:
        """Take a whole message back from trio-websocket."""
        assert self._inbound is not None
        try:
            self._inbound.returned(message)
        except RemoteProtocolError as error:
            self._violated(error)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write a frame, or a part of the handshake, behind whatever is under way."""
        await self._outbound.send_all(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the kernel takes bytes."""
        await self._transport.wait_writable()

    async def aclose(self) -> None:
        """Say that the conversation is over."""
        self._on_end()
        await trio.lowlevel.checkpoint()

    async def linger(self, bytes_max: int) -> None:
        """Read and throw away what still comes, until the peer says Close or is gone.

        Closing with unread bytes would reset the connection, and the reset might overtake what was
        just said. After a handshake that failed there is nothing to wait for.
        """
        inbound = self._inbound
        while bytes_max > 0 and not (inbound and inbound.surrendered):
            if inbound is None:
                data = self._transport.receive(limits.RECEIVE_BYTES)
            else:
                data = await self._receive(limits.RECEIVE_BYTES)
            if not data:
                return
            bytes_max -= len(data)
            if inbound is not None:
                with suppress(RemoteProtocolError):  # it has been told already
                    inbound.feed(data, trio.current_time())

    # --- reading ---------------------------------------------------------------------------------

    def _read(self, now: float) -> None:
        """The drain has found something to read."""
        if self._lent:
            self._paused = True
            self._transport.leave()
            return
        try:
            data = self._transport.receive(limits.RECEIVE_BYTES)
        except NOT_NOW:
            return
        except OSError:
            data = b""  # reset by the peer: the end, whatever it is called
        if data:
            self.bytes_received += len(data)
            self._feed(data, now)
        else:
            self.stop_reading()
            self._news.set()

    def _feed(self, data: bytes, now: float) -> None:
        assert self._inbound is not None
        try:
            lent = self._inbound.feed(data, now)
        except RemoteProtocolError as error:
            self._violated(error)
        except Exception as error:  # noqa: BLE001 - it belongs to this connection, not to the drain
            self._failure = error
            self.stop_reading()
            self._news.set()
        else:
            if lent:
                self._lent = lent
                self._news.set()

    async def _receive_lent(self) -> bytes:
        """What the drain has put aside; b"" at the end, which the connection hears of then."""
        while not self._lent:
            if self._failure is not None:
                raise self._failure
            if self._over:
                self._on_end()
                return b""
            self._news = trio.Event()
            await self._news.wait()
        lent, self._lent = self._lent, b""
        if self._paused and not self._over:
            self._paused = False
            self._transport.enter(self._drain, self._read)
        return lent

    async def _receive(self, bytes_max: int) -> bytes:
        while True:
            await self._transport.wait_readable()
            try:
                return self._transport.receive(bytes_max)
            except NOT_NOW:
                continue
            except OSError:
                return b""

    def _violated(self, error: RemoteProtocolError) -> None:
        self.violation = self.violation or error
        self.stop_reading()
        self._on_end()
