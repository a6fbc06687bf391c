"""A link without a socket: for simulations and tests, which run the same gateway on it.

A pair has two ends. The server's end is a `link.Link` and takes frames exactly as a socket would:
all, in part, or not at all, since the pipe to the client holds `capacity` bytes that were sent and
not yet read. The client's end sends and receives whole messages. Both directions delay what they
carry, in order, as TCP does.

Invariants: no clock (time is whatever the driver last said) and no chance but the seeded one: the
same calls give the same bytes.

Must not know: trio, sockets, what messages mean.
"""

import random
from typing import Final

from protocol.errors import CloseCode
from protocol.link import ConditionedLink, Profile
from server.net import limits
from server.net.frames import BINARY, CLOSE, FrameReader, close_frame
from server.net.link import Closed, LinkStatistics, OnObstructed, OnReady, Send, Sent, nobody
from server.net.pipe import Pipe, delays

__all__ = ["MemoryClient", "MemoryLink", "MemoryPair"]

CAPACITY: Final = 64 * 1024  # about what a loopback socket takes from a reader that has stopped
_ABNORMAL: Final = Closed(1006, "the connection was lost", by_peer=True)


class MemoryPair:
    """Both ends of one connection.

    `capacity`: bytes that the client may leave unread before the link is full. `delay_s`: one way,
    in the driver's seconds, with up to `jitter_s` more; or else `profile`, a bad link with its
    stalls and its rate. `seed`: of either's chance.
    """

    def __init__(
        self,
        *,
        capacity: int = CAPACITY,
        delay_s: float = 0.0,
        jitter_s: float = 0.0,
        profile: Profile | None = None,
        seed: int = 0,
        peer: str = "memory",
        now: float = 0.0,
    ) -> None:
        chance = random.Random(seed)  # noqa: S311 - a simulation wants the same chance each time
        self.now = now
        self.capacity = capacity
        if profile is None:
            self.down = Pipe(delays(delay_s, jitter_s, chance))
            self.up = Pipe(delays(delay_s, jitter_s, chance))
        else:
            conditioned = ConditionedLink(profile, seed)
            self.down, self.up = Pipe(conditioned.down.push), Pipe(conditioned.up.push)
        self.link = MemoryLink(self, peer)
        self.client = MemoryClient(self)

    def advance(self, now: float) -> None:
        """Say what time it is; never earlier than before."""
        assert now >= self.now, "time does not run backwards"
        self.now = now
        self.link.look()

    def cut(self) -> None:
        """Lose the connection: what is under way is gone, and both ends hear of it at once."""
        self.down.clear()
        self.up.clear()
        self.link.lost()
        self.client.lost()


class MemoryLink:
    """The server's end: a `link.Link`."""

    def __init__(self, pair: MemoryPair, peer: str) -> None:
        self._pair = pair
        self._peer = peer
        self._closed: Closed | None = None
        self._on_ready: OnReady = nobody
        self._ready = False  # since the last drain
        self._on_obstructed: OnObstructed | None = None
        self._remainder = b""
        self._bytes_received = 0
        self._messages_received = 0
        self._partial = 0
        self._refused = 0

    @property
    def peer(self) -> str:
        """The name of the other end."""
        return self._peer

    @property
    def closed(self) -> Closed | None:
        """Why the link ended, None while it is open."""
        self._hear_client_close()
        return self._closed

    def try_send(self, frame: bytes) -> Sent:
        """Send whole frames, as far as the pipe has room."""
        if self.closed is not None or not self._push_remainder():
            self._refused += 1
            return Sent.FULL
        if not frame:
            return Sent.ALL
        taken = self._put(frame)
        if taken == len(frame):
            return Sent.ALL
        self._obstruct()
        return self.fell_short(frame, taken)

    def lend_send(self, on_obstructed: OnObstructed) -> Send | None:
        """What puts frames into the pipe, as far as it has room."""
        if self.closed is not None or self._remainder:
            return None
        self._on_obstructed = on_obstructed
        return self._put

    def take_back(self) -> None:
        """What was lent is not used any more."""
        self._on_obstructed = None

    def fell_short(self, frame: bytes, taken: int | OSError) -> Sent:
        """The pipe had no room for all of a frame."""
        self._on_obstructed = None
        if not taken or isinstance(taken, OSError):
            self._refused += 1
            return Sent.FULL
        self._remainder = frame[taken:]
        self._partial += 1
        return Sent.PARTIAL

    def _obstruct(self) -> None:
        told, self._on_obstructed = self._on_obstructed, None
        if told is not None:
            told()

    def notify(self, on_ready: OnReady) -> None:
        """Call `on_ready` whenever there is something to drain, or the link ends."""
        self._on_ready, self._ready = on_ready, False
        self.look()

    def drain(self) -> list[bytes]:
        """Take the messages that have arrived, oldest first."""
        self._ready = self.closed is not None  # after the end there is no more news
        if self._closed is not None and not self._closed.by_peer:
            return []
        messages = self._pair.up.take(self._pair.now)
        self._bytes_received += sum(map(len, messages))
        self._messages_received += len(messages)
        if len(messages) > limits.INBOX_MESSAGES:
            self.close(CloseCode.POLICY, "too many messages wait")
        self._push_remainder()
        return messages

    def close(self, code: int, reason: str) -> None:
        """Say Close behind everything that was taken."""
        if self._closed is None:
            self._closed = Closed(int(code), reason, by_peer=False)
            self._obstruct()
            self._remainder += close_frame(code, reason)
            self._push_remainder()
            self.look()

    def statistics(self) -> LinkStatistics:
        """Totals, and what waits."""
        return LinkStatistics(
            bytes_received=self._bytes_received,
            messages_received=self._messages_received,
            partial=self._partial,
            refused=self._refused,
            remainder_bytes=len(self._remainder),
            inbox_messages=0,
        )

    def lost(self) -> None:
        """The connection is cut."""
        self._remainder = b""
        if self._closed is None:
            self._closed = _ABNORMAL
            self._obstruct()
            self.look()

    def look(self) -> None:
        """Notice what has arrived by now."""
        self._hear_client_close()
        if self._closed is not None or self._pair.up.arrived(self._pair.now):
            self._announce()

    def _announce(self) -> None:
        if not self._ready:
            self._ready = True
            self._on_ready()

    def _hear_client_close(self) -> None:
        arrival = self._pair.client.said_close_at
        if self._closed is None and arrival is not None and arrival <= self._pair.now:
            self._remainder = b""
            self._closed = self._pair.client.said_close
            self._obstruct()
            self._announce()  # whoever asked may not be who has to know

    def push(self) -> None:
        """Give the pipe what it refused before; the client has read something."""
        self._push_remainder()

    def _push_remainder(self) -> bool:
        if self._remainder:
            self._remainder = self._remainder[self._put(self._remainder) :]
        return not self._remainder

    def _put(self, data: bytes) -> int:
        room = max(self._pair.capacity - self._pair.down.bytes, 0)
        part = data[:room]
        if part:
            self._pair.down.put(part, self._pair.now)
        return len(part)


class MemoryClient:
    """The client's end: whole messages in both directions."""

    def __init__(self, pair: MemoryPair) -> None:
        self.said_close: Closed | None = None
        self.said_close_at: float | None = None
        self._pair = pair
        self._reader = FrameReader()
        self._closed: Closed | None = None

    @property
    def closed(self) -> Closed | None:
        """Why the connection ended, as far as the client has read; None while it is open."""
        return self._closed

    def send(self, message: bytes) -> None:
        """Send one binary message; after the end it is lost."""
        if self._closed is None and self.said_close is None:
            self._pair.up.put(message, self._pair.now)
            self._pair.link.look()

    def receive(self) -> list[bytes]:
        """Read everything that has arrived: whole messages, oldest first.

        A client that does not call this has stopped reading, and the pipe fills.
        """
        messages = []
        while self._closed is None and (pieces := self._pair.down.take(self._pair.now)):
            for piece in pieces:
                for frame in self._reader.feed(piece):
                    if frame.opcode == BINARY:
                        messages.append(frame.payload)
                    elif frame.opcode == CLOSE:
                        code = int.from_bytes(frame.payload[:2], "big")
                        self._closed = Closed(code, frame.payload[2:].decode(), by_peer=True)
            self._pair.link.push()
        return messages

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say Close; the server hears of it when it arrives."""
        if self._closed is None and self.said_close is None:
            self._closed = Closed(code, reason, by_peer=False)
            self.said_close = Closed(code, reason, by_peer=True)
            self.said_close_at = self._pair.up.arrival(len(reason), self._pair.now)
            self._pair.link.look()

    def lost(self) -> None:
        """The connection is cut."""
        if self._closed is None:
            self._closed = _ABNORMAL
