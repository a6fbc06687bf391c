"""From hello to welcome: joining, resuming, observing, and being refused.

A join is asked of one shard, which hands the entity to where it belongs; a resume is asked of all,
since only the owner of the session can judge the token. Both are repeated until answered. An answer
to a resume names the hash of the token that shall replace the old one, so it can only be taken for
the very question that it answers, whoever else claims the same session at that time.

Must not know: snapshots, frames, the bus.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from protocol.errors import CloseCode
from protocol.messages import Hello
from server.gateway import limits
from server.gateway.links import LinkState, Phase, Playing
from server.gateway.post import Post
from server.gateway.tokens import Token, TokenMaker
from server.shard.mail import Join, Joined, Refused, Resume, Resumed

__all__ = ["Asking", "Doorkeeper", "Handshake", "Terms"]


class Doorkeeper(Protocol):
    """What the handshake may do to a link; the gateway's core."""

    def expect(self, state: LinkState, playing: Playing) -> None:
        """Note what frames say of `playing`; it may come before the answer."""

    def unclaimed(self, session: int, generation: int, shard: int) -> None:
        """A shard gave a session a link that is gone by now."""

    def admit(self, state: LinkState, token: Token | None, playing: Playing | None) -> None:
        """Welcome the link, as the player of a session or as an observer."""

    def close(self, state: LinkState, code: CloseCode, reason: str) -> None:
        """Say goodbye with `reason` and close the link."""

    def refusal(self) -> tuple[CloseCode, str] | None:
        """Why no further link can be admitted, None if it can."""


@attrs.frozen(kw_only=True)
class Terms:
    """On what terms links are admitted."""

    world: str
    shards: Sequence[int]
    reveal: bool = False


@attrs.define(eq=False)
class Asking:
    """A link whose question no shard has answered yet."""

    state: LinkState
    token: Token
    question: Join | Resume
    next_at: float
    deadline: float


class Handshake:
    """The links between hello and welcome."""

    def __init__(
        self,
        terms: Terms,
        post: Post,
        tokens: TokenMaker,
        door: Doorkeeper,
        whole_for: Callable[[float], float],
    ) -> None:
        self._whole_for = whole_for
        self._terms = terms
        self._post = post
        self._tokens = tokens
        self._door = door
        # By the hash of the token that the link will get: no two questions share it.
        self._asking: dict[bytes, Asking] = {}
        self._joins: dict[int, Asking] = {}  # those of them that join, by session
        self._questions: Counter[int] = Counter()  # how many ask for each session

    def cut_anew(self, shards: Sequence[int]) -> None:
        """From now on one of these is asked to take who joins."""
        self._terms = attrs.evolve(self._terms, shards=shards)

    def __len__(self) -> int:
        return len(self._asking)

    # --- hello -----------------------------------------------------------------------------------

    def hello(self, state: LinkState, hello: Hello, now: float) -> None:
        """Answer the first message of a link."""
        refusal = self._refusal(hello)
        if refusal is not None:
            self._door.close(state, *refusal)
        elif hello.observe:
            self._door.admit(state, None, None)
        elif hello.resume is not None:
            self._resume(state, hello.resume, now)
        else:
            # Names are shown on other people's screens, terminals among them.
            name = "".join(filter(str.isprintable, hello.name))
            self._join(state, name, now)

    def _refusal(self, hello: Hello) -> tuple[CloseCode, str] | None:
        terms = self._terms
        if hello.world is not None and hello.world != terms.world:
            return CloseCode.POLICY, "this is another world"
        if hello.observe and not terms.reveal:
            return CloseCode.AUTH, "this world is not shown to observers"
        return self._door.refusal()

    def _join(self, state: LinkState, name: str, now: float) -> None:
        token = self._tokens.new_session()
        shards = self._terms.shards
        shard = shards[token.session % len(shards)]
        playing = Playing(token.session, generation=1, owner=shard, route=shard)
        self._door.expect(state, playing)
        question = Join(token.session, token.hash, name)
        asking = self._ask(state, token, question, now, limits.JOIN_S)
        self._joins[token.session] = asking

    def _resume(self, state: LinkState, data: bytes, now: float) -> None:
        old = Token.parse(data)
        if old is None:
            self._door.close(state, CloseCode.AUTH, "this is not a resume token")
            return
        if self._questions[old.session] >= limits.RESUMES_PENDING:
            self._door.close(state, CloseCode.AUTH, "this session is being resumed already")
            return
        token = self._tokens.next_token(old.session)
        question = Resume(old.session, data, token.hash)
        self._ask(state, token, question, now, limits.RESUME_S)

    def _ask(
        self,
        state: LinkState,
        token: Token,
        question: Join | Resume,
        now: float,
        patience_s: float,
    ) -> Asking:
        state.phase = Phase.ASKING
        asking = Asking(state, token, question, now, now + patience_s)
        self._asking[token.hash] = asking
        self._questions[token.session] += 1
        self._repeat(asking, now)
        return asking

    def _repeat(self, asking: Asking, now: float) -> None:
        asking.next_at = now + limits.ASK_AGAIN_S
        if isinstance(asking.question, Resume):
            self._post.ask_all(asking.question)
        elif asking.state.session is not None:
            self._post.add(asking.state.session.route, asking.question)

    # --- answers ---------------------------------------------------------------------------------

    def joined(self, answer: Joined) -> None:
        """A shard took the session."""
        asking = self._joins.get(answer.session)
        if asking is None or asking.state.phase is Phase.CLOSED:
            self._door.unclaimed(answer.session, answer.generation, answer.shard)
            return
        playing = asking.state.session
        if playing is not None:
            playing.generation = answer.generation
            if not playing.entity or answer.hop > playing.hop:  # no frame has told of it yet
                playing.owner = playing.route = answer.shard
            playing.entity = playing.entity or answer.entity
        self._finish(asking, playing)

    def resumed(self, answer: Resumed) -> None:
        """The owner judged the token good."""
        asking = self._asking.get(answer.next_hash)
        if (
            asking is None
            or asking.token.session != answer.session
            or asking.state.phase is Phase.CLOSED
        ):
            self._door.unclaimed(answer.session, answer.generation, answer.shard)
            return
        asking.state.tell_applied(answer.applied, 0)  # less than the client knows if it was lost
        playing = Playing(
            answer.session,
            generation=answer.generation,
            owner=answer.shard,
            route=answer.shard,
            hop=answer.hop,
            entity=answer.entity,
        )
        self._finish(asking, playing)

    def refused(self, answer: Refused) -> None:
        """A shard does not take the session."""
        if answer.next_hash:
            asking = self._asking.get(answer.next_hash)
        else:
            asking = self._joins.get(answer.session)
        if asking is not None and asking.token.session == answer.session:
            self._drop(asking, _close_code(answer.code), answer.reason)

    def _finish(self, asking: Asking, playing: Playing | None) -> None:
        self._forget(asking)
        self._door.admit(asking.state, asking.token, playing)

    def _drop(self, asking: Asking, code: CloseCode, reason: str) -> None:
        self._forget(asking)
        self._door.close(asking.state, code, reason)

    def _forget(self, asking: Asking) -> None:
        del self._asking[asking.token.hash]
        self._questions[asking.token.session] -= 1
        if not self._questions[asking.token.session]:
            del self._questions[asking.token.session]
        if self._joins.get(asking.token.session) is asking:
            del self._joins[asking.token.session]

    # --- time ------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Repeat questions, and give up on those that nobody answers."""
        for asking in list(self._asking.values()):
            if asking.state.phase is Phase.CLOSED:
                self._forget(asking)
            elif now > asking.deadline:
                self._give_up(asking, now)
            elif now >= asking.next_at:
                self._repeat(asking, now)

    def _give_up(self, asking: Asking, now: float) -> None:
        if isinstance(asking.question, Resume):
            if self._whole_for(now) < limits.RESUME_S:  # who is silent may be who knows it
                self._drop(asking, CloseCode.RESTART, "a part of the world is away; resume again")
            else:
                self._drop(asking, CloseCode.AUTH, "nobody knows this session")
        else:
            self._drop(asking, CloseCode.FULL, "no shard answers")


def _close_code(code: int) -> CloseCode:
    try:
        return CloseCode(code)
    except ValueError:
        return CloseCode.CRASH
