"""What shards write to a gateway, taken to those whom it concerns.

Must not know: the bus, snapshots.
"""

from collections.abc import Callable
from typing import Any, Final

from protocol.errors import CloseCode
from server.gateway.detached import Detached
from server.gateway.events import Waiting
from server.gateway.handshake import Handshake
from server.gateway.reminders import Reminders
from server.gateway.roster import Roster
from server.gateway.sessions import Sessions
from server.shard.mail import (
    Ended,
    Found,
    Item,
    Joined,
    Mail,
    MailError,
    Refused,
    Reminded,
    Resumed,
    Resynced,
    Superseded,
)

__all__ = ["Answers"]


class Answers:
    """Takes the mail of one gateway."""

    def __init__(
        self,
        handshake: Handshake,
        roster: Roster,
        sessions: Sessions,
        detached: Detached,
        reminders: Reminders,
    ) -> None:
        self._roster = roster
        self._sessions = sessions
        self._detached = detached
        self._reminders = reminders
        self._handlers: Final[dict[type[Item], Callable[[Any], None]]] = {
            Joined: handshake.joined,
            Resumed: handshake.resumed,
            Refused: handshake.refused,
            Found: sessions.found,
            Superseded: self._superseded,
            Reminded: self._reminded,
            Ended: self._ended,
        }
        self._reminded_times = 0

    def take(self, data: bytes) -> list[Resynced]:
        """Act on one mail; what it repeats of frames is given back."""
        try:
            mail = Mail.decode(data)
        except MailError:
            return []  # a broken sender; whatever it had to say is asked for again
        frames = []
        for item in mail.items:
            if isinstance(item, Resynced):
                frames.append(item)
            else:
                self._handlers.get(type(item), _ignore)(item)
        return frames

    def _superseded(self, item: Superseded) -> None:
        self._detached.forget(item.session)
        state = self._sessions.link_of(item.session)
        if state is None or state.session is None or state.session.generation != item.generation:
            return
        self._sessions.stop(state)  # the session is another link's: nothing to detach
        self._roster.close(state, CloseCode.TAKEN_OVER, "the session goes on over another link")

    def _reminded(self, item: Reminded) -> None:
        state = self._reminders.answered(item)
        if state is not None and item.told:
            self._reminded_times += 1
            for tick, event in item.told:
                state.events.push(Waiting(tick, item.shard, event, frame=-self._reminded_times))
            state.be_special()

    def _ended(self, item: Ended) -> None:
        self._detached.forget(item.session)
        state = self._sessions.link_of(item.session)
        if state is None or state.session is None or state.session.generation != item.generation:
            return
        self._sessions.stop(state)
        self._roster.close(state, CloseCode.KICKED, item.reason)


def _ignore(_: Item) -> None:
    """What shards do not write to gateways."""
