"""The order of everything that is written to one connection.

Two kinds of writers share it: the fan-out, which pushes whole frames and never waits, and
trio-websocket, which waits until its bytes are taken. What the kernel took only in part is kept as
the remainder (the rest of one push, or of one control frame) and precedes everything else.

Invariants: the bytes that the transport sees are whole frames, one after the other, whoever is
cancelled when; a push takes nothing while somebody waits to write; nothing follows a Close frame.
`_clear` says whether there is nothing at all in the way of a push: one look instead of four.

Must not know: sockets, what frames say.
"""

from collections.abc import Callable
from typing import Final

import trio

from server.net.link import OnObstructed, Send, Sent
from server.net.transport import NOT_NOW, Transport

__all__ = ["Outbound"]

_CLOSE_FRAME_START: Final = b"\x88"  # final, opcode 8; an HTTP response never starts with it
_ALL: Final = Sent.ALL  # looking up the member of an enumeration is not free


class Outbound:
    """Writes to `transport`. `on_remainder` is called when a push leaves one: run `flush` soon.

    `bytes_waited` counts those that were taken otherwise than by a push with nothing in its way.
    """

    __slots__ = (
        "_broken",
        "_busy",
        "_clear",
        "_close_written",
        "_ended",
        "_flushing",
        "_on_obstructed",
        "_on_remainder",
        "_remainder",
        "_send",
        "_transport",
        "_turn",
        "bytes_waited",
        "partial",
        "refused",
    )

    def __init__(
        self, transport: Transport, on_remainder: Callable[[], None] = lambda: None
    ) -> None:
        self.bytes_waited = 0
        self.partial = 0
        self.refused = 0
        self._transport = transport
        self._send = transport.send
        self._on_remainder = on_remainder
        self._on_obstructed: OnObstructed | None = None
        self._remainder: bytes | memoryview = b""
        self._turn = trio.Lock()  # of those who wait; the fan-out never does
        self._busy = False
        self._flushing = False
        self._ended = False
        self._close_written = False
        self._broken = False
        self._clear = True

    @property
    def remainder_bytes(self) -> int:
        """Bytes of a frame that was taken in part."""
        return len(self._remainder)

    @property
    def waiting(self) -> bool:
        """Whether bytes wait for the transport."""
        return self._busy or bool(self._remainder)

    def push(self, frame: bytes) -> Sent:
        """Write whole frames, joined, without waiting; an empty push only flushes.

        With nothing in the way, as nearly always, it costs hardly more than the system's call.
        """
        if not self._clear or not frame:
            return self._push_behind(frame)
        try:
            taken = self._send(frame)
        except OSError as error:
            taken = self._refuse(error)
        return _ALL if taken == len(frame) else self._keep(frame, taken)

    def lend(self, on_obstructed: OnObstructed) -> Send | None:
        """The transport's own `send`, until something is in its way; None if something is."""
        if not self._clear:
            return None
        self._on_obstructed = on_obstructed
        return self._send

    def take_back(self) -> None:
        """What was lent is not used any more."""
        self._on_obstructed = None

    def fell_short(self, frame: bytes, taken: int | OSError) -> Sent:
        """What was lent took only so much of `frame`, or raised."""
        self._on_obstructed = None  # who tells us of it knows
        if isinstance(taken, OSError):
            taken = self._refuse(taken)
        return self._keep(frame, taken)

    def _push_behind(self, frame: bytes) -> Sent:
        """Push what has something in its way."""
        if self._ended or self._busy or not self._push_remainder():
            self.refused += 1
            return Sent.FULL
        return self.push(frame) if frame else _ALL

    def _keep(self, frame: bytes, taken: int) -> Sent:
        """Not all of a push was taken: keep the rest, unless it has not even begun."""
        if not taken:
            self.refused += 1
            return Sent.FULL
        self._remainder = memoryview(frame)[taken:]
        self._obstruct()
        self.partial += 1
        if not self._flushing:
            self._flushing = True
            self._on_remainder()
        return Sent.PARTIAL

    def end(self) -> None:
        """Take no more pushes; what was taken is still written."""
        self._ended = True
        self._obstruct()

    async def flush(self) -> None:
        """Wait until the remainder is taken.

        Raises trio.BrokenResourceError when the peer is lost.
        """
        try:
            async with self._turn:
                await self._wait_remainder_taken()
        finally:
            self._flushing = False

    async def send_all(self, data: bytes) -> None:
        """Write one frame of trio-websocket, or a part of the handshake.

        When it is cancelled before the first byte, the frame is forgotten; later, its rest stays
        behind as the remainder. Raises trio.BrokenResourceError when the peer is lost and
        trio.ClosedResourceError after Close.
        """
        async with self._turn:
            self._busy = True
            self._obstruct()
            try:
                await self._wait_remainder_taken()
                if self._ended:
                    raise trio.ClosedResourceError("nothing follows a Close frame")
                await self._write(data)
            finally:
                self._busy = False
                self._look()

    async def finish(self, close_frame: bytes) -> None:
        """Write the remainder and, unless there was one, `close_frame` (b"" for none).

        To be called when nobody else writes any more. Raises trio.BrokenResourceError when the
        peer is lost.
        """
        self.end()
        async with self._turn:
            await self._wait_remainder_taken()
            if not self._close_written:
                await self._write(close_frame)
        self._transport.shut()

    async def _write(self, data: bytes) -> None:
        taken = 0
        while data and not taken:
            taken = self._take(data)
            if self._broken:
                raise trio.BrokenResourceError("the peer is lost")
            if not taken:
                await self._transport.wait_writable()
        if data[:1] == _CLOSE_FRAME_START:
            self._close_written = True
            self.end()
        self._remainder = memoryview(data)[taken:]
        self._obstruct()
        await self._wait_remainder_taken()

    async def _wait_remainder_taken(self) -> None:
        while not self._push_remainder():
            if self._broken:
                raise trio.BrokenResourceError("the peer is lost")
            await self._transport.wait_writable()

    def _push_remainder(self) -> bool:
        """Write what is left over; whether nothing is left and more may follow."""
        while self._remainder:
            taken = self._take(self._remainder)
            if not taken:
                return False
            self._remainder = self._remainder[taken:]
        self._remainder = b""  # do not keep a whole body alive for the sake of no bytes
        self._look()
        return not self._broken

    def _take(self, data: bytes | memoryview) -> int:
        if self._broken:
            return 0
        try:
            taken = self._send(data)
        except OSError as error:
            return self._refuse(error)
        self.bytes_waited += taken
        return taken

    def _refuse(self, error: OSError) -> int:
        """The transport took nothing: it is full, or the peer is lost."""
        if not isinstance(error, NOT_NOW):
            # The reader hears of it too, and ends the link with the reason.
            self._broken = True
            self._obstruct()
            self._remainder = b""
        return 0

    def _obstruct(self) -> None:
        """Something is in the way: whoever pushes past us must be told."""
        self._clear = False
        told, self._on_obstructed = self._on_obstructed, None
        if told is not None:
            told()

    def _look(self) -> None:
        self._clear = not (self._remainder or self._busy or self._ended or self._broken)
