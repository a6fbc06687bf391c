"""Where one connection is counted: at the doors, as long as it plays or may, or as a visitor.

Must not know: sockets, HTTP, WebSocket. Time is an argument.
"""

from collections.abc import Callable

from server.net.doors import Doors
from server.net.visitors import Visitors

__all__ = ["Seat"]


class Seat:
    """The place of a connection that the doors have admitted. It must be left."""

    __slots__ = ("_at_doors", "_doors", "_origin", "_visit", "_visitors")

    def __init__(self, doors: Doors, visitors: Visitors, origin: str) -> None:
        self._doors = doors
        self._visitors = visitors
        self._origin = origin
        self._at_doors = True
        self._visit = 0

    def begin_handshake(self, give_up: Callable[[], None]) -> int:
        """Note a handshake; returns its number."""
        return self._doors.begin_handshake(give_up)

    def end_handshake(self, number: int) -> None:
        """The handshake is over, one way or the other."""
        self._doors.end_handshake(number)

    def visit(self, give_up: Callable[[], None]) -> None:
        """It came for the page: make room at the doors."""
        self._leave_doors()
        self._visit = self._visitors.enter(self._origin, give_up)

    def may_ask(self, now: float) -> bool:
        """Note one more page request; False if there are too many of late."""
        return self._visitors.may_ask(self._visit, self._origin, now)

    def play(self) -> bool:
        """It wants to play after all; False if there is no room for it."""
        self._visitors.leave(self._visit)
        self._at_doors = self._doors.admit(self._origin)
        return self._at_doors

    def leave(self) -> None:
        """The connection has ended."""
        self._leave_doors()
        self._visitors.leave(self._visit)

    def _leave_doors(self) -> None:
        if self._at_doors:
            self._at_doors = False
            self._doors.leave(self._origin)
