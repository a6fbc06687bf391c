"""Mail: what gateways and shards write to each other on the bus, as bytes.

A gateway sends one `Mail` per shard and tick to the shard's inbox, and asks every shard at once on
the resume subject. A shard answers on the gateway's own subject. On the wire a mail is the CBOR
array [sender, [item, ...], [input, ...]]; an item is [number, field, ...] in the order of its
class, an input its fields alone. A reader gets the inputs after the other items.

Must not know: sessions' rules, worlds, sockets.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from protocol import cbor
from protocol.errors import ProtocolError
from server.shard import limits
from server.shard.letters import (
    Confirm,
    Detach,
    Ended,
    Found,
    Input,
    Item,
    Join,
    Joined,
    Leave,
    Refused,
    Remind,
    Reminded,
    Resume,
    Resumed,
    Resync,
    Resynced,
    Seek,
    Superseded,
)
from server.shard.subjects import (
    bulletin_subject,
    frame_subject,
    gateway_subject,
    heir_sender,
    inbox_subject,
    is_token,
    resume_subject,
    shard_sender,
    taken_subject,
)

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
    "Mail",
    "MailError",
    "Refused",
    "Remind",
    "Reminded",
    "Resume",
    "Resumed",
    "Resync",
    "Resynced",
    "Seek",
    "Superseded",
    "bulletin_subject",
    "frame_subject",
    "gateway_subject",
    "heir_sender",
    "inbox_subject",
    "is_token",
    "resume_subject",
    "shard_sender",
    "taken_subject",
]


class MailError(ValueError):
    """A mail is not of the form that this module writes; its sender is broken or lies."""


_NUMBERS: Final[dict[int, type[Item]]] = {
    0: Join,
    1: Resume,
    2: Confirm,
    3: Detach,
    4: Leave,
    6: Resync,
    7: Remind,
    8: Seek,
    16: Joined,
    17: Refused,
    18: Resumed,
    19: Superseded,
    20: Ended,
    21: Resynced,
    22: Reminded,
    23: Found,
}


@attrs.frozen
class Mail:
    """One bus message: who writes, and what. `sender` is one token of a subject."""

    sender: str
    items: tuple[Item, ...] = ()

    def encode(self) -> bytes:
        """The mail as CBOR bytes."""
        # As plain tuples: what is made of tuples is looked up by the codec at length each time.
        inputs = [tuple(item) for item in self.items if type(item) is Input]
        others = [_row(item) for item in self.items if type(item) is not Input]
        return cbor.dumps([self.sender, others, inputs])

    @classmethod
    def decode(cls, data: bytes) -> "Mail":
        """The mail in `data`; `MailError` on anything that `encode` would not write."""
        try:
            body = cbor.parse(data)  # every field is looked at below
        except ProtocolError as error:
            raise MailError("a mail is not CBOR") from error
        if not isinstance(body, list) or list(map(type, body[1:])) != [list, list]:
            raise MailError("a mail is not [sender, items, inputs]")
        sender, rows, inputs = body
        if not isinstance(sender, str) or not is_token(sender):
            raise MailError("a mail's sender is not one token of a subject")
        return cls(sender, (*map(_item, rows), *map(_input, inputs)))


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


def _input(row: object) -> Input:
    if type(row) is not list or len(row) != _INPUT_FIELDS:
        raise MailError(_NO_INPUT)
    session, generation, seq, tick, view, kind, values, after = row
    if not (
        type(session) is type(generation) is type(seq) is type(tick) is type(view) is type(kind)
        and type(kind) is type(after) is int
    ):
        raise MailError(_NO_INPUT)
    if not (
        0 <= session < _TOP_64
        and 0 <= generation < _TOP_32
        and 0 <= seq < _TOP_32
        and 0 <= tick < _TOP_64
        and 0 <= view < _TOP_64
        and 0 <= kind < _TOP_32
        and 0 <= after < _TOP_32
    ):
        raise MailError("an input with a number out of bounds")
    try:
        return Input(session, generation, seq, tick, view, kind, _values(values), after)
    except (TypeError, ValueError) as error:
        raise MailError(f"an input: {error}") from error


_NO_INPUT: Final = "an input is not [session, generation, seq, tick, view, kind, values, after]"
_INPUT_FIELDS: Final = len(Input._fields)
_TOP_32: Final = 1 << 32
_TOP_64: Final = 1 << 64


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


def _told(value: Any) -> tuple[tuple[int, bytes], ...]:
    if type(value) is not list:
        raise TypeError("not a list of events")
    return tuple((_U64(tick), _bytes(item)) for tick, item in value)


def _values(value: Any) -> tuple[int | str, ...]:
    if type(value) is not list or len(value) > limits.INPUT_FIELDS:
        raise ValueError("not a short list of values")
    if not _VALUES.issuperset(map(type, value)):
        raise TypeError("a value is neither an integer nor a text")
    return tuple(value)


_VALUES: Final = frozenset({int, str})


_U32 = _unsigned(32)
_U64 = _unsigned(64)

# Every field of every item by its name: one table for checking all of them.
_FIELDS: Final[dict[str, Callable[[Any], Any]]] = {
    "session": _U64,
    "entity": _U64,
    "generation": _U32,
    "times": _U32,
    "hop": _U32,
    "applied": _U32,
    "shard": _U32,
    "code": _U32,
    "tick": _U64,
    "since": _U64,
    "token": _bytes,
    "token_hash": _bytes,
    "next_hash": _bytes,
    "frame": _bytes,
    "name": _text,
    "reason": _text,
    "cells": _cells,
    "told": _told,
}
_AS_LIST: Final[Mapping[str, Callable[[Any], list[Any]]]] = {
    "cells": list,
    "told": lambda told: [list(event) for event in told],
}


def _names(item: type[Any]) -> Sequence[str]:
    return [field.name for field in attrs.fields(item)]


_CHECKS: Final = {
    number: tuple(_FIELDS[name] for name in _names(item)) for number, item in _NUMBERS.items()
}
_LAYOUT: Final = {
    item: (number, tuple((name, _AS_LIST.get(name)) for name in _names(item)))
    for number, item in _NUMBERS.items()
}
