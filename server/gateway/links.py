"""What the gateway knows of one link: who plays over it and what it holds.

Must not know: how snapshots are made, mail, the bus.
"""

from collections import deque
from enum import Enum, auto
from math import inf
from typing import Protocol

import attrs

from protocol.connection import Connection
from protocol.messages import Role
from server.gateway import limits
from server.gateway.baseline import Baseline
from server.gateway.events import EventQueue
from server.gateway.interest import Interest
from server.gateway.lateness import Flow
from server.gateway.streams import Lags, Stream
from server.gateway.tokens import Token
from server.net.link import Link
from server.shard.mail import Input

__all__ = ["Lane", "LinkState", "Phase", "Playing"]


class Phase(Enum):
    """How far a link has come; it only moves forward."""

    HELLO = auto()  # nothing was said yet
    ASKING = auto()  # a shard was asked to take the session
    PLAYING = auto()  # welcomed, as player or observer
    CLOSED = auto()


@attrs.define(eq=False)
class Playing:
    """The session that plays over a link, and where its owner is.

    `hop` counts the session's handoffs; the frame with the highest one tells the `owner`. `route`
    is where inputs go, which runs ahead of `owner` while the session changes hands.
    `unacknowledged` are inputs of which the client was not told that they are applied, `posted` the
    one that was sent last to the present route. `confirms`: the owner is told that the client has
    its new token, and so is each later one, since it may have missed it. `missed_times` counts how
    often more happened than the link could be told. `unlisted_at` is since when no shard that is
    followed has the session.
    """

    session: int
    generation: int
    owner: int
    route: int
    hop: int = 0
    entity: int = 0
    unacknowledged: deque[Input] = attrs.field(
        factory=lambda: deque[Input](maxlen=limits.INPUTS_KEPT)
    )
    newest_seq: int = 0
    posted: int = 0
    missed_times: int = 0
    confirms: bool = False
    unlisted_at: float | None = None


class Lane(Protocol):
    """Where links are that are on time; they are taken out when something concerns them alone."""

    def leave(self, state: "LinkState") -> None:
        """More is to be told to `state` than to the others."""

    def report(self, state: "LinkState") -> None:
        """The same is, but for its report."""


@attrs.define(eq=False)
class LinkState:
    """One link. Compared by identity.

    `follows` is the stream that it is told in step with, except for the parts in which it `lags`.

    `report` is (applied, margin) while the client has not been told them. If it says that inputs
    were undone, later ones are not told in its stead, but after it: the client counts what is lost.
    `_told` is what the last report said, `_undone` (newest input that one before it told of, tick
    of the snapshot that says that it was undone).

    `special` tells the fan-out that there is more to do than to send: messages in `outbox`, events
    that wait, scores, or cells to repair. `lane` is where it is while it is on time.
    """

    number: int
    link: Link
    flow: Flow
    opened_at: float
    phase: Phase = Phase.HELLO
    connection: Connection = attrs.field(factory=lambda: Connection(Role.SERVER))
    session: Playing | None = None
    observer: bool = False
    token: Token | None = None
    confirmed: bool = True

    # what it should hold and what it holds
    interest: Interest | None = None
    sent: Interest | None = None
    baseline: Baseline | None = None
    follows: Stream | None = None
    lags: Lags = attrs.field(factory=dict)
    applied: int = 0
    report: tuple[int, int] | None = None
    _told: int = attrs.field(default=0, init=False)
    _undone: tuple[int, int] | None = attrs.field(default=None, init=False)
    _next_report: tuple[int, int] | None = attrs.field(default=None, init=False)
    private: bytes | None = None

    # what is out of the ordinary
    lane: "Lane | None" = None
    special: bool = False
    outbox: deque[bytes] = attrs.field(factory=deque)
    events: EventQueue = attrs.field(factory=EventQueue)
    scores: bytes | None = None
    damaged: frozenset[int] = frozenset()

    # what it says of itself
    resynced_at: float = -inf

    @property
    def session_id(self) -> int:
        """The session that plays over this link, 0 if none."""
        return self.session.session if self.session else 0

    @property
    def told(self) -> int:
        """The newest input of which the client may believe that it has taken effect.

        It does of one that was undone until it has acknowledged that it was told so: not before
        that may others take the place of what is lost.
        """
        if self._undone is not None:
            believed, tick = self._undone
            if not self.flow.has_acknowledged(tick):
                return believed
            self._undone = None
        return self._told

    def note_applied(self, applied: int, margin: int) -> None:
        """Inputs up to `applied` have taken effect; the newest came `margin` ticks early."""
        if applied != self.applied:
            self.tell_applied(applied, margin)

    def tell_applied(self, applied: int, margin: int) -> None:
        """The same, whether or not that is news."""
        self.applied = applied
        if self.report is not None and self.report[0] < min(self._told, applied):
            self._next_report = applied, margin
        else:
            self.report, self._next_report = (applied, margin), None
        if self.lane is not None:
            self.lane.report(self)

    def reported(self) -> None:
        """The report, if any, is in the snapshot that was just sent."""
        if self.report is None:
            return
        believed, self._told = self.told, self.report[0]
        if self._told < believed:
            self._undone = believed, self.flow.newest
        self.report, self._next_report = self._next_report, None
        if self.report is not None and self.lane is not None:
            self.lane.report(self)

    def note_private(self, private: bytes | None) -> None:
        """There is a new private section, unless it is None."""
        if private is not None:
            self.disturb()
            self.private = private

    def be_special(self) -> None:
        """There is more to do than to send."""
        self.disturb()
        self.special = True

    def want(self, interest: Interest | None) -> None:
        """Send the cells of `interest` from now on."""
        if interest is not self.interest:
            self.disturb()
            if self.interest is not None:
                self.interest.leave()
            if interest is not None:
                interest.enter()
            self.interest = interest

    def disturb(self) -> None:
        """The link is an exception until it has been written."""
        if self.lane is not None:
            self.lane.leave(self)
