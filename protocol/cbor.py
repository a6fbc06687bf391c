"""CBOR as Shoal speaks it: a strict subset of RFC 8949. Frames on the bus have the typed arrays of
RFC 8746 besides.

Definite lengths only, text or byte strings as map keys, no NaN and no infinity, no simple values
but false, true and null, nothing after the item. Reading checks and blames the peer; writing
trusts. What the strict decoder costs and why each option is set was measured for cbor2 6.3.

Must not know: messages.
"""

import io
import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NoReturn

import cbor2
import numpy as np
from numpy.typing import NDArray

from protocol import limits
from protocol.errors import RemoteProtocolError

__all__ = [
    "array_head", "bytes_head", "check", "dumps", "loads", "loads_arrays", "parse", "typed", "uint",
]  # fmt: skip

# RFC 8746: little-endian typed arrays. 8-bit types have no byte order.
_TYPES: Final = {
    64: "u1",
    69: "<u2",
    70: "<u4",
    71: "<u8",
    72: "i1",
    77: "<i2",
    78: "<i4",
    79: "<i8",
}
_TAGS: Final = {np.dtype(code): tag for tag, code in _TYPES.items()}


class _Tags(dict[int, Callable[..., object]]):
    """Refuses every tag but its keys, before the tag's payload is read."""

    def __missing__(self, tag: int) -> NoReturn:
        raise cbor2.CBORDecodeError(f"tag {tag} is not allowed here")


def _array_decoder(dtype: np.dtype[Any]) -> Callable[..., object]:
    size = dtype.itemsize

    def decode(payload: object, _immutable: object = None) -> NDArray[Any]:
        if type(payload) is not bytes or len(payload) % size:
            raise cbor2.CBORDecodeError("a typed array is a byte string of whole elements")
        return np.frombuffer(payload, dtype)

    return decode


_NO_TAGS: Final = _Tags()
_ARRAY_TAGS: Final = _Tags({tag: _array_decoder(np.dtype(code)) for tag, code in _TYPES.items()})


def dumps(item: object) -> bytes:
    """`item` (None, bool, int, float, str, bytes, list, tuple, dict, integer arrays) as bytes."""
    return cbor2.dumps(item, default=_encode_array)


def _encode_array(encoder: cbor2.CBOREncoder, item: object) -> None:
    if not isinstance(item, np.ndarray):
        raise TypeError(f"{type(item).__name__} does not go over the wire")
    encoder.write(typed(item))


def loads(data: bytes | memoryview) -> object:
    """The one item in `data`, without tags.

    Raises RemoteProtocolError (4400) for anything else.
    """
    item = _parse(data, _NO_TAGS, _framed_plain)
    check(item)
    return item


def parse(data: bytes | memoryview) -> object:
    """Like `loads`, for who looks at the type of every value in the item anyway.

    There may be floats that are no number and simple values in it, until `check` has seen it.
    """
    return _parse(data, _NO_TAGS, _framed_plain)


def loads_arrays(data: bytes | memoryview) -> object:
    """The one item in `data`, in which typed arrays become read-only numpy arrays.

    Raises RemoteProtocolError (4400) for anything else.
    """
    item = _parse(data, _ARRAY_TAGS, _framed_arrays)
    check(item)
    return item


# What follows the item in a frame [item, "~the end"]: bytes after the item are noticed by its
# absence, without a second pass. A peer can write it too, so where it occurs twice, bytes are
# counted instead.
_END: Final = b"\x68~the end"


_OPTIONS: Final[dict[str, Any]] = {
    "allow_indefinite": False,
    "allow_duplicate_keys": False,
    "strict_hashable_types": True,
}
# Bound once: building the keywords anew would cost as much as reading a short item.
_framed_plain: Final = partial(
    cbor2.loads, max_depth=limits.DEPTH_MAX + 1, semantic_decoders=_NO_TAGS, **_OPTIONS
)
_framed_arrays: Final = partial(
    cbor2.loads, max_depth=limits.DEPTH_MAX + 1, semantic_decoders=_ARRAY_TAGS, **_OPTIONS
)


def _parse(data: bytes | memoryview, tags: _Tags, read: Callable[[bytes], Any]) -> object:
    framed = b"\x82" + data + _END
    try:
        if framed.find(_END) != len(framed) - len(_END):
            return _sole_item(bytes(data), tags)
        item, end = read(framed)
    except cbor2.CBORDecodeError as error:
        raise RemoteProtocolError(f"not the CBOR that Shoal speaks: {error}") from None
    if type(end) is not str or end != "~the end":  # an array compares to no truth
        raise RemoteProtocolError(_TRAILING)
    return item


def _sole_item(data: bytes, tags: _Tags) -> object:
    decoder = cbor2.CBORDecoder(
        io.BytesIO(data), max_depth=limits.DEPTH_MAX, semantic_decoders=tags, **_OPTIONS
    )
    item: object = decoder.decode()
    try:
        decoder.read(1)
    except cbor2.CBORDecodeEOF:
        return item
    raise RemoteProtocolError(_TRAILING)


_TRAILING: Final = "not the CBOR that Shoal speaks: bytes after the item"
_PLAIN: Final = frozenset({int, str, bytes, bool, type(None), np.ndarray})


def check(item: object) -> None:
    """Raises RemoteProtocolError (4400) for a value in `item` that Shoal does not have."""
    if type(item) is list or type(item) is dict:
        for child in item.values() if type(item) is dict else item:
            if type(child) not in _PLAIN:
                check(child)
    elif type(item) is float:
        if not math.isfinite(item):
            raise RemoteProtocolError("not the CBOR that Shoal speaks: a float that is no number")
    elif type(item) not in _PLAIN:
        raise RemoteProtocolError("not the CBOR that Shoal speaks: a simple value")


def typed(array: NDArray[Any]) -> bytes:
    """`array` (one dimension, integers) as an encoded typed array."""
    little = array.dtype.newbyteorder("<") if array.dtype.itemsize > 1 else array.dtype
    tag = _TAGS[little]
    payload = np.ascontiguousarray(array, little).tobytes()
    return b"\xd8" + bytes((tag,)) + bytes_head(len(payload)) + payload


def _head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes((major | value,))
    if value < 1 << 8:
        return bytes((major | 24, value))
    if value < 1 << 16:
        return bytes((major | 25,)) + value.to_bytes(2, "big")
    if value < 1 << 32:
        return bytes((major | 26,)) + value.to_bytes(4, "big")
    return bytes((major | 27,)) + value.to_bytes(8, "big")


def uint(value: int) -> bytes:
    """A whole number of 0 to 2**64 - 1, in its shortest form."""
    return _head(0x00, value)


def bytes_head(length: int) -> bytes:
    """The head of a byte string of `length`."""
    return _head(0x40, length)


def array_head(length: int) -> bytes:
    """The head of an array of `length` items."""
    return _head(0x80, length)
