"""A byte stream over a bad link: what passes is held back as long as `protocol.link` says.

Both directions have a task that holds pieces until their time, so a late piece delays what is
behind it and nothing else. When a direction's queue is full, nothing more is taken: the server
finds a slow client, as it would over a slow line.

Error handling: what ends the stream below is told in order, behind what arrived before.
Must not know: WebSocket, messages.
"""

from typing import NoReturn

import attrs
import trio

from client_demo import limits
from protocol.link import ConditionedLink, Pipe

__all__ = ["ConditionedStream"]


@attrs.frozen
class _Piece:
    """Bytes that arrive at a time (b"" at the end of the stream), or what broke it."""

    arrives: float
    data: bytes
    error: Exception | None = None


class ConditionedStream(trio.abc.Stream):
    """`stream` behind `link`; `run` must be running."""

    def __init__(self, stream: trio.abc.Stream, link: ConditionedLink) -> None:
        self._stream = stream
        self._link = link
        self._to_us, self._received = trio.open_memory_channel[_Piece](limits.LINK_PIECES)
        self._sent, self._to_peer = trio.open_memory_channel[_Piece](limits.LINK_PIECES)
        self._next: _Piece | None = None
        self._broken: Exception | None = None

    async def run(self) -> None:
        """Carry bytes in both directions, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._carry_down)
            nursery.start_soon(self._carry_up)

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Bytes that have arrived, b"" at the end. Raises what broke the stream below."""
        if self._next is None:
            self._next = await self._received.receive()
        piece = self._next
        await trio.sleep_until(piece.arrives)
        if piece.error is not None:
            _raise(piece.error)
        taken, rest = piece.data[:max_bytes], b"" if max_bytes is None else piece.data[max_bytes:]
        if rest:
            self._next = attrs.evolve(piece, data=rest)
        elif taken:
            self._next = None
        return taken

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; it is on its way then, and not yet there."""
        await self.wait_send_all_might_not_block()
        if self._broken is not None:
            _raise(self._broken)
        await self._sent.send(_Piece(_push(self._link.up, len(data)), bytes(data)))

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room for more."""
        await _wait_room(self._link.up)

    async def aclose(self) -> None:
        """Close the stream below; what is on its way is lost."""
        await self._stream.aclose()

    async def _carry_down(self) -> None:
        while True:
            await _wait_room(self._link.down)
            data, error = b"", None
            try:
                data = bytes(await self._stream.receive_some(limits.RECEIVE_BYTES))
            except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as broken:
                error = broken
            await self._to_us.send(_Piece(_push(self._link.down, len(data)), data, error))
            if not data:
                return

    async def _carry_up(self) -> None:
        try:
            async for piece in self._to_peer:
                await trio.sleep_until(piece.arrives)
                await self._stream.send_all(piece.data)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as broken:
            self._broken = broken
            self._to_peer.close()  # who waits to send finds out


def _push(pipe: Pipe, size: int) -> float:
    return pipe.push(size, trio.current_time())


async def _wait_room(pipe: Pipe) -> None:
    await trio.sleep_until(pipe.held_until(trio.current_time()))


def _raise(error: Exception) -> NoReturn:
    raise trio.BrokenResourceError(f"the link broke: {error}") from error
