"""A connected TCP socket: without waiting for the fan-out, with waiting for tasks.

trio's own socket stream has no public way to send without waiting, so this stands on a standard
socket and trio's public `wait_readable` and `wait_writable`.

Must not know: frames, WebSocket.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import trio

from server.net import limits
from server.net.drain import Drain, OnReadable

__all__ = ["NOT_NOW", "SocketTransport", "Transport", "next_bytes"]

NOT_NOW: Final = (BlockingIOError, InterruptedError)  # nothing is wrong: try again when it is time

_NOTSENT_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", None)


class Transport(Protocol):
    """What a link's stream stands on. Every method may raise OSError when the peer is lost."""

    @property
    def send(self) -> Callable[[bytes | memoryview], int]:
        """Gives bytes to the kernel; how many it took. If it is full, 0 or one of `NOT_NOW` raised:
        the fan-out calls it so often that nothing may stand in between.
        """

    @property
    def receive(self) -> Callable[[int], bytes]:
        """Gives at most so many bytes that have arrived, b"" at the end of the stream; raises one
        of `NOT_NOW` if there are none yet.
        """

    async def wait_writable(self) -> None:
        """Wait until `send` may take something."""

    async def wait_readable(self) -> None:
        """Wait until `receive` may have something."""

    def enter(self, drain: Drain, on_readable: OnReadable) -> None:
        """Let `drain` call `on_readable`, which can then `receive`, until `leave` or `close`."""

    def leave(self) -> None:
        """Leave the drain, if it is in one."""

    def shut(self) -> None:
        """Tell the peer that nothing more is sent."""

    def close(self) -> None:
        """Let go of the transport, whatever is still under way."""


async def next_bytes(transport: Transport) -> bytes:
    """Wait for bytes that have arrived, b"" at the end of the stream. Raises OSError."""
    while True:
        await transport.wait_readable()
        with suppress(*NOT_NOW):
            return transport.receive(limits.RECEIVE_BYTES)


class SocketTransport:
    """A `Transport` over a connected TCP socket, which it owns from now on."""

    __slots__ = ("_drain", "_socket", "receive", "send")

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)  # noqa: FBT003 - the only way to call it
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if _NOTSENT_LOWAT is not None:
            # The kernel would take seconds of snapshots; what is not sent yet should rather stay
            # ours, where the next tick replaces it.
            connected.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, limits.NOTSENT_BYTES)
        self._socket = connected
        self._drain: Drain | None = None
        self.send: Callable[[bytes | memoryview], int] = connected.send
        self.receive: Callable[[int], bytes] = connected.recv

    async def wait_writable(self) -> None:
        """Wait until `send` may take something."""
        await trio.lowlevel.wait_writable(self._socket.fileno())

    async def wait_readable(self) -> None:
        """Wait until `receive` may have something."""
        await trio.lowlevel.wait_readable(self._socket.fileno())

    def enter(self, drain: Drain, on_readable: OnReadable) -> None:
        """Let `drain` call `on_readable` until `leave` or `close`. After `close` it never will."""
        if self._socket.fileno() >= 0:
            drain.enter(self._socket.fileno(), on_readable)
            self._drain = drain

    def leave(self) -> None:
        """Leave the drain, if it is in one."""
        if self._drain is not None:
            self._drain.leave(self._socket.fileno())
            self._drain = None

    def shut(self) -> None:
        """Tell the peer that nothing more is sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let go of the socket; tasks that wait for it get trio.ClosedResourceError."""
        if self._socket.fileno() >= 0:
            self.leave()
            trio.lowlevel.notify_closing(self._socket.fileno())
            self._socket.close()
