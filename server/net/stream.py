"""The stream under trio-websocket: lets the fan-out push frames and takes the common message out.

It goes through two phases. In the handshake the bytes of the opening request pass, and not one
more, until `open` is called. From then on `Inbound` sees everything first, and trio-websocket gets
only what it must answer.

trio-websocket closes the stream when it has nothing more to say. That only tells the connection's
task (`on_end`), which writes what is left and then lets go of the transport; so no error in here or
there can leave a socket open.

Must not know: gateways, what messages mean.
"""

from collections.abc import Callable
from contextlib import suppress

import trio

from protocol.errors import RemoteProtocolError
from server.net import limits
from server.net.head import Head
from server.net.inbound import Inbound
from server.net.outbound import Outbound
from server.net.transport import Transport

__all__ = ["LinkStream"]


class LinkStream(trio.abc.Stream):
    """One connection's bytes. `on_end` is called when there is nothing more to read or to say.

    `violation` is the bound that the client has overstepped, if it has.
    """

    def __init__(
        self, transport: Transport, outbound: Outbound, on_end: Callable[[], None]
    ) -> None:
        self.bytes_received = 0
        self.head = Head()
        self.violation: RemoteProtocolError | None = None
        self._transport = transport
        self._outbound = outbound
        self._on_end = on_end
        self._inbound: Inbound | None = None
        self._opened = trio.Event()
        self._early = b""

    def open(self, inbound: Inbound) -> None:
        """The handshake is over: show everything to `inbound` from here on."""
        self._inbound = inbound
        self._early, self.head = self.head.early, Head()  # the request is not needed any more
        self._opened.set()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Bytes that trio-websocket must see; b"" at the end, which a `violation` is too."""
        try:
            if self._inbound is None and not self.head.complete:
                return self.head.feed(await self._receive(max_bytes))
            await self._opened.wait()
            return await self._receive_rest(max_bytes)
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
                data = await self._receive_now(None)
            if not data:
                return
            bytes_max -= len(data)
            if inbound is not None:
                with suppress(RemoteProtocolError):  # it has been told already
                    inbound.feed(data, trio.current_time())

    def _violated(self, error: RemoteProtocolError) -> None:
        self.violation = self.violation or error
        self._on_end()

    async def _receive_rest(self, bytes_max: int | None) -> bytes:
        assert self._inbound is not None
        while True:
            data = self._early or await self._receive(bytes_max)
            self._early = b""
            if not data:
                return b""
            rest = self._inbound.feed(data, trio.current_time())
            if rest:
                return rest

    async def _receive(self, bytes_max: int | None) -> bytes:
        data = await self._receive_now(bytes_max)
        self.bytes_received += len(data)
        if not data:
            self._on_end()
        return data

    async def _receive_now(self, bytes_max: int | None) -> bytes:
        data = None
        while data is None:
            await self._transport.wait_readable()
            try:
                data = self._transport.receive(bytes_max or limits.RECEIVE_BYTES)
            except OSError:
                data = b""  # reset by the peer: the end, whatever it is called
        return data
