"""The shard's desk: what gateways ask for becomes sessions, inputs and answers.

Everything is checked here as if it came from a stranger: that the sender holds the session's link,
and that an input's values are in the ranges which the schema declares. What fails is counted and
dropped; it cannot stop a tick.

Must not know: worlds, frames, the bus.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import attrs

from protocol.errors import CloseCode, ProtocolError
from protocol.schema import Schema
from server.shard import limits
from server.shard.inputs import PendingInput
from server.shard.mail import (
    Confirm,
    Detach,
    Ended,
    Found,
    Input,
    Item,
    Join,
    Joined,
    Leave,
    Mail,
    Refused,
    Remind,
    Resume,
    Resumed,
    Resync,
    Seek,
    Superseded,
)
from server.shard.post import Post
from server.shard.sessions import Session, SessionTable

__all__ = ["Asked", "Desk", "DeskStatistics"]


@attrs.define
class Asked:
    """What one tick's mail asks of the world: sessions to join and to leave, frames to repeat.

    `reminders` are questions about players who came back, with who asks.
    """

    joins: list[Session] = attrs.field(factory=list)
    leaves: list[int] = attrs.field(factory=list)
    resyncs: list[tuple[str, Resync]] = attrs.field(factory=list)
    reminders: list[tuple[str, Remind]] = attrs.field(factory=list)


@attrs.frozen
class DeskStatistics:
    """Items that were dropped: from a sender that holds no such link, with values out of range,
    of a kind that shards do not take, inputs whose sequence number was known, and inputs before
    which another one is missing.
    """

    astray: int
    out_of_range: int
    misplaced: int
    repeated: int
    gaps: int


class Desk:
    """Takes the mail of one shard."""

    def __init__(self, shard: int, schema: Schema, sessions: SessionTable, post: Post) -> None:
        self._shard = shard
        self._schema = schema
        self._sessions = sessions
        self._post = post
        self._asked = Asked()
        self._now = 0
        self._moved: OrderedDict[int, tuple[str, Joined]] = OrderedDict()
        self._astray = 0
        self._out_of_range = 0
        self._misplaced = 0
        self._repeated = 0
        self._gaps = 0
        self.draining = False
        self._handlers: Final[dict[type[Item], Callable[[str, Any], None]]] = {
            Join: self._join,
            Resume: self._resume,
            Confirm: self._confirm,
            Detach: self._detach,
            Leave: self._leave,
            Input: self._input,
            Resync: self._resync,
            Remind: self._remind,
            Seek: self._seek,
        }

    def open(self, now: int) -> None:
        """Begin tick `now`: expire what ran out of time."""
        self._now = now
        for session in self._sessions.expire(now):
            self._end(session, "the link did not come back in time")

    def take(self, mail: Mail) -> None:
        """Do what a mail asks, as far as its sender may ask it."""
        sender, handlers = mail.sender, self._handlers
        self._sessions.heard(sender, self._now)
        for item in mail.items:
            handler = handlers.get(type(item))
            if handler is None:
                self._misplaced += 1
            else:
                handler(sender, item)

    def close(self) -> Asked:
        """What was asked since `open`."""
        asked, self._asked = self._asked, Asked()
        return asked

    def arrived(self, session: Session) -> None:
        """Own a session that came with its entity from another shard."""
        self._moved.pop(session.id, None)
        self._sessions.insert(session)

    def entered(self, session: Session) -> None:
        """Answer a join whose entity is in the world."""
        self._post.promise(session.gateway, self._joined(session))

    def moved(self, session: Session, to: int, tick: int) -> None:
        """Remember for a while that a session went to shard `to`, to answer a repeated join."""
        answer = attrs.evolve(self._joined(session), shard=to, hop=session.hop + 1, tick=tick)
        self._moved[session.id] = (session.gateway, answer)
        if len(self._moved) > limits.SESSIONS_MAX:
            self._moved.popitem(last=False)

    def to_data(self) -> list[Any]:
        """Plain data for a checkpoint: who is remembered as moved."""
        return [[to, list(attrs.astuple(answer))] for to, answer in self._moved.values()]

    def load(self, data: list[Any]) -> None:
        """Be as `to_data` described."""
        for gateway, answer in data:
            self._moved[answer[0]] = (gateway, Joined(*answer))

    def statistics(self) -> DeskStatistics:
        """Counters since the shard began."""
        return DeskStatistics(
            self._astray, self._out_of_range, self._misplaced, self._repeated, self._gaps
        )

    # --- what a gateway may ask ------------------------------------------------------------------

    def _join(self, sender: str, item: Join) -> None:
        moved = self._moved.get(item.session)
        if moved is not None and moved[0] == sender:
            self._post.promise(sender, moved[1])
            return
        if self.draining and self._sessions.get(item.session) is None:
            refusal = Refused(item.session, CloseCode.RESTART, "the shard is shutting down")
            self._post.send(sender, refusal)
            return
        known = len(self._sessions)
        answer = self._sessions.join(item.session, sender, item.token_hash, item.name)
        if isinstance(answer, Refused):
            self._post.send(sender, answer)
        elif len(self._sessions) > known:
            self._asked.joins.append(answer)
        elif answer.entity:
            self._post.promise(sender, self._joined(answer))

    def _resume(self, sender: str, item: Resume) -> None:
        answer = self._sessions.resume(item.session, sender, item.token, item.next_hash)
        if answer is None:
            return
        if isinstance(answer, Refused):
            self._post.send(sender, answer)
            return
        if answer.replaced is not None:
            gateway, generation = answer.replaced
            self._post.send(gateway, Superseded(item.session, generation))
        session = answer.session
        self._post.promise(
            sender,
            Resumed(
                session.id,
                session.entity,
                self._shard,
                session.hop,
                session.generation,
                self._now,
                session.inputs.applied,
                item.next_hash,
            ),
        )

    def _confirm(self, sender: str, item: Confirm) -> None:
        session = self._held(sender, item)
        if session is not None:
            self._confirmed(session)

    def _detach(self, sender: str, item: Detach) -> None:
        session = self._held(sender, item)
        if session is not None and session.linked:
            self._sessions.lose(session, self._now)

    def _leave(self, sender: str, item: Leave) -> None:
        session = self._held(sender, item)
        if session is not None:
            self._sessions.remove(session.id)
            self._end(session, "the player left")

    def _input(self, sender: str, item: Input) -> None:
        number, generation, seq, tick, view, kind, values, after = item
        session = self._sessions.held_by(number, sender, generation)
        if session is None:
            self._astray += 1
            return
        if after > session.inputs.seen:
            self._gaps += 1  # the bus has lost one: its gateway sends both again
            return
        if not self._in_range(kind, values):
            self._out_of_range += 1
            session.inputs.pass_over(seq)
            return
        entry = PendingInput(seq, tick, view, kind, values)
        if not self._sessions.offer(session, entry, self._now):
            self._repeated += 1
        self._confirmed(session)  # who plays has received the token

    def _confirmed(self, session: Session) -> None:
        if session.previous_hash is not None:
            session.previous_hash = None
            self._sessions.touch(session)

    def _resync(self, sender: str, item: Resync) -> None:
        self._asked.resyncs.append((sender, item))

    def _remind(self, sender: str, item: Remind) -> None:
        self._asked.reminders.append((sender, item))

    def _seek(self, sender: str, item: Seek) -> None:
        if self._sessions.held_by(item.session, sender, item.generation) is not None:
            self._post.send(sender, Found(item.session, item.generation, self._shard))

    def _in_range(self, kind: int, values: tuple[int | str, ...]) -> bool:
        inputs = self._schema.inputs
        if kind >= len(inputs):
            return False
        try:
            inputs[kind].check(values)
        except ProtocolError:
            return False
        return True

    def _held(self, sender: str, item: Confirm | Detach | Leave) -> Session | None:
        session = self._sessions.held_by(item.session, sender, item.generation)
        if session is None:
            self._astray += 1
        return session

    def _end(self, session: Session, reason: str) -> None:
        if session in self._asked.joins:
            self._asked.joins.remove(session)  # the world never hears of it
        else:
            self._asked.leaves.append(session.id)
        self._post.promise(session.gateway, Ended(session.id, session.generation, reason))

    def _joined(self, session: Session) -> Joined:
        return Joined(
            session.id,
            session.entity,
            self._shard,
            session.hop,
            session.generation,
            self._now,
        )
