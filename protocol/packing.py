"""Many short CBOR items at once: heads and numbers for whole columns, and the weaving of pieces.

An update consists of pieces that lie scattered over columns: heads, bitmaps, slices of values. A
`Sheet` knows for each piece where in its source the bytes of each part are, and weaves all updates
together with one gather. So what an encoding costs depends on its bytes and on how many sorts of
pieces there are, hardly on the number of parts.

Must not know: parts, sections.
"""

from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from protocol import cbor, limits

__all__ = [
    "ARRAY_HEADS", "ARRAY_MAX", "Sheet", "array_heads", "bytes_heads", "concatenated_uints",
    "gathered",
]  # fmt: skip

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

# What a whole number of the size class 0 to 4 needs after its head, and where its item begins in a
# row of 9 bytes that ends with the number's 8.
_BOUNDS: Final = np.array([24, 1 << 8, 1 << 16, 1 << 32], np.uint64)
_WIDTHS: Final = np.array([0, 1, 2, 4, 8], np.int64)

_HEAD_BYTES: Final = 5  # of a byte string, at most
_NEGATIVE: Final = 0x20  # in the first byte of an item: the number is -1 - value
_ARRAY_BYTES: Final = 2
ARRAY_MAX: Final = 255  # items of an array of which the head is at hand


def _table(items: list[bytes], width: int) -> tuple[Bytes, Ints]:
    joined = b"".join(item.ljust(width, b"\0") for item in items)
    return np.frombuffer(joined, np.uint8), np.array([len(item) for item in items], np.int64)


# All whole numbers of one byte, as items.
_SMALL: Final = 256
_small_items, _small_lengths = _table([cbor.uint(number) for number in range(_SMALL)], 2)
_small_negatives = _small_items.copy()
_small_negatives[::2] |= _NEGATIVE

# The heads of arrays of 0 to 255 items.
ARRAY_HEADS, _array_lengths = _table(
    [cbor.array_head(count) for count in range(ARRAY_MAX + 1)], _ARRAY_BYTES
)


def array_heads(counts: Ints) -> tuple[Ints, Ints]:
    """Where in `ARRAY_HEADS` the heads of arrays of `counts` items are: starts and lengths."""
    return counts * _ARRAY_BYTES, _array_lengths[counts]


@lru_cache(maxsize=512)
def _bytes_table(size: int) -> tuple[Bytes, Ints]:
    heads = [cbor.bytes_head(count * size) for count in range(limits.SLOTS + 1)]
    return _table(heads, _HEAD_BYTES)


def bytes_heads(size: int, counts: Ints) -> tuple[Bytes, Ints, Ints]:
    """The heads of byte strings of `counts` times `size` bytes: source, starts, lengths."""
    source, lengths = _bytes_table(size)
    return source, counts * _HEAD_BYTES, lengths[counts]


def _uints(values: npt.NDArray[np.uint64]) -> tuple[Bytes, Ints, Ints]:
    """Whole numbers in their shortest form: source, starts, lengths."""
    count = len(values)
    cells = np.empty((count, 9), np.uint8)
    cells[:, 1:] = values.astype(">u8").view(np.uint8).reshape(count, 8)
    sizes = np.zeros(count, np.int8)
    for bound in _BOUNDS:
        sizes += values >= bound
    widths = _WIDTHS[sizes]
    starts = np.arange(8, 9 * count + 8, 9) - widths
    flat = cells.reshape(-1)
    # A number below 24 is its own head: its cell is written twice with the same.
    flat[starts] = np.where(sizes > 0, 0x17 + sizes, flat[starts])
    return flat, starts, widths + 1


def concatenated_uints(values: npt.NDArray[np.uint64]) -> tuple[Bytes, Ints]:
    """Whole numbers back to back, and where each begins (one more than there are numbers)."""
    source, starts, lengths = _uints(values)
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return source[_spread(starts, lengths, offsets)], offsets


def gathered(source: Bytes, starts: Ints, lengths: Ints) -> Bytes:
    """Slices of `source`, back to back."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return source[_spread(starts, lengths, offsets)]


def _spread(starts: Ints, lengths: Ints, offsets: Ints) -> Ints:
    """The source index of each byte, for pieces laid back to back at `offsets`."""
    index = np.repeat(starts - offsets[:-1], lengths)
    index += np.arange(len(index))
    return index


_Piece = tuple[npt.NDArray[Any], Any, Ints, Any]  # source, parts, starts, lengths


class Sheet:
    """Pieces of `parts` updates, in the order in which they are added.

    Each piece is given for the parts at `places` (ascending indexes; None: for all parts).
    """

    def __init__(self, parts: int) -> None:
        self._parts = parts
        self.pieces: list[_Piece] = []
        self._wanted: npt.NDArray[np.bool_] | None = None

    def piece(
        self, source: npt.NDArray[Any], starts: Ints, lengths: Any, places: Ints | None
    ) -> None:
        """Of each part the bytes of `source` (uint8) from `starts` on, `lengths` of them."""
        where: Any = slice(None) if places is None else places
        self.pieces.append((source, where, starts, lengths))

    def uints(self, values: npt.NDArray[Any], places: Ints | None) -> None:
        """A whole number, not below 0, for each part."""
        if len(values) and values.max() < _SMALL:
            small = values.astype(np.int64)
            self.piece(_small_items, 2 * small, _small_lengths[small], places)
        else:
            self.piece(*_uints(values.astype(np.uint64)), places)

    def negatives(self, values: npt.NDArray[Any], places: Ints | None) -> None:
        """The negative number -1 - value for each part."""
        if not len(values) or values.max() < _SMALL:
            small = values.astype(np.int64)
            self.piece(_small_negatives, 2 * small, _small_lengths[small], places)
        else:
            source, starts, lengths = _uints(values.astype(np.uint64))
            source[starts] |= _NEGATIVE
            self.piece(source, starts, lengths, places)

    def column(
        self, values: npt.NDArray[Any], firsts: Ints, counts: Ints, places: Ints | None
    ) -> None:
        """Of each part the bytes of `counts` elements of `values` (contiguous) from `firsts` on."""
        size = values.dtype.itemsize
        self.piece(values.view(np.uint8), firsts * size, counts * size, places)

    def before(self, other: "Sheet") -> None:
        """Put this sheet's pieces before those of `other`, which is of as many parts."""
        self.pieces += other.pieces

    def only(self, wanted: npt.NDArray[np.bool_]) -> None:
        """Leave out all parts but the `wanted` ones: their updates are nothing."""
        self._wanted = wanted

    def woven(self) -> tuple[bytes, Ints]:
        """All updates back to back, and where each begins (one more than there are parts)."""
        count = len(self.pieces)
        offsets = np.zeros(self._parts + 1, np.int64)
        if not count or not self._parts:
            return b"", offsets
        table = np.zeros((2, self._parts, count), np.int64)
        sources, base = [], 0
        for index, (octets, where, starts, lengths) in enumerate(self.pieces):
            table[0, where, index] = starts + base
            table[1, where, index] = lengths
            sources.append(octets)
            base += len(octets)
        if self._wanted is not None:
            table[1, ~self._wanted] = 0
        starts, lengths = table.reshape(2, -1)
        ends = lengths.cumsum()
        offsets[1:] = ends[count - 1 :: count]
        starts += lengths
        starts -= ends
        source = starts.repeat(lengths)
        source += np.arange(len(source))
        return np.concatenate(sources)[source].tobytes(), offsets
