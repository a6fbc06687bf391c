"""Only Shoal's subset of CBOR is read, whatever the bytes; what is written reads back."""

from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol import cbor, limits
from protocol.errors import CloseCode, RemoteProtocolError

INTEGERS = st.integers(-(2**64), 2**64 - 1)
NUMBERS = INTEGERS | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | st.text(max_size=20) | st.binary(max_size=20)
ITEMS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)
DTYPES = ["u1", "<u2", "<u4", "<u8", "i1", "<i2", "<i4", "<i8"]


def same(one: Any, other: Any) -> bool:
    """Equal in value and in type: True is not 1, and 1.0 is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@given(ITEMS)
def test_what_is_written_reads_back(item: object) -> None:
    data = cbor.dumps(item)
    assert same(cbor.loads(data), item), "an item comes back as itself"
    assert same(cbor.loads_arrays(data), item), "the reader of arrays reads plain items too"
    assert same(cbor.loads(memoryview(data)), item), "a view is as good as bytes"


@given(st.sampled_from(DTYPES), st.data())
def test_typed_arrays_read_back_and_cannot_be_written_to(dtype: str, data: st.DataObject) -> None:
    bounds = np.iinfo(dtype)
    values = data.draw(st.lists(st.integers(int(bounds.min), int(bounds.max)), max_size=70))
    array = np.array(values, dtype)
    back: Any = cbor.loads_arrays(cbor.dumps([array, 1]))
    assert back[1] == 1
    assert back[0].dtype == array.dtype, "the tag says the type"
    assert back[0].tolist() == values
    assert not back[0].flags.writeable, "what came from the wire stays as it came"
    with pytest.raises(RemoteProtocolError):
        cbor.loads(cbor.dumps([array]))


def test_strided_and_big_endian_arrays_are_written_as_the_wire_has_them() -> None:
    whole = np.arange(10, dtype=">u2")
    back: Any = cbor.loads_arrays(cbor.typed(whole[::3]))
    assert back.tolist() == [0, 3, 6, 9]


@given(ITEMS, st.binary(min_size=1, max_size=12))
@example(1, b"\xf6")
@example(1, b"\xf6\xff")
@example(1, b"\xd8\x40\x42ab")
@example(None, b"\x68~the end")
@example([], b"\x68~the end\x68~the end")
@example("~the end", b"\x00")
def test_bytes_after_the_item_are_refused(item: object, more: bytes) -> None:
    for read in (cbor.loads, cbor.loads_arrays):
        with pytest.raises(RemoteProtocolError):
            read(cbor.dumps(item) + more)


@given(ITEMS)
@example("~the end")
@example(["~the end", b"\x68~the end"])
def test_an_item_that_ends_early_is_refused(item: object) -> None:
    data = cbor.dumps(item)
    for end in {0, len(data) // 2, len(data) - 1}:
        with pytest.raises(RemoteProtocolError):
            cbor.loads(data[:end])


@given(st.binary(max_size=200))
@example(b"\x68~the end")
@example(b"\x82\x01")
def test_any_bytes_are_an_item_or_the_peers_fault(data: bytes) -> None:
    for read in (cbor.loads, cbor.loads_arrays):
        try:
            item = read(data)
        except RemoteProtocolError:
            continue
        assert not isinstance(item, cbor2.CBORTag | cbor2.CBORSimpleValue | tuple | frozenset)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x9f\xff", "an array without a length"),
        (b"\x5f\x41\x00\xff", "a byte string without a length"),
        (b"\x7f\x61a\xff", "a text without a length"),
        (b"\xbf\xff", "a map without a length"),
        (b"\xf9\x7e\x00", "not a number, in 16 bits"),
        (b"\xfa\x7f\xc0\x00\x00", "not a number, in 32 bits"),
        (b"\xfb\xff\xf0\x00\x00\x00\x00\x00\x00", "minus infinity"),
        (b"\x81\xf9\x7c\x00", "infinity in an array"),
        (b"\xa1\x61a\xf9\x7c\x00", "infinity in a map"),
        (b"\xf7", "undefined"),
        (b"\xe0", "a simple value"),
        (b"\x81\xf8\xff", "a simple value in an array"),
        (b"\xc1\x00", "a time"),
        (b"\xc2\x41\x01", "a big number"),
        (b"\xd8\x1c\x80", "a shared item"),
        (b"\xd9\x01\x02\x80", "a set"),
        (b"\xd9\xd9\xf7\x00", "self-described CBOR"),
        (b"\xa1\x01\x01", "a number as a key"),
        (b"\xa1\xf6\x01", "null as a key"),
        (b"\xa1\x80\x01", "an array as a key"),
        (b"\xa2\x61a\x01\x61a\x02", "a key twice"),
        (b"\x61\xff", "text that is not UTF-8"),
        (b"\x63\xed\xa0\x80", "half of a surrogate pair"),
        (b"\x1c", "a reserved length"),
        (b"\x9b" + b"\xff" * 8, "an array of 2^64 - 1"),
        (b"\x5b" + b"\xff" * 8, "a byte string of 2^64 - 1"),
        (b"\xbb" + b"\x7f" + b"\xff" * 7, "a map of 2^63 - 1"),
        (b"\x81" * 5000, "arrays in arrays, without an end"),
    ],
)
def test_what_shoal_does_not_speak_is_refused(data: bytes, why: str) -> None:
    for read in (cbor.loads, cbor.loads_arrays):
        with pytest.raises(RemoteProtocolError) as refused:
            pytest.fail(f"{why} was read as {read(data)!r}")
        assert refused.value.code is CloseCode.BAD_MESSAGE


@pytest.mark.parametrize(
    "data",
    [
        b"\xd8\x41\x43abc",  # u16, three bytes
        b"\xd8\x41\x00",  # a number
        b"\xd8\x45\x83\x01\x02\x03",  # an array
        b"\xd8\x45\x62ab",  # a text
        b"\xd8\x45\xd8\x45\x42ab",  # a typed array
        b"\xd8\x41\x42ab",  # big-endian u16
        b"\xd8\x44\x42ab",  # clamped u8
        b"\xd8\x55\x44abcd",  # floats
        b"\xa1\xd8\x40\x41a\x01",  # as a key
    ],
)
def test_other_typed_arrays_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        cbor.loads_arrays(data)


def test_depth_is_bounded_for_both_ways_to_notice_the_end() -> None:
    for around in (b"\x81", b"\xa1\x61a"):
        for innermost in (b"\x00", b"\x80", b"\x68~the end"):
            assert cbor.loads(around * limits.DEPTH_MAX + innermost)
            with pytest.raises(RemoteProtocolError):
                cbor.loads(around * (limits.DEPTH_MAX + 1) + innermost)


@pytest.mark.parametrize("item", [np.int64(1), np.array([1.5]), object()])
def test_what_does_not_go_over_the_wire_is_not_written(item: object) -> None:
    with pytest.raises((TypeError, KeyError, cbor2.CBOREncodeError)):
        cbor.dumps(item)


@given(st.integers(0, 2**64 - 1))
@example(23)
@example(24)
@example(255)
@example(256)
@example(65535)
@example(65536)
@example(2**32 - 1)
@example(2**32)
def test_heads_are_the_shortest(value: int) -> None:
    assert cbor.uint(value) == cbor2.dumps(value)
    head = cbor.array_head(value)
    assert head[0] >> 5 == 4
    assert bytes((head[0] & 0x1F,)) + head[1:] == cbor.uint(value)
    assert cbor.bytes_head(value)[1:] == head[1:]
