"""Messages round-trip; any bytes are a message or the peer's fault; the fast path is the same."""

import random
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import cbor, limits, messages
from protocol.errors import CloseCode, LocalProtocolError, RemoteProtocolError
from protocol.messages import Message, Role

WHOLE = st.integers(0, limits.TICK_MAX)
IDS = st.integers(0, 2**64 - 1)
CELLS = st.integers(0, limits.CELLS_MAX - 1)
TEXT = st.text(max_size=16)
TOKENS = st.none() | st.binary(max_size=limits.TOKEN_BYTES_MAX)
VALUES = st.lists(IDS | TEXT, max_size=limits.INPUT_VALUES_MAX).map(tuple)
PLAIN = st.none() | st.booleans() | WHOLE | TEXT | st.floats(-1e9, 1e9)
MAPS = st.dictionaries(TEXT, PLAIN | st.lists(PLAIN, max_size=4), max_size=5)

HELLOS = st.builds(
    messages.Hello, world=st.none() | TEXT, name=TEXT, token=TOKENS, resume=TOKENS,
    observe=st.booleans(),
)  # fmt: skip
INPUTS = st.builds(
    messages.Input, seq=st.integers(1, limits.TICK_MAX), tick=WHOLE, view=WHOLE, ack=WHOLE,
    kind=st.integers(0, limits.INPUT_KINDS_MAX - 1), values=VALUES,
)  # fmt: skip
CHATTER = st.builds(messages.Ping, WHOLE) | st.builds(messages.Pong, WHOLE)
FROM_CLIENTS = (
    HELLOS
    | INPUTS
    | CHATTER
    | st.builds(messages.Ack, WHOLE)
    | st.builds(messages.Resync, st.lists(CELLS, max_size=8).map(tuple))
    | st.just(messages.Bye())
)
WELCOMES = st.builds(
    messages.Welcome, session=IDS, token=st.binary(max_size=40), hz=st.integers(1, 1000),
    tick=WHOLE, entity=IDS, schema=MAPS, geometry=MAPS, observer=st.booleans(), conditions=TEXT,
)  # fmt: skip
PRIVATES = st.builds(
    messages.Private, IDS, st.integers(0, limits.KINDS_MAX - 1), WHOLE,
    st.lists(st.integers(-(2**53) + 1, 2**53 - 1), max_size=limits.FIELDS_MAX).map(tuple),
)  # fmt: skip


@st.composite
def snapshots(draw: st.DrawFn) -> messages.Snapshot:
    tick = draw(WHOLE)
    groups = []
    for _ in range(draw(st.integers(0, 4))):
        age = draw(st.integers(0, tick))
        lag = tick - age - draw(WHOLE)  # steps may be ahead of ticks
        shard = draw(st.integers(0, 2**32 - 1))
        updates = draw(st.lists(st.lists(PLAIN, max_size=4), max_size=30))
        groups.append(messages.Group(shard, draw(WHOLE), age, lag, updates))
    return messages.Snapshot(
        tick=tick,
        report=draw(st.none() | st.tuples(WHOLE, st.integers(-(2**31), 2**31))),
        private=draw(st.none() | PRIVATES),
        dropped=tuple(draw(st.lists(CELLS, max_size=30))),
        groups=tuple(groups),
    )


SNAPSHOTS = snapshots()
EVENTS = st.builds(
    messages.Events, WHOLE, st.integers(0, 2**32 - 1),
    st.lists(
        st.tuples(st.integers(0, limits.EVENT_KINDS_MAX - 1), IDS, TEXT), max_size=8
    ).map(tuple),
)  # fmt: skip
SCORES = st.builds(
    messages.Scores,
    st.lists(
        st.builds(messages.ScoreRow, IDS, TEXT, WHOLE | st.floats(-1e9, 1e9)), max_size=8
    ).map(tuple),
)  # fmt: skip
GOODBYES = st.builds(messages.Goodbye, st.sampled_from(CloseCode), TEXT, st.floats(0, 1e6))
FROM_SERVERS = (
    WELCOMES
    | SNAPSHOTS
    | EVENTS
    | SCORES
    | GOODBYES
    | CHATTER
    | st.builds(messages.GeometryChange, MAPS)
)


@given(FROM_CLIENTS)
def test_messages_of_clients_round_trip(message: Message) -> None:
    assert messages.decode(messages.encode(message), Role.CLIENT) == message


@given(FROM_SERVERS)
def test_messages_of_servers_round_trip(message: Message) -> None:
    data = messages.encode(message)
    assert messages.decode(data, Role.SERVER) == message
    assert messages.decode(memoryview(data), Role.SERVER) == message


@given(SNAPSHOTS)
def test_the_fast_path_writes_the_same_bytes(snapshot: messages.Snapshot) -> None:
    encoded = [
        attrs.evolve(group, updates=[cbor.dumps(update) for update in group.updates])
        for group in snapshot.groups
    ]
    private = snapshot.private and messages.encode_private(snapshot.private)
    head = messages.snapshot_head(snapshot.tick, snapshot.report, private, snapshot.dropped)
    groups = [
        messages.group(g.shard, g.epoch, g.age, g.lag, len(g.updates), b"".join(g.updates))
        for g in encoded
    ]
    fast = head + cbor.array_head(len(groups)) + b"".join(groups)
    assert fast == messages.encode(snapshot), "joined from parts or written whole: one encoding"
    assert fast == messages.encode(attrs.evolve(snapshot, groups=tuple(encoded)))


def plainly(snapshot: messages.Snapshot) -> list[Any]:
    """The items of a snapshot as SPEC.md lists them."""
    report, private, dropped = snapshot.report, snapshot.private, list(snapshot.dropped)
    told: list[Any] = [*(report or ())]
    if private is not None:
        told.append([private.entity, private.kind, private.step, *private.values])
    if dropped:
        told.append(dropped)
    return [
        17, snapshot.tick,
        (report is not None) + 2 * (private is not None) + 4 * (dropped != []), *told,
        [[g.shard, g.epoch, g.age, g.lag, g.updates] for g in snapshot.groups],
    ]  # fmt: skip


@given(SNAPSHOTS)
def test_a_snapshot_is_written_in_its_shortest_form(snapshot: messages.Snapshot) -> None:
    assert messages.encode(snapshot) == cbor.dumps(plainly(snapshot))


NUMBERS = (
    st.sampled_from([0, 1, 2, limits.TICK_MAX, limits.TICK_MAX + 1, 2**64 - 1, -1, True, 1.0, None])
    | WHOLE
)
NEARLY_VALUES = (
    st.lists(NUMBERS | TEXT | st.floats() | st.lists(WHOLE, max_size=1), max_size=3)
    | st.lists(IDS, min_size=limits.INPUT_VALUES_MAX - 1, max_size=limits.INPUT_VALUES_MAX + 1)
    | NUMBERS
)
NEARLY_INPUTS = st.tuples(
    st.sampled_from([1, 1, 1, True, 1.0, 2]), NUMBERS, NUMBERS, NUMBERS, NUMBERS,
    NUMBERS | st.sampled_from([limits.INPUT_KINDS_MAX - 1, limits.INPUT_KINDS_MAX]), NEARLY_VALUES,
)  # fmt: skip
NEARLY_ACKS = st.tuples(st.sampled_from([2, 2, True, 2.0, 3]), NUMBERS)


def _outcome(data: bytes) -> tuple[Message | None, CloseCode | None, str]:
    try:
        return messages.decode(data, Role.CLIENT), None, ""
    except RemoteProtocolError as error:
        return None, error.code, error.reason


@given(
    NEARLY_INPUTS | NEARLY_ACKS | st.lists(NUMBERS | NEARLY_VALUES, max_size=8),
    st.booleans(),
    st.sampled_from([b"", b"", b"\x00"]),
)
def test_the_common_messages_are_read_as_the_table_says(
    items: Any, shortest: bool, more: bytes
) -> None:
    data = cbor.dumps(list(items)) + more
    if not shortest:  # the same item in a longer form, which is as good
        data = bytes((0x98, len(items))) + data[1:]
    fast = _outcome(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages.reading, "read_common", lambda _: None)
        assert _outcome(data) == fast
    assert more == b"" or fast[0] is None, "nothing follows a message"


def test_the_common_messages_take_the_short_way() -> None:
    read = messages.reading.read_common
    assert read([1, 3, 5, 0, 4, 0, [7]]) == messages.Input(
        seq=3, tick=5, ack=4, kind=0, values=(7,)
    )
    assert read([2, 5]) == messages.Ack(5)
    assert read([3, 5]) is None
    assert read([1, 3, 5, 0, 4, 0, ["text"]]) is None, "what may be long is looked at in detail"


def _read(data: bytes) -> None:
    for sender in Role:
        try:
            message = messages.decode(data, sender)
        except RemoteProtocolError as error:
            assert error.reason, "whoever is refused is told why"  # noqa: PT017
        else:  # as bytes, for arrays in them do not compare
            again = messages.encode(message)
            assert messages.encode(messages.decode(again, sender)) == again


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_the_peers_fault(data: bytes) -> None:
    _read(data)


@given(FROM_CLIENTS | FROM_SERVERS, st.data())
def test_damaged_messages_are_messages_or_the_peers_fault(
    message: Message, data: st.DataObject
) -> None:
    damaged = bytearray(messages.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(damaged) - 1))
        how = data.draw(st.integers(0, 3))
        if how == 0:
            damaged[place] = data.draw(st.integers(0, 255))
        elif how == 1 and len(damaged) > 1:
            del damaged[place]
        elif how == 2:
            damaged.insert(place, data.draw(st.integers(0, 255)))
        else:
            damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    _read(bytes(damaged))


ODD = [
    None, True, -1, 2**64 - 1, 2**53, 1.0, "", "x" * 600, b"", b"x" * 600, [], [0], {}, [[]],
    np.array([1], "u1"), np.array([], "<u8"), [0] * 70, {"a": 1},
]  # fmt: skip


def test_every_item_of_every_message_is_checked() -> None:
    """Each item in turn is replaced by each odd thing: a message or a refusal, nothing else."""
    said = [
        [0, limits.VERSION, None, "Ada", None, None, False],
        [1, 1, 2, 3, 4, 0, [1, "a"]],
        [2, 1], [3, 1], [4, 1], [5, [1]], [6],
        [16, {"session": 1, "token": b"", "hz": 20, "tick": 1, "entity": 1, "schema": {},
              "geometry": {}, "observer": False, "conditions": ""}],
        [17, 1, 7, 1, 1, [1, 0, 1, 5], [1], [[0, 1, 0, 1, [[1, 0, 0]]]]],
        [17, 1, 0, [[0, 1, 0, 1, [[1, -9, 1, b""]]]]],
        [18, 1, 0, [[0, 1]]], [19, [[1, "a", 2]]], [20, 1001, "", 0], [21, {}],
    ]  # fmt: skip
    for whole in said:
        _read(cbor.dumps(whole))
        for path in _paths(whole):
            for odd in ODD:
                _read(cbor.dumps(_replaced(whole, path, odd)))


def _paths(item: Any) -> list[tuple[Any, ...]]:
    keys: Any = range(len(item)) if isinstance(item, list) else []
    keys = item if isinstance(item, dict) else keys
    return [(key, *rest) for key in keys for rest in ((), *_paths(item[key]))]


def _replaced(item: Any, path: tuple[Any, ...], odd: object) -> Any:
    if not path:
        return odd
    copy = item.copy()
    copy[path[0]] = _replaced(item[path[0]], path[1:], odd)
    return copy


def refusal(item: object, sender: Role) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as refused:
        messages.decode(cbor.dumps(item), sender)
    return refused.value


def test_another_version_is_refused_as_such_whatever_else_it_says() -> None:
    for hello in ([0, 3], [0, 1, "?", {}], [0, 0, None, "", None, None, False], [0, "1"]):
        assert refusal(hello, Role.CLIENT).code is CloseCode.VERSION
    assert refusal([0], Role.CLIENT).code is CloseCode.BAD_MESSAGE
    assert refusal([0, limits.VERSION], Role.CLIENT).code is CloseCode.BAD_MESSAGE


def test_a_message_that_is_too_big_is_refused_before_it_is_read() -> None:
    big = b"\x81" * (limits.CLIENT_MESSAGE_BYTES_MAX + 1)
    with pytest.raises(RemoteProtocolError) as refused:
        messages.decode(big, Role.CLIENT)
    assert refused.value.code is CloseCode.TOO_BIG


@pytest.mark.parametrize(
    ("item", "sender"),
    [
        ([17, 1, 0, []], Role.CLIENT),
        ([2, 1], Role.SERVER),
        ([7], Role.CLIENT),
        ([15], Role.SERVER),
        ([True, 1], Role.CLIENT),
        ([2.0, 1], Role.CLIENT),
        ({"type": 2}, Role.CLIENT),
        ([], Role.CLIENT),
        (2, Role.CLIENT),
        ([2, 1, 1], Role.CLIENT),
        ([2], Role.CLIENT),
        ([2, True], Role.CLIENT),
        ([2, -1], Role.CLIENT),
        ([2, 2**53], Role.CLIENT),
        ([1, 0, 1, 0, 0, 0, []], Role.CLIENT),
        ([1, 1, 1, 0, 0, 0, [-1]], Role.CLIENT),
        ([1, 1, 1, 0, 0, 0, [1.5]], Role.CLIENT),
        ([1, 1, 1, 0, 0, 0, [[]]], Role.CLIENT),
        ([1, 1, 1, 0, 0, 0, [0] * 33], Role.CLIENT),
        ([1, 1, 1, 0, 0, limits.INPUT_KINDS_MAX, []], Role.CLIENT),
        ([0, limits.VERSION, None, "é" * 33, None, None, False], Role.CLIENT),
        ([0, limits.VERSION, None, "", None, None, 0], Role.CLIENT),
        ([5, [limits.CELLS_MAX]], Role.CLIENT),
        ([5, [0] * (limits.RESYNC_CELLS_MAX + 1)], Role.CLIENT),
        ([17, 1, 0], Role.SERVER),
        ([17, 1, 8, []], Role.SERVER),
        ([17, 1, -1, []], Role.SERVER),
        ([17, 1, False, []], Role.SERVER),
        ([17, 1, 0, 5, []], Role.SERVER),
        ([17, 1, 1, 5, []], Role.SERVER),
        ([17, 1, 2, [1, 0], []], Role.SERVER),
        ([17, 1, 2, None, []], Role.SERVER),
        ([17, 1, 4, [], []], Role.SERVER),
        ([17, 1, 0, [[0, 1, 0, 1]]], Role.SERVER),
        ([17, 1, 0, [[0, 1, 2, 0, []]]], Role.SERVER),
        ([17, 1, 0, [[0, 1, 0, 2, []]]], Role.SERVER),
        ([18, 1, 0, [[]]], Role.SERVER),
        ([18, 1, 0, [[0, 1.5]]], Role.SERVER),
        ([18, 1, 0, [[0, np.array([1], "u1")]]], Role.SERVER),
        ([20, 1234, "", 0], Role.SERVER),
        ([20, 1001, "", -1], Role.SERVER),
        ([20, 1001, "", True], Role.SERVER),
        ([19, [[1, "a", "2"]]], Role.SERVER),
        ([21, []], Role.SERVER),
    ],
)
def test_malformed_messages_are_refused(item: object, sender: Role) -> None:
    assert refusal(item, sender).code is CloseCode.BAD_MESSAGE


def test_what_is_no_message_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError):
        messages.encode("hello")  # type: ignore[arg-type]


def test_the_largest_hostile_messages_are_read_in_bounded_work() -> None:
    """16 KiB of the costliest items: refused or read, and nothing grows with what they claim."""
    chance = random.Random(1)
    size = limits.CLIENT_MESSAGE_BYTES_MAX
    for data in (
        b"\x80" * size,
        b"\x82\x05\x99\x3f\xf0" + b"\x80" * (size - 5),
        b"\x99\x3f\xf0" + b"\xa0" * (size - 3),
        b"\xb9\x1f\xf0" + b"".join(bytes((0x61, 97 + i % 26, 0)) for i in range(size // 3 - 1)),
        chance.randbytes(size),
    ):
        with pytest.raises(RemoteProtocolError):
            messages.decode(data, Role.CLIENT)
