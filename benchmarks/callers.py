"""Clients on raw sockets that connect as fast as a server takes them, and do little more.

A caller opens TCP, upgrades to a WebSocket, says hello and is welcomed; then it either leaves at
once, or stays, reads, and acknowledges. All of them live in one loop of the calling process.

Must not know: servers' processes, what is measured.
"""

import select
import socket
import time
from collections.abc import Callable
from typing import Final

from benchmarks.interest.bots import Bot
from benchmarks.interest.dialects import Shoal
from protocol import messages

__all__ = ["CallFailedError", "Caller", "Callers"]

_RECEIVE_BYTES: Final = 1 << 16
_PATIENCE_S: Final = 30.0  # without any caller getting further
_ACKNOWLEDGE_S: Final = 0.5
_BINARY, _PING = 0x82, 0x89
_PONG: Final = b"\x8a\x80\x00\x00\x00\x00"


class CallFailedError(Exception):
    """A caller was turned away, or nobody got further; the message says what happened."""


class Caller(Bot):
    """One client; `playing` once it was welcomed."""

    __slots__ = ("began",)

    def __init__(self, number: int, sock: socket.socket) -> None:
        super().__init__(number, sock)
        self.began = time.perf_counter()


class Callers:
    """The callers of one process on a server at `port`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._dialect = Shoal(port)
        self._dialect.joined = self._joined
        self._poll = select.epoll()
        self._open: dict[int, Caller] = {}
        self._count = 0
        self._welcomed: list[Caller] = []
        self._acknowledged = 0.0

    def upgrade(self, count: int) -> list[Caller]:
        """Links that have said nothing yet; a server bears them for a few seconds."""
        return self._call(count, count, lambda caller: caller.upgraded, hello=False)

    def join(self, count: int, *, at_once: int) -> list[Caller]:
        """Players who stay. `at_once` of them are on their way at any time."""
        return self._call(count, at_once, lambda caller: caller.playing, hello=True)

    def visit(self, count: int, *, at_once: int) -> list[float]:
        """Players who leave as soon as they are welcomed; gives how long each took, in seconds."""
        took: list[float] = []

        def leave(caller: Caller) -> bool:
            if not caller.playing:
                return False
            took.append(time.perf_counter() - caller.began)
            caller.send(messages.encode(messages.Bye()))
            self._hang_up(caller)
            return True

        self._call(count, at_once, leave, hello=True)
        return took

    def stay(self, seconds: float) -> None:
        """Read and acknowledge for a while."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._listen(min(left, 0.05), hello=False)
            if time.monotonic() - self._acknowledged > _ACKNOWLEDGE_S:
                self._acknowledged = time.monotonic()
                for caller in self._open.values():
                    if caller.tick:
                        caller.send(messages.encode(messages.Ack(caller.tick)))

    def hang_up(self) -> None:
        """Close all sockets; who plays says goodbye."""
        for caller in list(self._open.values()):
            if caller.playing:
                caller.send(messages.encode(messages.Bye()))
            self._hang_up(caller)

    # --- inside ----------------------------------------------------------------------------------

    def _call(
        self, count: int, at_once: int, there: Callable[[Caller], bool], *, hello: bool
    ) -> list[Caller]:
        """Have `count` callers get there. Raises CallFailedError."""
        arrived: list[Caller] = []
        under_way: dict[int, Caller] = {}
        dialled, moved = 0, time.monotonic()
        while len(arrived) < count:
            while dialled < count and len(under_way) < at_once:
                caller = self._dial()
                under_way[caller.number] = caller
                dialled += 1
            self._listen(0.01, hello=hello)
            here = [caller for caller in under_way.values() if there(caller)]
            for caller in here:
                del under_way[caller.number]
            arrived += here
            if here:
                moved = time.monotonic()
            elif time.monotonic() - moved > _PATIENCE_S:
                raise CallFailedError(f"{len(under_way)} callers wait for {_PATIENCE_S:g} s")
        return arrived

    def _dial(self) -> Caller:
        sock = socket.create_connection(("127.0.0.1", self._port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        caller = Caller(self._count, sock)
        self._count += 1
        sock.sendall(self._dialect.request(caller.number))
        sock.setblocking(False)  # noqa: FBT003 - the only way to call it
        self._open[sock.fileno()] = caller
        self._poll.register(sock.fileno(), select.EPOLLIN)
        return caller

    def _hang_up(self, caller: Caller) -> None:
        self._poll.unregister(caller.sock.fileno())
        del self._open[caller.sock.fileno()]
        caller.sock.close()

    def _joined(self, bot: Bot) -> None:
        bot.playing = True

    def _listen(self, seconds: float, *, hello: bool) -> None:
        for descriptor, _ in self._poll.poll(seconds, 100_000):
            caller = self._open[descriptor]
            data = caller.sock.recv(_RECEIVE_BYTES)
            if not data:
                raise CallFailedError(f"the server hung up on caller {caller.number}")
            data = caller.held + data
            at = self._frames(caller, data, self._upgraded(caller, data, hello=hello))
            caller.held = data[at:]

    def _upgraded(self, caller: Caller, data: bytes, *, hello: bool) -> int:
        """Where frames begin: behind the answer to the opening request."""
        if caller.upgraded:
            return 0
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return len(data) + 1
        if b" 101 " not in data[:20]:
            raise CallFailedError(f"the upgrade failed: {data[:200]!r}")
        caller.upgraded = True
        if hello:
            self._dialect.opened(caller)
        return end + 4

    def _frames(self, caller: Caller, data: bytes, at: int) -> int:
        """Take whole frames; gives where the first unfinished one begins."""
        end = len(data)
        if at > end:
            return 0
        while at + 2 <= end:
            length, start = data[at + 1], at + 2
            if length >= 126:
                start += 2 if length == 126 else 8
                length = int.from_bytes(data[at + 2 : start])
            if start + length > end:
                break
            if data[at] == _BINARY:
                self._dialect.take(caller, data, start, start + length)
            elif data[at] == _PING:
                caller.write(_PONG)
            at = start + length
        return at
