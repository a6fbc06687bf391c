"""A listening server with its links in a list, and clients that may behave badly."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest
import trio
import trio_websocket

from server.net.frames import Frame, FrameReader
from server.net.listen import ListenConfig, Listening, listen
from server.net.socket import SocketLink

REQUEST = (
    b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"%s\r\n"
)
SUBPROTOCOL = b"Sec-WebSocket-Protocol: shoal.v2\r\n"


class Server:
    """A server under test; `links` are all that ever opened."""

    def __init__(self) -> None:
        self.links: list[SocketLink] = []
        self.take: Callable[[SocketLink], None] = self.links.append
        self.listening: Listening
        self.cancel: Callable[[], None]

    @property
    def port(self) -> int:
        return self.listening.port

    @property
    def connections(self) -> int:
        return self.listening.statistics().connections

    async def wait_links(self, count: int) -> list[SocketLink]:
        """Wait until so many links have opened."""
        return await self._until(lambda: len(self.links) >= count, f"{count} links never opened")

    async def wait_connections(self, count: int) -> None:
        """Wait until exactly so many connections are held."""
        await self._until(lambda: self.connections == count, f"never at {count} connections")

    async def wait_drained(self, link: SocketLink, count: int) -> list[bytes]:
        """Wait for so many messages of one link."""
        messages: list[bytes] = []
        await self._until(
            lambda: len(messages.__iadd__(link.drain())) >= count, f"{count} messages never came"
        )
        return messages

    async def wait_link_closed(self, link: SocketLink) -> int:
        """The code with which the link ended."""
        await self._until(lambda: link.closed is not None, "the link stayed open")
        assert link.closed is not None
        return link.closed.code

    async def _until(self, happened: Callable[[], bool], complaint: str) -> list[SocketLink]:
        with trio.move_on_after(5):
            while not happened():  # noqa: ASYNC110 - real sockets have no event for it
                await trio.sleep(0.005)
        assert happened(), complaint
        return self.links

    @asynccontextmanager
    async def client(self) -> AsyncIterator[trio_websocket.WebSocketConnection]:
        """A client that behaves."""
        url = f"ws://127.0.0.1:{self.port}/"
        async with trio_websocket.open_websocket_url(url, subprotocols=["shoal.v2"]) as socket:
            yield socket

    @asynccontextmanager
    async def raw(self) -> AsyncIterator["RawClient"]:
        """A client that has connected and said nothing."""
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            yield RawClient(stream)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[tuple["RawClient", SocketLink]]:
        """A raw client after its handshake, with its link."""
        count = len(self.links)
        async with self.raw() as client:
            await client.send(client.request())
            assert (await client.read_head()).startswith(b"HTTP/1.1 101"), "it is let in"
            await self.wait_links(count + 1)
            yield client, self.links[count]


class RawClient:
    """Bytes in, bytes out."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._reader = FrameReader()

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    @staticmethod
    def request(extra: bytes = SUBPROTOCOL, host: bytes = b"127.0.0.1") -> bytes:
        return REQUEST % (host, extra)

    @staticmethod
    def frame(opcode: int, payload: bytes = b"", *, final: bool = True) -> bytes:
        """A frame as clients write it, masked with zeros."""
        head = bytes(((0x80 if final else 0) | opcode,))
        length = len(payload)
        if length < 126:
            head += bytes((0x80 | length,))
        else:
            head += bytes((0x80 | 126,)) + length.to_bytes(2, "big")
        return head + bytes(4) + payload

    async def read_head(self) -> bytes:
        """The response, or what there was of it."""
        head = b""
        with trio.fail_after(5):
            while b"\r\n\r\n" not in head and (data := await self.stream.receive_some(1)):
                head += data
        return head

    async def read_to_end(self) -> list[Frame]:
        """All frames until the server is done."""
        frames = []
        with trio.fail_after(5):
            try:
                while data := await self.stream.receive_some():
                    frames += self._reader.feed(data)
            except trio.BrokenResourceError:
                pass
        return frames

    async def read_close_code(self) -> int | None:
        """The code of the Close frame at the end of what the server says, None without one."""
        frames = await self.read_to_end()
        if frames and frames[-1].opcode == 0x8:
            return int.from_bytes(frames[-1].payload[:2], "big")
        return None

    def reset(self) -> None:
        """Drop the connection with a reset instead of an end."""
        self.stream.setsockopt(1, 13, (1).to_bytes(4, "little") + bytes(4))  # SO_LINGER of 0 s
        self.stream.socket.close()


@pytest.fixture
def serve() -> Callable[..., AbstractAsyncContextManager[Server]]:
    """Runs a server while the context lasts; its arguments are those of ListenConfig."""

    @asynccontextmanager
    async def run(**config: object) -> AsyncIterator[Server]:
        server = Server()
        async with trio.open_nursery() as nursery:

            async def start(
                task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED,
            ) -> None:
                await listen(
                    lambda link: server.take(link),  # noqa: PLW0108 - a test may replace it
                    host="127.0.0.1",
                    port=0,
                    config=ListenConfig(**config),
                    task_status=task_status,
                )

            server.listening = await nursery.start(start)
            server.cancel = nursery.cancel_scope.cancel
            yield server
            server.cancel()

    return run


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Keeps clients open until the end of the test, or its own."""
    async with AsyncExitStack() as stack:
        yield stack
