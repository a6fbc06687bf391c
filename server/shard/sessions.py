"""Who plays in a shard: the sessions that it owns, their tokens, links and grace.

The shard that owns a session's entity owns the session; both travel together. A session is bound
to the gateway and the generation of its present link, and only that pair may speak for it: a
gateway cannot steer what it does not hold, nor can a link that was taken over.

Tokens: the shard knows only hashes. A resume rotates the token at once but keeps the one before
it until the client has shown that it has the new one; a repeated question gets the same answer.

Must not know: worlds, frames, the bus; time is counted in ticks that are passed in.
"""

import hashlib
import hmac
from collections.abc import Container, Iterator
from heapq import heappop, heappush
from typing import Any

import attrs

from protocol.errors import CloseCode
from server.shard import limits
from server.shard.inputs import InputBuffer, PendingInput
from server.shard.mail import Refused

__all__ = ["Session", "SessionTable", "Takeover"]


@attrs.define
class Session:
    """One player. `generation` counts its links, `hop` the handoffs of its entity.

    `centre` is the cell that its interest is centred on, -1 before the first frame, and
    `radius_class` says how far it reaches; `lost_at` is the tick at which its link was lost, and
    `silenced` whether only because its gateway was silent, which may come back with the link.
    """

    id: int
    name: str
    gateway: str
    token_hash: bytes
    entity: int = 0
    previous_hash: bytes | None = None
    generation: int = 1
    hop: int = 0
    centre: int = -1
    radius_class: int = 0
    lost_at: int | None = None
    silenced: bool = False
    inputs: InputBuffer = attrs.field(factory=InputBuffer)

    @property
    def linked(self) -> bool:
        """Whether a link is there, as far as the shard knows."""
        return self.lost_at is None

    def to_data(self, now: int) -> list[Any]:
        """Plain data for a handoff or a checkpoint at tick `now`."""
        waited = None if self.lost_at is None else now - self.lost_at
        return [
            self.id,
            self.name,
            self.gateway,
            self.token_hash,
            self.entity,
            self.previous_hash,
            self.generation,
            self.hop,
            self.centre,
            self.radius_class,
            waited,
            self.silenced,
            self.inputs.to_data(),
        ]

    @classmethod
    def from_data(cls, data: list[Any], now: int) -> "Session":
        """The session that `to_data` described, at tick `now`."""
        *fields, waited, silenced, inputs = data
        session = cls(*fields)
        session.lost_at = None if waited is None else now - waited
        session.silenced = silenced
        session.inputs = InputBuffer.from_data(inputs)
        return session


@attrs.frozen
class Takeover:
    """An accepted resume: the session, and the link that it had before if that was another."""

    session: Session
    replaced: tuple[str, int] | None


class SessionTable:
    """The sessions of one shard, in the order in which they came.

    Nobody but `lose`, `resume` and `heard` changes the link of a session in the table: whoever is
    without one has an entry in `_deadlines`, whoever has one a gateway in `_heard` or `_unheard`.
    Entries of sessions that left or were resumed are skipped when their time comes.
    """

    def __init__(self, grace_ticks: int = limits.GRACE_TICKS) -> None:
        self._grace_ticks = grace_ticks
        self._sessions: dict[int, Session] = {}
        self._heard: dict[str, int] = {}  # when, by gateway
        self._unheard: dict[str, None] = {}  # gateways of sessions that count from the next tick on
        self._silenced: dict[str, dict[int, None]] = {}  # sessions whose gateway is silent, by it
        self._deadlines: list[tuple[int, int]] = []  # when grace ends, and whose: a heap
        self._touched: dict[int, None] = {}  # in order, unlike a set
        self._changed: dict[int, None] = {}
        self._progressed: dict[int, None] = {}  # whose inputs came or were applied
        self._waiting: dict[int, None] = {}
        self._reordered = True

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def get(self, session: int) -> Session | None:
        """The session with this id, if this shard owns it."""
        return self._sessions.get(session)

    def held_by(self, session: int, sender: str, generation: int) -> Session | None:
        """The session, if `sender` holds its link of this generation; else None."""
        found = self._sessions.get(session)
        if found is None or found.generation != generation or found.gateway != sender:
            return None
        return found

    def insert(self, session: Session) -> None:
        """Own a session that came with its entity."""
        self._sessions[session.id] = session
        self._reordered = True
        if len(session.inputs):
            self._waiting[session.id] = None
        # A gateway whose session came from another shard has from now on to be heard here.
        self._unheard[session.gateway] = None
        self._await_return(session)
        if session.silenced:
            self._silenced.setdefault(session.gateway, {})[session.id] = None
        self.touch(session)

    def restore(self, session: Session) -> None:
        """Have a session as a record or a checkpoint says it was."""
        self.insert(session)
        self._touched.pop(session.id, None)

    def go_on(self) -> None:
        """Play on after a recovery: inputs that had not taken effect are to be sent again."""
        for session in self._sessions.values():
            session.inputs = InputBuffer(session.inputs.applied, session.inputs.applied)
        self._waiting.clear()

    def remove(self, session: int) -> Session | None:
        """Own a session no longer: it ended, or went with its entity."""
        self._reordered = True
        self._waiting.pop(session, None)
        return self._sessions.pop(session, None)

    def touch(self, session: Session) -> None:
        """Note that a session changed in what must survive a crash."""
        self._touched[session.id] = self._changed[session.id] = None

    def take_touched(self) -> list[Session]:
        """The sessions that are here and changed since the last call."""
        touched, self._touched = self._touched, {}
        return [self._sessions[number] for number in touched if number in self._sessions]

    # --- what changed since it was asked last ----------------------------------------------------

    def offer(self, session: Session, entry: PendingInput, now: int) -> bool:
        """Keep an input until its tick; False if it is known already."""
        self._progressed[session.id] = self._waiting[session.id] = None
        return session.inputs.offer(entry, now=now)

    def bind(self, session: Session, entity: int) -> None:
        """Note which entity a session has, 0 for none."""
        if session.entity != entity:
            session.entity = entity
            self._changed[session.id] = None

    def waiting(self) -> list[Session]:
        """The sessions with inputs that wait for their tick, longest first."""
        sessions = self._sessions
        return [sessions[each] for each in self._waiting]

    def take_inputs(
        self, tick: int, once: Container[int]
    ) -> tuple[list[tuple[int, PendingInput]], list[tuple[int, int]]]:
        """The inputs of `tick` by session, and (session, newest applied) where that changed.

        `once` are the kinds that run each time; see `InputBuffer.take`.
        """
        inputs: list[tuple[int, PendingInput]] = []
        applied: list[tuple[int, int]] = []
        for session in self.waiting():
            due = session.inputs.take(tick, once)
            if due:
                inputs += [(session.id, entry) for entry in due]
                applied.append((session.id, session.inputs.applied))
                self._progressed[session.id] = None
                if not session.inputs:
                    self._waiting.pop(session.id, None)
        return inputs, applied

    def take_changed(self) -> list[Session]:
        """The sessions that are here and of which frames have something new to say.

        Those of which it is only what became of inputs are in `take_progressed`.
        """
        changed, self._changed = self._changed, {}
        return [self._sessions[number] for number in changed if number in self._sessions]

    def take_progressed(self) -> list[Session]:
        """The sessions that are here and whose inputs came, or were applied, since the last call.

        Apart from the others, because they are many and hardly anything of them is different.
        """
        progressed, self._progressed = self._progressed, {}
        sessions = self._sessions
        return [sessions[number] for number in progressed if number in sessions]

    def take_reordered(self) -> bool:
        """Whether sessions came or went."""
        reordered, self._reordered = self._reordered, False
        return reordered

    # --- what gateways ask -----------------------------------------------------------------------

    def heard(self, sender: str, now: int) -> None:
        """Note that a gateway lives; if it was silent, its links are what they were.

        Those that it lost meanwhile it goes on to report.
        """
        self._heard[sender] = now
        for number in self._silenced.pop(sender, ()):
            session = self._sessions.get(number)
            if session is not None and session.gateway == sender and session.silenced:
                session.lost_at, session.silenced = None, False
                self.touch(session)

    def join(self, session: int, sender: str, token_hash: bytes, name: str) -> Session | Refused:
        """A new session, the same one if it was asked for before, or why not."""
        known = self._sessions.get(session)
        if known is not None:
            if known.gateway == sender and hmac.compare_digest(known.token_hash, token_hash):
                return known
            return Refused(session, CloseCode.POLICY, "the session's number is taken")
        if len(token_hash) != limits.HASH_BYTES:
            return Refused(session, CloseCode.POLICY, "the token's hash has the wrong length")
        if len(self._sessions) >= limits.SESSIONS_MAX:
            return Refused(session, CloseCode.FULL, "the shard is full")
        created = Session(session, name, sender, token_hash)
        self._unheard[sender] = None
        self._sessions[session] = created
        self._reordered = True
        self.touch(created)
        return created

    def resume(
        self, session: int, sender: str, token: bytes, next_hash: bytes
    ) -> Takeover | Refused | None:
        """Give a session's link to `sender`; None if the session lives elsewhere or nowhere."""
        found = self._sessions.get(session)
        if found is None:
            return None
        shown = hashlib.sha256(token[: limits.TOKEN_BYTES_MAX]).digest()
        current = hmac.compare_digest(shown, found.token_hash)
        previous = found.previous_hash is not None and hmac.compare_digest(
            shown, found.previous_hash
        )
        if not (current or previous) or len(next_hash) != limits.HASH_BYTES:
            return Refused(session, CloseCode.AUTH, "the resume token is not valid", next_hash)
        if previous and found.gateway == sender and found.token_hash == next_hash:
            return Takeover(found, None)  # the question was asked again: the same answer
        replaced = (found.gateway, found.generation) if found.linked else None
        if current:
            found.previous_hash = found.token_hash
        found.token_hash = next_hash
        found.gateway = sender
        self._unheard[sender] = None
        found.generation += 1
        found.lost_at, found.silenced = None, False
        self.touch(found)
        return Takeover(found, replaced)

    # --- time ------------------------------------------------------------------------------------

    def lose(self, session: Session, now: int) -> None:
        """Note that a session's link was lost at `now`; its grace begins."""
        session.lost_at, session.silenced = now, False
        self._await_return(session)
        self.touch(session)

    def expire(self, now: int) -> list[Session]:
        """Count links of silent gateways as lost; remove and give the sessions out of grace.

        Those whose grace ends first come first. A tick at which nothing ends costs nothing.
        """
        over = []
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            session = self._sessions.get(heappop(deadlines)[1])
            if session is None or session.lost_at is None:
                continue  # it left, or was resumed
            if now - session.lost_at >= self._grace_ticks:  # else it was lost again since
                self.remove(session.id)
                over.append(session)
        self._count_silent(now)
        return over

    def _await_return(self, session: Session) -> None:
        if session.lost_at is not None:
            heappush(self._deadlines, (session.lost_at + self._grace_ticks, session.id))

    def _count_silent(self, now: int) -> None:
        """Lose the links of gateways that have not been heard for too long, and forget these."""
        for gateway in self._unheard:
            self._heard.setdefault(gateway, now)
        self._unheard.clear()
        oldest = now - limits.GATEWAY_SILENCE_TICKS
        silent = {gateway for gateway, heard_at in self._heard.items() if heard_at < oldest}
        if not silent:
            return
        for gateway in silent:
            del self._heard[gateway]
        for session in self._sessions.values():
            if session.gateway in silent and session.linked:
                self.lose(session, now)
                session.silenced = True
                self._silenced.setdefault(session.gateway, {})[session.id] = None
