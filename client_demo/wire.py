"""The bytes below a client's WebSocket: dialling, counting, and a reader that can be stopped.

Must not know: WebSocket, messages.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import trio

__all__ = ["CountedStream", "dial"]


async def dial(
    host: str, port: int, *, tls: bool, receive_buffer_bytes: int | None = None
) -> trio.abc.Stream:
    """A TCP connection, in TLS if asked. Raises OSError.

    `receive_buffer_bytes`: the kernel's buffer, which must be set before connecting; None leaves
    it to the kernel.
    """
    if receive_buffer_bytes is None:
        stream = await trio.open_tcp_stream(host, port)
    else:
        stream = await _dial_with_buffer(host, port, receive_buffer_bytes)
    if not tls:
        return stream
    context = ssl.create_default_context()
    return trio.SSLStream(stream, context, server_hostname=host, https_compatible=True)


async def _dial_with_buffer(host: str, port: int, buffer_bytes: int) -> trio.SocketStream:
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    connecting = trio.socket.socket(family, kind, protocol)
    try:
        connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        await connecting.connect(address)
    except BaseException:
        connecting.close()
        raise
    return trio.SocketStream(connecting)


class CountedStream(trio.abc.Stream):
    """Counts what passes through `stream`; while `paused`, nothing is read from it.

    `ended` is set when nothing more can come.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.ended = trio.Event()
        self.bytes_received = 0
        self.bytes_sent = 0
        self._stream = stream
        self._paused = False
        self._news = trio.Event()

    @property
    def paused(self) -> bool:
        """Whether reading has stopped; the kernel's buffer fills, and then the server's."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        self._news.set()
        self._news = trio.Event()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Bytes that have arrived, b"" at the end."""
        while self._paused:
            await self._news.wait()
        with self._noticing_the_end():
            data = await self._stream.receive_some(max_bytes)
        if not data:
            self.ended.set()
        self.bytes_received += len(data)
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`."""
        with self._noticing_the_end():
            await self._stream.send_all(data)
        self.bytes_sent += len(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room for more."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the stream below."""
        await self._stream.aclose()

    @contextmanager
    def _noticing_the_end(self) -> Iterator[None]:
        try:
            yield
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.ended.set()
            raise
