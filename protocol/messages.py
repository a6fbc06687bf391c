"""The messages between a client and a gateway as bytes.

Every message is a CBOR array whose first item is its type. One table (`_CODECS`) says who may send
which type and how it is written and read; writing trusts its classes, reading checks. What clients
send most is read by `reading.read_common` before the table is asked.

`snapshot_head` and `group` are the gateway's fast path: they build the same bytes as
`encode(Snapshot(...))` from what is encoded already, since all that differs between the clients of
one interest is the head.

Must not know: schemas (values are wire integers here), states, sockets.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs

from protocol import cbor, limits, reading
from protocol.errors import CloseCode, LocalProtocolError, RemoteProtocolError
from protocol.reading import APPLIED, DROPPED, PRIVATE
from protocol.vocabulary import (
    Ack,
    Bye,
    Events,
    GeometryChange,
    Goodbye,
    Group,
    Hello,
    Input,
    Message,
    Ping,
    Pong,
    Private,
    Resync,
    Role,
    ScoreRow,
    Scores,
    Snapshot,
    Welcome,
)

__all__ = [
    "Ack", "Bye", "Events", "GeometryChange", "Goodbye", "Group", "Hello", "Input", "Message",
    "Ping", "Pong", "Private", "Resync", "Role", "ScoreRow", "Scores", "Snapshot", "Welcome",
    "decode", "encode", "encode_private", "group", "snapshot_head",
]  # fmt: skip


def _items(*names: str) -> Callable[[Any], list[Any]]:
    return lambda message: [getattr(message, name) for name in names]


def _welcome_items(message: Welcome) -> list[Any]:
    return [{key: getattr(message, key) for key in reading.WELCOME_KEYS}]


@attrs.frozen
class _Codec:
    number: int
    message: type[Message]
    senders: frozenset[Role]
    length: int | None  # None: the reader knows
    read: Callable[[list[Any]], Message]
    write: Callable[[Any], list[Any]]


_CLIENT: Final = frozenset({Role.CLIENT})
_SERVER: Final = frozenset({Role.SERVER})
_EITHER: Final = _CLIENT | _SERVER

_HELLO: Final = _items("version", "world", "name", "token", "resume", "observe")
_INPUT: Final = _items("seq", "tick", "view", "ack", "kind", "values")
_GOODBYE: Final = _items("code", "reason", "retry_s")

_CODECS: Final = (
    _Codec(0, Hello, _CLIENT, 7, reading.read_hello, _HELLO),
    _Codec(reading.INPUT, Input, _CLIENT, 7, reading.read_input, _INPUT),
    _Codec(reading.ACK, Ack, _CLIENT, 2, reading.read_ack, _items("tick")),
    _Codec(3, Ping, _EITHER, 2, reading.read_ping, _items("stamp")),
    _Codec(4, Pong, _EITHER, 2, reading.read_pong, _items("stamp")),
    _Codec(5, Resync, _CLIENT, 2, reading.read_resync, _items("cells")),
    _Codec(6, Bye, _CLIENT, 1, reading.read_bye, _items()),
    _Codec(16, Welcome, _SERVER, 2, reading.read_welcome, _welcome_items),
    _Codec(18, Events, _SERVER, 4, reading.read_events, _items("tick", "shard", "events")),
    _Codec(19, Scores, _SERVER, 2, reading.read_scores, _items("rows")),
    _Codec(20, Goodbye, _SERVER, 4, reading.read_goodbye, _GOODBYE),
    _Codec(21, GeometryChange, _SERVER, 2, reading.read_geometry, _items("geometry")),
)
_SNAPSHOT: Final = _Codec(17, Snapshot, _SERVER, None, reading.read_snapshot, lambda _: [])
_BY_CLASS: Final = {codec.message: codec for codec in _CODECS}
_BY_SENDER: Final = {
    sender: {codec.number: codec for codec in (*_CODECS, _SNAPSHOT) if sender in codec.senders}
    for sender in Role
}


def decode(data: bytes | memoryview, sender: Role) -> Message:
    """The message in `data` from `sender`; the updates of snapshots stay as decoded CBOR.

    Raises RemoteProtocolError with the code to close the link with.
    """
    if sender is Role.SERVER:
        if len(data) > limits.SERVER_MESSAGE_BYTES_MAX:
            raise _too_long(limits.SERVER_MESSAGE_BYTES_MAX)
        return _read(cbor.loads(data), sender)
    if len(data) > limits.CLIENT_MESSAGE_BYTES_MAX:
        raise _too_long(limits.CLIENT_MESSAGE_BYTES_MAX)
    item = cbor.parse(data)
    message = reading.read_common(item)
    if message is not None:
        return message
    cbor.check(item)
    return _read(item, sender)


def _too_long(most: int) -> RemoteProtocolError:
    return RemoteProtocolError(f"a message of more than {most} bytes", CloseCode.TOO_BIG)


def _read(items: object, sender: Role) -> Message:
    if type(items) is not list or not items or type(items[0]) is not int:
        raise RemoteProtocolError("a message is an array that begins with its type")
    codec = _BY_SENDER[sender].get(items[0])
    if codec is None:
        raise RemoteProtocolError(f"a {sender.value} sends no message of type {items[0]}")
    if codec.message is Hello and len(items) > 1 and items[1] != limits.VERSION:
        reading.read_hello([items[1], None, "", None, None, False])  # refused by version first
    if codec.length is not None and len(items) != codec.length:
        raise RemoteProtocolError(f"a {codec.message.__name__} has {codec.length} items")
    return codec.read(items[1:])


def encode(message: Message) -> bytes:
    """`message` as bytes. Raises LocalProtocolError for what is no message."""
    if isinstance(message, Snapshot):
        return _encode_snapshot(message)
    codec = _BY_CLASS.get(type(message))
    if codec is None:
        raise LocalProtocolError(f"{message!r} is no message")
    return cbor.dumps([codec.number, *codec.write(message)])


# --- the gateway's fast path ---------------------------------------------------------------------


def encode_private(private: Private) -> bytes:
    """The private section as an item of a snapshot's head."""
    return cbor.dumps([private.entity, private.kind, private.step, *private.values])


def snapshot_head(
    tick: int,
    report: tuple[int, int] | None = None,
    private: bytes | None = None,
    dropped: Sequence[int] = (),
) -> bytes:
    """All of a snapshot but its groups: what follows must be one array of groups.

    `report` is (applied, margin) and `private` an encoded private section, each None while it is
    unchanged; then the head is the same for everybody.
    """
    told = 0
    items = [b""]
    if report is not None:
        told |= APPLIED
        applied, margin = report
        items += [cbor.uint(applied), cbor.uint(margin) if margin >= 0 else cbor.dumps(margin)]
    if private is not None:
        told |= PRIVATE
        items.append(private)
    if dropped:
        told |= DROPPED
        items.append(cbor.dumps(dropped))
    items[0] = cbor.array_head(len(items) + 3) + b"\x11" + cbor.uint(tick) + cbor.uint(told)
    return b"".join(items)


def group(shard: int, epoch: int, age: int, lag: int, count: int, body: bytes) -> bytes:
    """One group; `body` holds `count` encoded updates, back to back."""
    return b"".join(
        (
            b"\x85",
            cbor.uint(shard),
            cbor.uint(epoch),
            cbor.uint(age),
            cbor.dumps(lag),
            cbor.array_head(count),
            body,
        )
    )


def _encode_snapshot(message: Snapshot) -> bytes:
    private = None if message.private is None else encode_private(message.private)
    head = snapshot_head(message.tick, message.report, private, message.dropped)
    groups = [
        group(each.shard, each.epoch, each.age, each.lag, len(each.updates), _body(each.updates))
        for each in message.groups
    ]
    return head + cbor.array_head(len(groups)) + b"".join(groups)


def _body(updates: Sequence[Any]) -> bytes:
    """Updates as bytes: encoded ones as they are, decoded ones written again."""
    return b"".join(
        update if isinstance(update, bytes) else cbor.dumps(update) for update in updates
    )
