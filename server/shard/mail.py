"""Mail: what gateways and shards write to each other on the bus.

A gateway sends one `Mail` per shard and tick to the shard's inbox, and asks every shard at once on
the resume subject. A shard answers on the gateway's own subject. On the wire a mail is the CBOR
array [sender, [item, ...]], and an item is [number, field, ...] in the order of its class.

The bus delivers at most once, so every item may be repeated without harm: the receiver answers a
repeated question again and ignores a repeated fact. Sessions are named with their link's
generation, so that a link that was taken over can no longer speak for its session.

Must not know: sessions' rules, worlds, sockets.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import attrs

from protocol import cbor
from protocol.errors import ProtocolError
from server.shard import limits

__all__ = [
    "Confirm",
    "Detach",
    "Ended",
    "Input",
    "Item",
    "Join",
    "Joined",
    "Leave",
    "Mail",
    "MailError",
    "Refused",
    "Resume",
    "Resumed",
    "Resync",
    "Resynced",
    "Superseded",
    "frame_subject",
    "gateway_subject",
    "inbox_subject",
    "resume_subject",
    "shard_sender",
    "taken_subject",
]


class MailError(ValueError):
    """A mail is not of the form that this module writes; its sender is broken or lies."""


# --- subjects ------------------------------------------------------------------------------------


def frame_subject(world: str, shard: int | str) -> str:
    """Where a shard publishes its frames; `"*"` for those of every shard."""
    return f"{world}.frame.{shard}"


def inbox_subject(world: str, shard: int) -> str:
    """Where a shard takes its mail."""
    return f"{world}.inbox.{shard}"


def resume_subject(world: str) -> str:
    """Where gateways ask all shards for the owner of a session."""
    return f"{world}.resume"


def gateway_subject(world: str, gateway: str) -> str:
    """Where a gateway (or a shard in a gateway's role, see `shard_sender`) takes replies."""
    return f"{world}.gateway.{gateway}"


def taken_subject(world: str, source: int) -> str:
    """Where a shard learns how much of its outbox the others have taken."""
    return f"{world}.taken.{source}"


def shard_sender(shard: int) -> str:
    """The name under which a shard writes mail; replies to it go to that gateway subject."""
    return f"shard-{shard}"


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


@attrs.frozen
class Input:
    """One input of a session, values in wire integers, as `protocol.messages.Input` carries it."""

    session: int
    generation: int
    seq: int
    tick: int
    view: int
    kind: int
    values: tuple[int | str, ...]


@attrs.frozen
class Resync:
    """A frame was missed (`since`: the tick held, 0 for nothing) or parts are damaged (`cells`).

    Answered by `Resynced` after the shard's next frame. No `cells` means all of them.
    """

    since: int
    cells: tuple[int, ...] = ()


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


Item: TypeAlias = (
    Join
    | Resume
    | Confirm
    | Detach
    | Leave
    | Input
    | Resync
    | Joined
    | Refused
    | Resumed
    | Superseded
    | Ended
    | Resynced
)

_NUMBERS: Final[dict[int, type[Item]]] = {
    0: Join,
    1: Resume,
    2: Confirm,
    3: Detach,
    4: Leave,
    5: Input,
    6: Resync,
    16: Joined,
    17: Refused,
    18: Resumed,
    19: Superseded,
    20: Ended,
    21: Resynced,
}


# --- codec ---------------------------------------------------------------------------------------


@attrs.frozen
class Mail:
    """One bus message: who writes, and what. `sender` is one token of a subject."""

    sender: str
    items: tuple[Item, ...] = ()

    def encode(self) -> bytes:
        """The mail as CBOR bytes."""
        return cbor.dumps([self.sender, [_row(item) for item in self.items]])

    @classmethod
    def decode(cls, data: bytes) -> "Mail":
        """The mail in `data`; `MailError` on anything that `encode` would not write."""
        try:
            body = cbor.loads(data)
        except ProtocolError as error:
            raise MailError("a mail is not CBOR") from error
        if not isinstance(body, list) or len(body) != 2 or not isinstance(body[1], list):
            raise MailError("a mail is not [sender, items]")
        sender, rows = body
        if not isinstance(sender, str) or not is_token(sender):
            raise MailError("a mail's sender is not one token of a subject")
        return cls(sender, tuple(map(_item, rows)))


def is_token(name: str) -> bool:
    """Whether `name` may stand as one token of a subject: short, printable, no dot or wildcard."""
    return (
        0 < len(name) <= limits.NAME_BYTES
        and name.isascii()
        and name.isprintable()
        and not set(name) & set(" .*>")
    )


def _row(item: Item) -> list[Any]:
    number, slots = _LAYOUT[type(item)]
    row: list[Any] = [number]
    for name, plain in slots:
        value = getattr(item, name)
        row.append(plain(value) if plain else value)
    return row


def _item(row: object) -> Item:
    if not isinstance(row, list) or not row or type(row[0]) is not int:
        raise MailError("a mail's item is not [number, fields]")
    checks = _CHECKS.get(row[0])
    if checks is None:
        raise MailError(f"no mail item has the number {row[0]}")
    if len(row) - 1 != len(checks):
        raise MailError(f"mail item {row[0]} does not have {len(checks)} fields")
    try:
        fields = [check(value) for check, value in zip(checks, row[1:], strict=True)]
    except (TypeError, ValueError) as error:
        raise MailError(f"mail item {row[0]}: {error}") from error
    return _NUMBERS[row[0]](*fields)


def _unsigned(bits: int) -> Callable[[Any], int]:
    top = 1 << bits

    def check(value: Any) -> int:
        if type(value) is not int or not 0 <= value < top:
            raise ValueError(f"not an unsigned integer of {bits} bits")
        return value

    return check


def _text(value: Any) -> str:
    if type(value) is not str or len(value) > limits.TEXT_BYTES:
        raise ValueError("not a short text")
    return value


def _bytes(value: Any) -> bytes:
    if type(value) is not bytes:
        raise TypeError("not bytes")
    return value


def _cells(value: Any) -> tuple[int, ...]:
    if type(value) is not list:
        raise TypeError("not a list of cells")
    return tuple(map(_U32, value))


def _values(value: Any) -> tuple[int | str, ...]:
    if type(value) is not list or len(value) > limits.INPUT_FIELDS:
        raise ValueError("not a short list of values")
    for entry in value:
        if type(entry) is not int and type(entry) is not str:
            raise TypeError("a value is neither an integer nor a text")
    return tuple(value)


_U32 = _unsigned(32)
_U64 = _unsigned(64)

# Every field of every item by its name: one table for checking all of them.
_FIELDS: Final[dict[str, Callable[[Any], Any]]] = {
    "session": _U64,
    "entity": _U64,
    "generation": _U32,
    "hop": _U32,
    "seq": _U32,
    "applied": _U32,
    "shard": _U32,
    "kind": _U32,
    "code": _U32,
    "tick": _U64,
    "view": _U64,
    "since": _U64,
    "token": _bytes,
    "token_hash": _bytes,
    "next_hash": _bytes,
    "frame": _bytes,
    "name": _text,
    "reason": _text,
    "cells": _cells,
    "values": _values,
}
_AS_LIST: Final[frozenset[str]] = frozenset({"cells", "values"})


def _names(item: type[Item]) -> Sequence[str]:
    return [field.name for field in attrs.fields(item)]


_CHECKS: Final = {
    number: tuple(_FIELDS[name] for name in _names(item)) for number, item in _NUMBERS.items()
}
_LAYOUT: Final = {
    item: (number, tuple((name, list if name in _AS_LIST else None) for name in _names(item)))
    for number, item in _NUMBERS.items()
}
