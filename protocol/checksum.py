"""The CRC of a part: what its owner and all its replicas must agree on.

CRC-32 of the bitmap of taken slots and, if any is taken, of the columns of ids, public fields and
courses, all little-endian; `protocol/SPEC.md` gives the order.

Must not know: updates.
"""

import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from protocol import limits
from protocol.packing import Sheet
from protocol.slab import Slab

__all__ = ["EMPTY_CRC", "checksums", "crc_due"]

EMPTY_CRC: Final = zlib.crc32(bytes(8))

_COURSE: Final = tuple(np.dtype(code) for code in ("<i8", "<i8", "<i4", "<i4", "<i8"))


def crc_due(tick: int, key: Any, since: int | None) -> Any:
    """Whether the update of a part at `tick` carries its CRC; `key` is a number or a column.

    It does once in `limits.CRC_TICKS`: if a turn of the part came after its baseline `since`, or
    comes now, for who holds nothing.
    """
    age = 1 if since is None else tick - since
    return (tick + key) % limits.CRC_TICKS < age


def checksums(slab: Slab, places: npt.NDArray[np.int64]) -> list[int]:
    """The CRCs of the parts at `places`."""
    of, rows = slab.rows_in(places)
    counts = np.bincount(of, minlength=len(places))
    firsts = np.cumsum(counts) - counts
    each = np.arange(len(places))
    sheet = Sheet(len(places))
    sheet.column(slab.taken[places].astype("<u8"), each, np.ones_like(each), None)
    sheet.column(slab.ids[rows].astype("<u8"), firsts, counts, None)
    for field in slab.kind.fields:
        sheet.column(slab.values[field.name][rows], firsts, counts, None)
    if slab.kind.course is not None:
        for column, dtype in zip(slab.course[rows].T, _COURSE, strict=True):
            sheet.column(column.astype(dtype), firsts, counts, None)
    blob, offsets = sheet.woven()
    bounds = offsets.tolist()
    return [zlib.crc32(blob[bounds[i] : bounds[i + 1]]) for i in range(len(places))]
