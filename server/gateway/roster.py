"""The links that are open: admitting them, saying things to them, and closing them.

Few links have something to do at a poll, so none is asked: links say when they are ready, and those
with a full outbox or without a hello are kept apart.

Invariants: every open link that is ready is in `take_ready` once, in the order in which they became
ready, and every open link with an outbox is in `owing`. What is kept of a link that has ended is
its number, until the next poll; its state, until its hello would have been overdue.

Must not know: how snapshots are made, what clients' messages mean.
"""

from collections import deque
from collections.abc import Callable
from functools import partial

import attrs

from protocol.errors import CloseCode, LocalProtocolError
from protocol.messages import Goodbye, Message
from server.gateway import limits
from server.gateway.detached import Detached
from server.gateway.interest import Interests
from server.gateway.lateness import Flows
from server.gateway.links import LinkState, Phase, Playing
from server.gateway.ontime import OnTime
from server.gateway.reminders import Reminders
from server.gateway.sessions import Sessions
from server.gateway.tokens import Token
from server.net.frames import frame
from server.net.link import Link, Sent
from server.shard.mail import Detach, Leave

__all__ = ["Roster", "RosterCounters"]

Welcome = Callable[[LinkState], Message]


@attrs.define(eq=False)
class RosterCounters:
    """Totals since the gateway began; `dropped` were closed for what they did or failed to do."""

    joins: int = 0
    resumes: int = 0
    dropped: int = 0


class Roster:
    """Every open link of one gateway, oldest first."""

    def __init__(
        self,
        sessions: Sessions,
        interests: Interests,
        detached: Detached,
        flows: Flows,
        on_time: OnTime,
        reminders: Reminders,
        welcome: Welcome,
        clients_max: int,
        *,
        turns: int,
    ) -> None:
        self.counters = RosterCounters()
        self.draining = False
        self._sessions = sessions
        self._interests = interests
        self._detached = detached
        self._flows = flows
        self._on_time = on_time
        self._reminders = reminders
        self._welcome = welcome
        self._clients_max = clients_max
        self._links: dict[int, LinkState] = {}
        self._turns: list[dict[int, LinkState]] = [{} for _ in range(turns)]
        self._ready: list[int] = []
        self._silent: deque[LinkState] = deque()  # oldest first: since when one waits for a hello
        self._owing: dict[int, LinkState] = {}
        self._numbers = 0
        self.awake_at = 0.0

    def __len__(self) -> int:
        return len(self._links)

    @property
    def ended(self) -> int:
        """How many links have ended since the gateway began."""
        return self._numbers - len(self._links)

    def all(self) -> list[LinkState]:
        """The open links."""
        return list(self._links.values())

    def turn(self, tick: int) -> list[LinkState]:
        """The open links whose turn it is at `tick`; each has one in as many ticks as `turns`."""
        return list(self._turns[tick % len(self._turns)].values())

    def open(self, link: Link, now: float) -> LinkState:
        """Take a new link, which has said nothing yet."""
        self._numbers += 1
        state = LinkState(self._numbers, link, self._flows.open(), opened_at=now)
        self._links[state.number] = self._turn_of(state)[state.number] = state
        self._silent.append(state)
        # The number, not the state: nothing that a link holds leads back to it.
        link.notify(partial(self._ready.append, state.number))
        return state

    def _turn_of(self, state: LinkState) -> dict[int, LinkState]:
        return self._turns[state.number % len(self._turns)]

    # --- what a poll has to do --------------------------------------------------------------------

    def take_ready(self) -> list[LinkState]:
        """The open links that have become ready since the last call; each must be drained now."""
        numbers = self._ready.copy()
        self._ready.clear()
        links = self._links
        return [links[number] for number in numbers if number in links]

    def owing(self) -> list[LinkState]:
        """The open links whose outbox waits."""
        self._owing = {
            number: state
            for number, state in self._owing.items()
            if state.outbox and state.phase is not Phase.CLOSED
        }
        return list(self._owing.values())

    def take_overdue(self, now: float) -> list[LinkState]:
        """The open links that should have said hello by `now`, and have not; each once."""
        silent, overdue = self._silent, []
        while silent:
            state = silent[0]
            if state.phase is Phase.HELLO:
                if now - state.opened_at <= limits.HELLO_S:
                    break
                overdue.append(state)
            silent.popleft()
        return overdue

    # --- for the handshake -----------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return len(self._links) >= self._clients_max

    def refusal(self) -> tuple[CloseCode, str] | None:
        """Why no further link can be admitted, None if it can."""
        if self.draining:
            return CloseCode.RESTART, "the server is shutting down"
        if len(self._links) > self._clients_max:
            return CloseCode.FULL, "the world is full"
        return None

    def expect(self, state: LinkState, playing: Playing) -> None:
        """Note what frames say of `playing`; it may come before the answer."""
        self._sessions.start(state, playing)

    def unclaimed(self, session: int, generation: int, shard: int) -> None:
        """`shard` gave `session` a link that is gone by now: tell it so."""
        state = self._sessions.link_of(session)
        if state is None or state.session is None or state.session.generation != generation:
            self._detached.add(Detach(session, generation), (shard,))

    def admit(self, state: LinkState, token: Token | None, playing: Playing | None) -> None:
        """Welcome the link, as the player of a session or as an observer."""
        state.phase = Phase.PLAYING
        state.flow.begin(self.awake_at)
        self._on_time.admit(state)
        if playing is None or token is None:
            state.observer = True
            state.want(self._interests.everything)
        else:
            self._take_session(state, token, playing)
        self.say(state, self._welcome(state))

    def _take_session(self, state: LinkState, token: Token, playing: Playing) -> None:
        former = self._sessions.link_of(playing.session)
        if former is state:
            self.counters.joins += 1
        else:
            self.counters.resumes += 1
            self._reminders.begin(state, playing)
            state.confirmed = False
            if former is not None:
                self._sessions.stop(former)
                self.close(former, CloseCode.TAKEN_OVER, "the session goes on over another link")
        state.token = token
        self._detached.forget(playing.session)
        self._sessions.start(state, playing)

    # --- talking ---------------------------------------------------------------------------------

    def say(self, state: LinkState, message: Message) -> None:
        """Send one message now, or as soon as the link takes it, before any later snapshot."""
        self.push(state, frame(state.connection.send(message)))

    def push(self, state: LinkState, whole: bytes) -> None:
        """The same for a message that is a frame already, and may be sent to who plays."""
        if not state.outbox and state.link.try_send(whole) is not Sent.FULL:
            return
        state.outbox.append(whole)
        self._owing[state.number] = state
        state.be_special()
        if len(state.outbox) > limits.OUTBOX_MESSAGES:
            self.drop(state, CloseCode.POLICY, "too much waits to be read")

    def flush(self, state: LinkState) -> None:
        """Try again to send what waits in the outbox."""
        if state.outbox and state.link.try_send(b"".join(state.outbox)) is not Sent.FULL:
            state.outbox.clear()

    # --- closing ---------------------------------------------------------------------------------

    def drop(self, state: LinkState, code: CloseCode, reason: str) -> None:
        """Close a link for what it did or failed to do."""
        if state.phase is not Phase.CLOSED:
            self.counters.dropped += 1
        self.close(state, code, reason)

    def close(self, state: LinkState, code: CloseCode, reason: str, retry_s: float = 0.0) -> None:
        """Say goodbye with `reason` and close the link; its session waits for another one."""
        if state.phase is Phase.CLOSED:
            return
        try:
            data = state.connection.send(Goodbye(code, reason, retry_s))
        except LocalProtocolError:
            pass  # the client said bye first: there is nobody to tell
        else:
            state.link.try_send(b"".join((*state.outbox, frame(data))))
        self._end(state, code, reason, leave=False)

    def left(self, state: LinkState) -> None:
        """The player said goodbye: the session ends with the link."""
        self._end(state, CloseCode.LEAVING, "goodbye", leave=True)

    def lost(self, state: LinkState) -> None:
        """The link is gone; its session waits for another one."""
        self._end(state, CloseCode.LEAVING, "the link was lost", leave=False)

    def _end(self, state: LinkState, code: CloseCode, reason: str, *, leave: bool) -> None:
        joining = state.phase is Phase.ASKING
        state.phase = Phase.CLOSED
        state.link.close(code, reason)
        self._links.pop(state.number, None)
        self._turn_of(state).pop(state.number, None)
        self._on_time.remove(state)
        state.flow.close()
        state.want(None)
        playing = state.session
        if playing is not None and self._sessions.link_of(playing.session) is state:
            self._sessions.stop(state)
            fact = Leave if leave or joining else Detach
            lost = fact(playing.session, playing.generation)
            self._detached.add(lost, (playing.owner, playing.route))
