"""A link over a WebSocket on a TCP connection.

The link itself never waits: `connection.Connection` owns the tasks and tells it what arrives and
how it ended.

Must not know: gateways, what messages mean.
"""

from collections.abc import Callable

from protocol.errors import CloseCode, RemoteProtocolError
from server.net import limits
from server.net.link import Closed, LinkStatistics, OnReady, nobody
from server.net.outbound import Outbound

__all__ = ["SocketLink"]


class SocketLink:
    """A `link.Link`. `stop` ends the connection's tasks, which then write what is left."""

    __slots__ = (
        "_bytes_received",
        "_closed",
        "_inbox",
        "_messages_received",
        "_on_ready",
        "_outbound",
        "_peer",
        "_stop",
        "_stuck_at_bytes",
        "_stuck_since",
        "fell_short",
        "lend_send",
        "take_back",
        "try_send",
    )

    def __init__(
        self,
        peer: str,
        outbound: Outbound,
        bytes_received: Callable[[], int],
        stop: Callable[[], None],
    ) -> None:
        # Sends whole frames without waiting. No method: every link passes here in every tick.
        self.try_send = outbound.push
        self.lend_send = outbound.lend
        self.take_back = outbound.take_back
        self.fell_short = outbound.fell_short
        self._peer = peer
        self._outbound = outbound
        self._bytes_received = bytes_received
        self._stop = stop
        self._closed: Closed | None = None
        self._inbox: list[bytes] = []
        self._messages_received = 0
        self._on_ready: OnReady = nobody
        self._stuck_since: float | None = None
        self._stuck_at_bytes = 0

    @property
    def peer(self) -> str:
        """The address of the other end."""
        return self._peer

    @property
    def closed(self) -> Closed | None:
        """Why the link ended, None while it is open."""
        return self._closed

    def notify(self, on_ready: OnReady) -> None:
        """Call `on_ready` whenever there is a first message to drain, or the link ends."""
        self._on_ready = on_ready
        if self._inbox or self._closed is not None:
            on_ready()

    def drain(self) -> list[bytes]:
        """Take the messages that have arrived, oldest first."""
        inbox = self._inbox
        if inbox:
            self._inbox = []
        return inbox

    def close(self, code: int, reason: str) -> None:
        """Say Close behind everything that was taken, and end the link soon."""
        self.end(Closed(int(code), reason, by_peer=False))

    def statistics(self) -> LinkStatistics:
        """Totals, and what waits."""
        return LinkStatistics(
            bytes_received=self._bytes_received(),
            messages_received=self._messages_received,
            partial=self._outbound.partial,
            refused=self._outbound.refused,
            remainder_bytes=self._outbound.remainder_bytes,
            inbox_messages=len(self._inbox),
        )

    # --- for the connection that owns the link ---------------------------------------------------

    def deliver(self, message: bytes) -> None:
        """Put a message into the inbox; RemoteProtocolError if nobody can have drained it lately.

        A client that keeps to the rate cannot fill the inbox unless the gateway hangs, and then it
        is the gateway's links that must go, not the memory.
        """
        if self._closed is not None:
            return
        inbox = self._inbox
        if len(inbox) >= limits.INBOX_MESSAGES:
            raise RemoteProtocolError("too many messages wait", CloseCode.POLICY)
        self._messages_received += 1
        inbox.append(message)
        if len(inbox) == 1:
            self._on_ready()

    def end(self, closed: Closed) -> None:
        """Note why the link ends, unless it has ended already, and stop its tasks."""
        if self._closed is None:
            self._closed = closed
            self._outbound.end()
            self._stop()
            if not self._inbox:  # else it is ready already
                self._on_ready()

    def stuck(self, now: float) -> bool:
        """Whether bytes have waited for `limits.STUCK_S` and the kernel took none of them."""
        sent = self._outbound.bytes_waited
        if not self._outbound.waiting or sent != self._stuck_at_bytes or self._stuck_since is None:
            self._stuck_since, self._stuck_at_bytes = now, sent
        return now - self._stuck_since > limits.STUCK_S
