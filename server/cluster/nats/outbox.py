"""What is to be sent over the link, in order, and what comes back.

Must not know: who sends it.
"""

from collections import deque
from collections.abc import Callable, Mapping

import attrs
import trio

__all__ = ["Arrival", "Command", "Flush", "Outbox", "Publish", "Subscribe", "Unsubscribe"]


@attrs.frozen
class Arrival:
    """A message that came. `reply` is "" for none."""

    subject: str
    reply: str
    headers: Mapping[str, str]
    data: bytes


@attrs.frozen(eq=False)
class Publish:
    """Send a message."""

    subject: str
    data: bytes
    reply: str
    headers: dict[str, str] | None


@attrs.frozen(eq=False)
class Subscribe:
    """Have `deliver` called with what matches."""

    number: int
    pattern: str
    deliver: Callable[[Arrival], None]


@attrs.frozen(eq=False)
class Unsubscribe:
    """Receive nothing more for that subscription."""

    number: int


@attrs.frozen(eq=False)
class Flush:
    """Set `done` when all that went before is at the server, and what it sent is delivered."""

    done: trio.Event


Command = Publish | Subscribe | Unsubscribe | Flush


def _nobody() -> None:
    """Whom to tell that there is something to send, while there is no link."""


class Outbox:
    """Commands that wait. `wake` is called when there is one to send."""

    def __init__(self) -> None:
        self._commands: deque[Command] = deque()
        self.wake: Callable[[], None] = _nobody
        self.bytes = 0
        self.sent = 0
        self.dropped = 0

    def put(self, command: Command) -> None:
        """Put a command behind those that wait."""
        self._commands.append(command)
        if isinstance(command, Publish):
            self.bytes += len(command.data)
        self.wake()

    def first(self) -> Command | None:
        """The command that is to be sent next; it waits until it is `done`."""
        return self._commands[0] if self._commands else None

    def done(self, command: Command, *, sent: bool = True) -> None:
        """That one is sent, or never will be; nothing happens if it was cleared meanwhile."""
        if not self._commands or self._commands[0] is not command:
            return
        self._commands.popleft()
        if isinstance(command, Publish):
            self.bytes -= len(command.data)
            self.sent += sent
            self.dropped += not sent
        elif isinstance(command, Flush):
            command.done.set()

    def clear(self) -> None:
        """Drop everything, and let nobody wait for it."""
        for command in self._commands:
            if isinstance(command, Flush):
                command.done.set()
            elif isinstance(command, Publish):
                self.dropped += 1
        self._commands.clear()
        self.bytes = 0
        self.wake = _nobody
