"""Reading messages: every item is checked, and whatever is wrong blames the peer.

Each reader takes a message's items after its type, as decoded CBOR, and returns the message or
raises RemoteProtocolError.
"""

from collections.abc import Sequence
from typing import Any, Final

from protocol import limits
from protocol.errors import CloseCode, RemoteProtocolError
from protocol.vocabulary import (
    Ack,
    Bye,
    Events,
    GeometryChange,
    Goodbye,
    Group,
    Hello,
    Input,
    Ping,
    Pong,
    Private,
    Resync,
    ScoreRow,
    Scores,
    Snapshot,
    Welcome,
)


def _whole(item: object, most: int = limits.TICK_MAX, least: int = 0) -> int:
    if type(item) is not int or not least <= item <= most:
        raise RemoteProtocolError(f"not a whole number of {least} to {most}")
    return item


def _text(item: object, most: int) -> str:
    if type(item) is not str or len(item.encode("utf-8", "surrogatepass")) > most:
        raise RemoteProtocolError(f"not a text of {most} bytes at most")
    return item


def _bytes(item: object, most: int) -> bytes:
    if type(item) is not bytes or len(item) > most:
        raise RemoteProtocolError(f"not a byte string of {most} bytes at most")
    return item


def _flag(item: object) -> bool:
    if type(item) is not bool:
        raise RemoteProtocolError("not true or false")
    return item


def _array(item: object, most: int, length: int | None = None) -> list[Any]:
    if type(item) is not list or len(item) > most or (length is not None and len(item) != length):
        raise RemoteProtocolError("an array is missing or of the wrong length")
    return item


def _map(item: object, keys: Sequence[str]) -> dict[str, Any]:
    if type(item) is not dict or set(item) != set(keys):
        raise RemoteProtocolError(f"not a map of {', '.join(keys)}")
    return item


# The types of the messages that `read_common` knows.
INPUT: Final = 1
ACK: Final = 2

_ID_MAX: Final = (1 << 64) - 1
_INT_MAX: Final = (1 << 53) - 1


def read_hello(items: list[Any]) -> Hello:
    """Hello."""
    version, world, name, token, resume, observe = items
    if type(version) is not int or version != limits.VERSION:
        raise RemoteProtocolError(
            f"this server speaks version {limits.VERSION} of the protocol", CloseCode.VERSION
        )
    return Hello(
        version=version,
        world=None if world is None else _text(world, limits.NAME_BYTES_MAX),
        name=_text(name, limits.NAME_BYTES_MAX),
        token=None if token is None else _bytes(token, limits.TOKEN_BYTES_MAX),
        resume=None if resume is None else _bytes(resume, limits.TOKEN_BYTES_MAX),
        observe=_flag(observe),
    )


def _check_values(values: list[Any]) -> None:
    for value in values:
        if type(value) is str:
            _text(value, limits.TEXT_BYTES_MAX)
        else:
            _whole(value, _ID_MAX)


def read_input(items: list[Any]) -> Input:
    """Input."""
    seq, tick, view, ack, kind, values = items
    _check_values(_array(values, limits.INPUT_VALUES_MAX))
    return Input(
        seq=_whole(seq, least=1),
        tick=_whole(tick),
        view=_whole(view),
        ack=_whole(ack),
        kind=_whole(kind, limits.INPUT_KINDS_MAX - 1),
        values=tuple(values),
    )


def read_common(item: object) -> Input | Ack | None:
    """An Input with whole numbers only or an Ack, whose type is still in front; None for all else.

    What clients say nearly always, looked at in one go. It takes nothing that `read_input` and
    `read_ack` would not, and leaves it to them to say what is wrong.
    """
    if type(item) is not list:
        return None
    if len(item) == 7:
        number, seq, tick, view, ack, kind, values = item
        if (
            type(number) is type(seq) is type(tick) is type(view) is type(ack) is type(kind) is int
            and number == INPUT
            and 0 < seq <= limits.TICK_MAX
            and 0 <= tick <= limits.TICK_MAX
            and 0 <= view <= limits.TICK_MAX
            and 0 <= ack <= limits.TICK_MAX
            and 0 <= kind < limits.INPUT_KINDS_MAX
            and _are_whole(values)
        ):
            return Input(seq, tick, kind, tuple(values), view, ack)
    elif len(item) == 2:
        number, tick = item
        if type(number) is type(tick) is int and number == ACK and 0 <= tick <= limits.TICK_MAX:
            return Ack(tick)
    return None


def _are_whole(values: object) -> bool:
    if type(values) is not list or len(values) > limits.INPUT_VALUES_MAX:
        return False
    for value in values:  # noqa: SIM110 - a generator for one value or two costs more than they do
        if type(value) is not int or not 0 <= value <= _ID_MAX:
            return False
    return True


def read_resync(items: list[Any]) -> Resync:
    """Resync."""
    cells = _array(items[0], limits.RESYNC_CELLS_MAX)
    return Resync(tuple(_whole(cell, limits.CELLS_MAX - 1) for cell in cells))


WELCOME_KEYS: Final = (
    "session", "token", "hz", "tick", "entity", "schema", "geometry", "observer", "conditions",
)  # fmt: skip


def read_welcome(items: list[Any]) -> Welcome:
    """Welcome."""
    fields = _map(items[0], WELCOME_KEYS)
    if type(fields["schema"]) is not dict or type(fields["geometry"]) is not dict:
        raise RemoteProtocolError("a welcome without schema or geometry")
    return Welcome(
        session=_whole(fields["session"], _ID_MAX),
        token=_bytes(fields["token"], limits.TOKEN_BYTES_MAX),
        hz=_whole(fields["hz"], 1000, 1),
        tick=_whole(fields["tick"]),
        entity=_whole(fields["entity"], _ID_MAX),
        schema=fields["schema"],
        geometry=fields["geometry"],
        observer=_flag(fields["observer"]),
        conditions=_text(fields["conditions"], limits.REASON_BYTES_MAX),
    )


def read_private(item: Any) -> Private:
    """Private."""
    if len(_array(item, limits.FIELDS_MAX + 3)) < 3:
        raise RemoteProtocolError("a private section without its head")
    entity, kind, step, *values = item
    return Private(
        _whole(entity, _ID_MAX),
        _whole(kind, limits.KINDS_MAX - 1),
        _whole(step),
        tuple(_whole(value, _INT_MAX, -_INT_MAX) for value in values),
    )


def read_group(item: object) -> Group:
    """Group."""
    shard, epoch, age, lag, updates = _array(item, 5, 5)
    if type(updates) is not list or any(type(update) is not list for update in updates):
        raise RemoteProtocolError("a group without updates")
    return Group(
        _whole(shard, (1 << 32) - 1),
        _whole(epoch),
        _whole(age),
        _whole(lag, least=-limits.TICK_MAX),
        updates,
    )


# What a snapshot tells beside its groups, in this order.
APPLIED, PRIVATE, DROPPED = 1, 2, 4


def read_snapshot(items: list[Any]) -> Snapshot:
    """Snapshot."""
    if len(items) < _SNAPSHOT_ITEMS:
        raise RemoteProtocolError("a snapshot without its head")
    tick, told, *rest, groups = items
    _whole(told, APPLIED | PRIVATE | DROPPED)
    if len(rest) != told.bit_count() + (told & APPLIED):
        raise RemoteProtocolError("a snapshot with too few or too many items")
    report, private = None, None
    dropped: list[Any] = []
    if told & APPLIED:
        applied, margin, *rest = rest
        report = _whole(applied), _whole(margin, 1 << 31, -(1 << 31))
    if told & PRIVATE:
        private = read_private(rest.pop(0))
    if told & DROPPED:
        dropped = _array(rest.pop(), limits.CELLS_MAX)
        if not dropped:
            raise RemoteProtocolError("a snapshot that drops no cell, and says so")
    _whole(tick)
    read = tuple(read_group(item) for item in _array(groups, limits.SHARDS_MAX * 2))
    for group in read:
        _whole(tick - group.age)
        _whole(tick - group.age - group.lag)
    return Snapshot(
        tick=tick,
        report=report,
        private=private,
        dropped=tuple(_whole(cell, limits.CELLS_MAX - 1) for cell in dropped),
        groups=read,
    )


_SNAPSHOT_ITEMS: Final = 3


def read_events(items: list[Any]) -> Events:
    """Events."""
    tick, shard, events = items
    for event in _array(events, limits.EVENTS_MAX):
        if not _array(event, limits.FIELDS_MAX + 1):
            raise RemoteProtocolError("an event without a kind")
        _whole(event[0], limits.EVENT_KINDS_MAX - 1)
        _check_values(event[1:])
    return Events(
        _whole(tick), _whole(shard, (1 << 32) - 1), tuple(tuple(event) for event in events)
    )


def read_scores(items: list[Any]) -> Scores:
    """Scores."""
    rows = []
    for row in _array(items[0], 1024):
        entity, name, score = _array(row, 3, 3)
        if type(score) not in {int, float}:
            raise RemoteProtocolError("a score that is no number")
        name = _text(name, limits.TEXT_BYTES_MAX)
        rows.append(ScoreRow(_whole(entity, _ID_MAX), name, score))
    return Scores(tuple(rows))


def read_goodbye(items: list[Any]) -> Goodbye:
    """Goodbye."""
    code, reason, retry_s = items
    try:
        known = CloseCode(_whole(code, 4999))
    except ValueError:
        raise RemoteProtocolError("a goodbye with an unknown code") from None
    if type(retry_s) not in {int, float} or not 0 <= retry_s <= 1e6:
        raise RemoteProtocolError("a goodbye that asks to wait for no time that there is")
    return Goodbye(known, _text(reason, limits.REASON_BYTES_MAX), float(retry_s))


def read_geometry(items: list[Any]) -> GeometryChange:
    """GeometryChange."""
    if type(items[0]) is not dict:
        raise RemoteProtocolError("a geometry that is no map")
    return GeometryChange(items[0])


def read_ack(items: list[Any]) -> Ack:
    """Ack."""
    return Ack(_whole(items[0]))


def read_ping(items: list[Any]) -> Ping:
    """Ping."""
    return Ping(_whole(items[0]))


def read_pong(items: list[Any]) -> Pong:
    """Pong."""
    return Pong(_whole(items[0]))


def read_bye(items: list[Any]) -> Bye:
    """Bye, which has no items."""
    return Bye(*items)
