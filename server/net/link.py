"""The seam between the gateway and whatever carries bytes to a client.

A link takes prebuilt WebSocket frames and never waits; it hands over whole binary messages when it
is asked, and says when it is worth asking. Implemented on sockets (`socket.SocketLink`) and on
memory (`memory.MemoryLink`), so that simulations run the same gateway.

Invariants: bytes arrive in the order in which they were taken; nothing is sent after Close; what a
link holds is bounded (one remainder, one inbox). A link is ready from its first message after a
`drain`, or from its end, until the next `drain`, and says so once.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

import attrs

__all__ = ["Closed", "Link", "LinkStatistics", "OnObstructed", "OnReady", "Send", "Sent", "nobody"]

Send = Callable[[bytes], int]
"""Gives bytes to the transport; how many it took. Raises OSError when it took none."""

OnObstructed = Callable[[], None]
"""Called when something is in the way of a `Send` that was lent. It must not raise."""

OnReady = Callable[[], None]
"""Called when there is something to drain, or the link has ended. It must not raise."""


def nobody() -> None:
    """The `OnReady` of a link that nobody has taken yet."""


class Sent(Enum):
    """What became of bytes that were given to `try_send`."""

    ALL = auto()
    """The transport has taken everything."""
    PARTIAL = auto()
    """Some was taken. The link keeps the rest, which precedes everything else."""
    FULL = auto()
    """Nothing was taken: the transport is full, busy or closed. Conflate, and try later."""


@attrs.frozen
class Closed:
    """Why a link ended, as a WebSocket close code (1006: without a closing handshake)."""

    code: int
    reason: str
    by_peer: bool


@attrs.frozen(kw_only=True)
class LinkStatistics:
    """Totals of one link since it opened, and what waits in it now.

    `refused` counts calls of `try_send` that took nothing, `partial` those that took some.
    """

    bytes_received: int
    messages_received: int
    partial: int
    refused: int
    remainder_bytes: int
    inbox_messages: int


class Link(Protocol):
    """One client's live transport."""

    @property
    def peer(self) -> str:
        """The address of the other end, for limits and logs."""

    @property
    def closed(self) -> Closed | None:
        """None while the link is open. What arrived before can still be drained."""

    def notify(self, on_ready: OnReady) -> None:
        """Call `on_ready` whenever the link becomes ready, at once if it is.

        It is called in the middle of reading, so it should only note that it was.
        """

    def try_send(self, frame: bytes) -> Sent:
        """Send one or more whole WebSocket frames, joined, without waiting.

        An empty `frame` only tries to get rid of a remainder.
        """

    def lend_send(self, on_obstructed: OnObstructed) -> Send | None:
        """What sends whole frames at the least cost, while nothing is in the way; None if there is
        no such thing.

        It may be used until `on_obstructed` is called, which happens once, or `take_back`. What
        became of a frame that was not taken whole is for `fell_short` to say.
        """

    def take_back(self) -> None:
        """The `Send` that was lent is not used any more."""

    def fell_short(self, frame: bytes, taken: int | OSError) -> Sent:
        """A `Send` that was lent took only so much of a frame, or raised: keep the rest of it."""

    def drain(self) -> list[bytes]:
        """Take the binary messages that have arrived since the last call, oldest first.

        The next one makes the link ready again.
        """

    def close(self, code: int, reason: str) -> None:
        """Say Close behind everything that was taken, and end the link soon, by force if need be.

        Returns at once; further calls change nothing.
        """

    def statistics(self) -> LinkStatistics:
        """Totals, and what waits."""
