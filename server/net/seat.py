"""Where one connection is counted: at the doors, as long as it plays or may, or as a visitor; and
under whose address.

Must not know: sockets, HTTP, WebSocket. Time is an argument.
"""

from collections.abc import Callable

from server.net.doors import Doors
from server.net.visitors import Visitors

__all__ = ["Seat"]


class Seat:
    """The place of a connection that the doors have admitted. It must be left.

    `origin` None: a proxy has made it, and it is `identify` that says for whom.
    """

    __slots__ = ("_at_doors", "_doors", "_origin", "_visit", "_visitors")

    def __init__(self, doors: Doors, visitors: Visitors, origin: str | None) -> None:
        self._doors = doors
        self._visitors = visitors
        self._origin = origin
        self._at_doors = True
        self._visit = 0

    @property
    def known(self) -> bool:
        """Whether it is known who it is."""
        return self._origin is not None

    def identify(self, origin: str) -> bool:
        """Say who it is, while it is at the doors; False if that address has too many there."""
        if not self._doors.identify(origin):
            return False
        self._origin = origin
        return True

    def begin_handshake(self, give_up: Callable[[], None]) -> int:
        """Note a handshake; returns its number."""
        return self._doors.begin_handshake(give_up)

    def end_handshake(self, number: int) -> None:
        """The handshake is over, one way or the other."""
        self._doors.end_handshake(number)

    def visit(self, origin: str, give_up: Callable[[], None]) -> None:
        """It came for the page, for `origin`: make room at the doors."""
        self._leave_doors()
        self._visit = self._visitors.enter(origin, give_up)

    def may_ask(self, origin: str, now: float, *, probes: bool) -> bool:
        """Note one more page request, for `origin`; False if there are too many of late."""
        return self._visitors.may_ask(self._visit, origin, now, probes=probes)

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
