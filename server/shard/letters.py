"""The items of mail: what gateways and shards tell and ask one another.

The bus delivers at most once, so every item may be repeated without harm: the receiver answers a
repeated question again and ignores a repeated fact. Sessions are named with their link's
generation, so that a link that was taken over can no longer speak for its session.

Must not know: bytes, sessions' rules, worlds.
"""

from typing import NamedTuple, TypeAlias

import attrs

__all__ = [
    "Confirm",
    "Detach",
    "Ended",
    "Found",
    "Input",
    "Item",
    "Join",
    "Joined",
    "Leave",
    "Refused",
    "Remind",
    "Reminded",
    "Resume",
    "Resumed",
    "Resync",
    "Resynced",
    "Seek",
    "Superseded",
]

# --- from a gateway to a shard -------------------------------------------------------------------


@attrs.frozen
class Join:
    """A new session wants an entity; any shard takes it and hands it where it belongs.

    `session` is a random u64 that the gateway picks, `token_hash` the SHA-256 of the resume token.
    Repeat until `Joined` or `Refused` comes.
    """

    session: int
    token_hash: bytes
    name: str


@attrs.frozen
class Resume:
    """A client came back with the token of `session`; only its owner answers.

    `token` is the secret itself and `next_hash` the SHA-256 of the token that shall replace it:
    what a shard stores never suffices to resume. Repeat (with the same `next_hash`) until
    `Resumed` comes or the client's patience ends: nobody answers while an entity is in transit.
    """

    session: int
    token: bytes
    next_hash: bytes


@attrs.frozen
class Confirm:
    """The client has its new token: the one before it is void. An `Input` confirms as well."""

    session: int
    generation: int


@attrs.frozen
class Detach:
    """The link is lost; the grace period runs. Repeat each second while frames list the session."""

    session: int
    generation: int


@attrs.frozen
class Leave:
    """The player said goodbye: no grace. Repeat like `Detach`."""

    session: int
    generation: int


class Input(NamedTuple):
    """One input of a session, values in wire integers, as `protocol.messages.Input` carries it.

    `after` is the number of the input that the gateway sent before this one; of the first of those
    that it keeps the newest that the client has been told of, 0 if none. A shard that has not seen
    that one drops this one, too: both come again, or the client learns first what it has lost.

    A tuple, because there are many more of them than of all others.
    """

    session: int
    generation: int
    seq: int
    tick: int
    view: int
    kind: int
    values: tuple[int | str, ...]
    after: int = 0


@attrs.frozen
class Resync:
    """A frame was missed (`since`: the tick held, 0 for nothing) or parts are damaged (`cells`).

    Answered by `Resynced` after the shard's next frame. No `cells` means all of them.
    """

    since: int
    cells: tuple[int, ...] = ()


@attrs.frozen
class Seek:
    """No shard that the gateway hears has this session of one of its links: it asks who does.

    Asked of all; only the owner answers, with `Found`. Repeat while it is missed.
    """

    session: int
    generation: int


# --- from a shard to the others ------------------------------------------------------------------


@attrs.frozen
class Remind:
    """The player of `session` may have missed durable events, and asks which concern it: it is back
    after a lost link, or its link was too slow for all of them.

    Asked of every shard, since what happened elsewhere than in the one that owns it now may have
    been missed as well. `cells` are those that it sees. Repeat until `Reminded` comes, which says
    `times`, too: how often the link had missed something before.
    """

    session: int
    generation: int
    entity: int
    cells: tuple[int, ...]
    times: int = 0

    def answer(self, shard: int, told: tuple[tuple[int, bytes], ...]) -> "Reminded":
        """What `shard` remembers."""
        return Reminded(self.session, self.generation, shard, told, self.times)


# --- from a shard to a gateway -------------------------------------------------------------------


@attrs.frozen
class Joined:
    """The session is in the world, durably."""

    session: int
    entity: int
    shard: int
    hop: int
    generation: int
    tick: int


@attrs.frozen
class Refused:
    """The session was not accepted; `code` is a `protocol.errors.CloseCode`.

    `next_hash` is that of the `Resume` which is refused, empty for a `Join`.
    """

    session: int
    code: int
    reason: str
    next_hash: bytes = b""


@attrs.frozen
class Resumed:
    """The session lives here and its link is now `generation`; the token is rotated, durably.

    `next_hash` is that of the `Resume` which is answered: an answer to one link's question must
    not be taken for another's that names the same session.
    """

    session: int
    entity: int
    shard: int
    hop: int
    generation: int
    tick: int
    applied: int
    next_hash: bytes


@attrs.frozen
class Found:
    """The answer to `Seek`: the session is at `shard`."""

    session: int
    generation: int
    shard: int


@attrs.frozen
class Superseded:
    """The link `generation` of this session was taken over: close it with 4409."""

    session: int
    generation: int


@attrs.frozen
class Ended:
    """The session is over: it left, or its grace period ran out."""

    session: int
    generation: int
    reason: str


@attrs.frozen
class Resynced:
    """The answer to `Resync`: an encoded frame of the shard's newest tick, for these cells.

    Its base is the `since` of the question if that is still retained, else 0 (all keyframes). The
    shard's next published frame stands on this frame's tick.
    """

    shard: int
    cells: tuple[int, ...]
    frame: bytes


@attrs.frozen
class Reminded:
    """The answer to `Remind`: what `shard` remembers that concerns the player, oldest first.

    Each as its tick and the encoded event. What its journal does not have yet is in later frames.
    """

    session: int
    generation: int
    shard: int
    told: tuple[tuple[int, bytes], ...]
    times: int = 0


Item: TypeAlias = (
    Join
    | Resume
    | Confirm
    | Detach
    | Leave
    | Input
    | Resync
    | Remind
    | Seek
    | Joined
    | Refused
    | Resumed
    | Superseded
    | Ended
    | Resynced
    | Reminded
    | Found
)
