"""A schema from the network is sound or refused; values become wire integers as the page says."""

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import cbor
from protocol.errors import LocalProtocolError, RemoteProtocolError
from protocol.schema import Field, InputKind, Schema

DTYPES = {"u8": "u1", "u16": "<u2", "u32": "<u4", "u64": "<u8"}


def field(kind: str = "u8", lo: float = 0.0, step: float = 1.0) -> Field:
    return Field("v", kind, lo, step)


def test_a_schema_survives_the_wire(schema: Schema) -> None:
    again = Schema.from_data(cbor.loads(cbor.dumps(schema.data)))
    assert again == schema
    assert again.data == schema.data


def test_names_lead_to_numbers(schema: Schema) -> None:
    assert [kind.name for kind in schema.kinds] == ["Fish", "Rock", "Bird"]
    assert schema.kind_index("Rock") == 1
    assert schema.input_index("Steer") == 0
    assert schema.event_index("Hit") == 0
    assert schema.kinds[1].field("owner").type == "u64"
    for find in (schema.kind_index, schema.input_index, schema.event_index, schema.kinds[0].field):
        with pytest.raises(KeyError):
            find("Nobody")


@pytest.mark.parametrize("kind", DTYPES)
def test_columns_have_the_type_of_the_wire(kind: str) -> None:
    assert field(kind).dtype == np.dtype(DTYPES[kind])
    assert Field("t", "text:7", 0.0, 1.0).dtype == np.dtype("S7")


@given(
    st.sampled_from(["u8", "u16", "u32"]),
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e3),
    st.floats(-1e9, 1e9),
)
def test_rounding_is_floor_of_a_half_more_and_stays_in_the_type(
    kind: str, lo: float, step: float, value: float
) -> None:
    most = 2 ** int(kind[1:]) - 1
    expected = min(max(math.floor((value - lo) / step + 0.5), 0), most)
    assert int(field(kind, lo, step).to_int(value)) == expected
    assert field(kind, lo, step).to_wire(value) == expected


@given(st.sampled_from(["u8", "u16"]), st.floats(-1e3, 1e3), st.data())
def test_every_wire_integer_means_a_value_that_means_it(
    kind: str, lo: float, data: st.DataObject
) -> None:
    one = field(kind, lo, data.draw(st.floats(1e-3, 1e3)))
    k = data.draw(st.integers(0, 2 ** int(kind[1:]) - 1))
    assert one.to_wire(float(one.from_wire(k))) == k


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("u8", "x"), ("u8", None), ("u8", math.nan), ("u8", math.inf), ("u64", -1),
        ("u64", 2**64), ("u64", 1.0), ("text:3", "abcd"), ("text:3", "ää"), ("text:3", b"abc"),
    ],
)  # fmt: skip
def test_what_a_field_cannot_say_is_our_own_fault(kind: str, value: object) -> None:
    with pytest.raises(LocalProtocolError):
        field(kind).to_wire(value)


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("u8", 256), ("u8", -1), ("u8", 1.0), ("u8", True), ("u8", "1"), ("u8", None),
        ("u64", 2**64), ("text:3", "abcd"), ("text:3", b"abc"), ("text:3", 1),
        ("u8", np.array([1, 2], np.uint8)),
    ],
)  # fmt: skip
def test_what_a_field_cannot_be_is_the_peers_fault(kind: str, item: object) -> None:
    with pytest.raises(RemoteProtocolError):
        field(kind).from_wire(item)


@given(st.floats(-1.0, 1.55), st.text(max_size=1))
def test_inputs_go_to_the_wire_and_back(schema: Schema, dx: float, note: str) -> None:
    steer = schema.inputs[0]
    wire = steer.encode([dx, note])
    back = steer.decode(wire)
    assert abs(float(back[0]) - dx) <= 0.005 + 1e-9, "at most half a step is lost"
    assert back[1] == note
    assert steer.encode(back) == wire
    with pytest.raises(LocalProtocolError):
        steer.encode([dx])
    with pytest.raises(RemoteProtocolError):
        steer.decode([*wire, 0])


def test_events_go_to_the_wire_and_back(schema: Schema) -> None:
    hit = schema.events[0]
    assert hit.decode(hit.encode([2**64 - 1])) == [2**64 - 1]
    with pytest.raises(RemoteProtocolError):
        hit.decode([])


FISH = ("kinds", 0)
HP = (*FISH, "fields", 0)
HEADING = ("kinds", 2, "course", "heading")
BAD: dict[str, tuple[tuple[Any, ...], Any]] = {
    "no hz": (("hz",), 0),
    "half a hz": (("hz",), 20.5),
    "one side": (("size",), [1.0]),
    "a side of nothing": (("size",), [0.0, 1.0]),
    "a cell of text": (("cell",), "64"),
    "a cell that is no number": (("cell",), math.nan),
    "a nameless game": (("game",), ""),
    "an endless name": (("game",), "x" * 257),
    "kinds in a map": (("kinds",), {}),
    "too many kinds": (("kinds",), [{}] * 65),
    "kinds in a typed array": (("kinds",), [np.array([1], np.uint8)]),
    "a kind that is text": (FISH, "Fish"),
    "a kind without fields": (FISH, {"name": "Fish"}),
    "an unknown type": ((*HP, "type"), "i8"),
    "a text of no length": ((*HP, "type"), "text:"),
    "a text of nothing": ((*HP, "type"), "text:0"),
    "a text too long": ((*HP, "type"), "text:257"),
    "a step of nothing": ((*HP, "step"), 0.0),
    "a step backwards": ((*HP, "step"), -1.0),
    "an endless lo": ((*HP, "lo"), math.inf),
    "a third axis": ((*HP, "axis"), 2),
    "an axis that is true": ((*HP, "axis"), True),
    "half an axis": ((*HP, "axis"), 1.0),
    "an axis of text": ((*FISH, "fields", 1, "axis"), 0),
    "two fields of one name": ((*FISH, "fields", 1, "name"), "hp"),
    "too many fields": ((*FISH, "fields"), [{}] * 49),
    "a course without a fraction": ((*FISH, "course", "num"), 0),
    "a course in floats": ((*FISH, "course", "den"), 5.0),
    "a course too fine": ((*FISH, "course", "num"), 2**20),
    "a course of another speed": ((*FISH, "course", "speed_type"), "i8"),
    "a heading of no field": ((*HEADING, "field"), 2),
    "a heading in a wide field": ((*HEADING, "field"), 0),
    "a heading that is true": ((*HEADING, "field"), True),
    "a heading that leads nowhere": ((*HEADING, "vx"), []),
    "a heading with half a direction": ((*HEADING, "vx"), [0]),
    "a heading in floats": ((*HEADING, "vy"), [0.5] * 9),
    "a heading too fast": ((*HEADING, "vy"), [2**15] * 9),
    "a heading of too many ways": ((*HEADING, "vx"), [0] * 257),
    "an input without fields": (("inputs", 0), {"name": "Steer", "once": False}),
}


@pytest.mark.parametrize(("path", "item"), BAD.values(), ids=BAD)
def test_a_schema_that_makes_no_sense_is_the_peers_fault(
    schema: Schema, path: tuple[Any, ...], item: Any
) -> None:
    data: Any = copy.deepcopy(dict(schema.data))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = item
    with pytest.raises(RemoteProtocolError):
        Schema.from_data(data)


@pytest.mark.parametrize("data", [None, [], 1, "x", {}, np.zeros(2)])
def test_what_is_no_schema_at_all_is_refused(data: object) -> None:
    with pytest.raises(RemoteProtocolError):
        Schema.from_data(data)


def test_keys_that_are_not_known_yet_are_ignored(schema: Schema) -> None:
    data: Any = copy.deepcopy(dict(schema.data))
    data["later"] = data["kinds"][0]["later"] = 1
    assert Schema.from_data(data).kinds == schema.kinds


ITEMS = st.lists(
    st.integers(-1, 2**64) | st.booleans() | st.floats() | st.text(max_size=9) | st.none(),
    max_size=3,
)


@given(
    ITEMS,
    st.lists(st.sampled_from(["u8", "u16", "u32", "u64", "text:8"]), max_size=3),
)
def test_an_input_is_checked_as_it_is_decoded(items: list[object], types: list[str]) -> None:
    kind = InputKind(
        "Act", tuple(Field(f"f{n}", each, 0.0, 1.0, None) for n, each in enumerate(types)), False
    )

    def refuses(take: Callable[[list[object]], object]) -> bool:
        try:
            take(items)
        except RemoteProtocolError:
            return True
        return False

    assert refuses(kind.check) == refuses(kind.decode)
