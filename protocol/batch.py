"""Updates of one kind, taken apart into sections that reach over all of them.

However they were read, this is what is applied. A section names the updates that have it, their
bitmaps, and columns with an element for each bit, slots ascending, update after update.

Must not know: bytes, slabs.
"""

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from protocol import limits

__all__ = ["Batch", "Section", "bits"]

Ints = npt.NDArray[np.int64]
Bitmaps = npt.NDArray[np.uint64]

assert limits.SLOTS == 64, "a bitmap is one 64-bit number"


@attrs.define(eq=False)
class Section:
    """One section of the updates `of` (ascending indexes into the batch)."""

    of: Ints
    bitmaps: Bitmaps
    columns: list[npt.NDArray[Any]]

    def without(self, refused: npt.NDArray[np.bool_], kept: Ints) -> "Section | None":
        """The section without the updates that are refused; `kept` renumbers the others."""
        elements = ~np.repeat(refused[self.of], np.bitwise_count(self.bitmaps))
        updates = ~refused[self.of]
        if not updates.any():
            return None
        columns = [column[elements] for column in self.columns]
        return Section(kept[self.of[updates]], self.bitmaps[updates], columns)


def bits(sections: Sequence[Section]) -> tuple[Ints, Ints]:
    """Of each element of the columns of all `sections`: the update and the slot it is for."""
    if len(sections) == 1:
        of, bitmaps = sections[0].of, sections[0].bitmaps
    else:
        of = np.concatenate([section.of for section in sections])
        bitmaps = np.concatenate([section.bitmaps for section in sections])
    octets = bitmaps.astype("<u8", copy=False).view(np.uint8)
    at = np.unpackbits(octets, bitorder="little").nonzero()[0]
    return of[at >> 6], at & 63


@attrs.define(eq=False)
class Batch:
    """Updates of one kind, of different parts. Age 0 is a keyframe; `keyframes`: there is one.

    Columns of `leave`: the codes; of `enter`: ids, fields, then x0, y0, vx, vy, age of kinds with a
    course; of `turn`: vx, vy, age; of `set`: x0, y0, vx, vy, age; in both, of kinds with a heading,
    that comes last. Of a field: its values as they travel and, if some are differences, which.
    `crc` are (update, CRC).
    """

    keys: list[int]
    ages: Ints
    keyframes: bool
    crc: list[tuple[int, int]]
    leave: Section | None = None
    enter: Section | None = None
    turn: Section | None = None
    set: Section | None = None
    fields: dict[int, Section] = attrs.field(factory=dict)

    def changes(self) -> list[Section]:
        """The sections about who stays: turn, set, fields."""
        courses = [section for section in (self.turn, self.set) if section is not None]
        return courses + list(self.fields.values())

    def without(self, refused: npt.NDArray[np.bool_]) -> "Batch":
        """The updates that are not refused."""
        kept = np.cumsum(~refused) - 1

        def rest(section: Section | None) -> Section | None:
            return None if section is None else section.without(refused, kept)

        fields = {index: rest(section) for index, section in self.fields.items()}
        bad = refused.tolist()
        return Batch(
            keys=[key for key, is_bad in zip(self.keys, bad, strict=True) if not is_bad],
            ages=self.ages[~refused],
            keyframes=self.keyframes,
            crc=[(int(kept[of]), crc) for of, crc in self.crc if not bad[of]],
            leave=rest(self.leave),
            enter=rest(self.enter),
            turn=rest(self.turn),
            set=rest(self.set),
            fields={index: section for index, section in fields.items() if section is not None},
        )
