"""The frames of one tick for all interests at once, cut out of what the shards published.

What a link on time is sent is a head that is the same for everybody and, of each shard, the updates
of its interest's cells, as they lie in the shard's frame. With a few links to an interest there are
many of these, so they are not made one by one: all pieces of all of them are gathered by one
operation, and each is a slice of the result. Where their cells lie in a shard is worked out once
for as long as the interests stay the same (`Plan`).

Must not know: links, how updates are encoded.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from protocol.frame import Frame
from protocol.packing import ARRAY_HEADS, ARRAY_MAX, Sheet, array_heads, gathered
from server.gateway.feed import Feed
from server.gateway.interest import Interest
from server.net.frames import binary_header

__all__ = ["Plan", "Prebuilt", "prebuild"]

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_LENGTH_MAX: Final = 1 << 12  # of a payload; longer ones are rare, and made one by one
_HEADER_BYTES: Final = 4
_HEADERS: Final = np.frombuffer(
    b"".join(binary_header(length).ljust(_HEADER_BYTES, b"\0") for length in range(_LENGTH_MAX)),
    np.uint8,
)
_HEADER_LENGTHS: Final = np.array([len(binary_header(n)) for n in range(_LENGTH_MAX)], np.int64)


class Plan:
    """Some interests, in an order, and where their cells are looked up in each shard's frame."""

    def __init__(self, interests: Sequence[Interest]) -> None:
        self.interests: Final = interests
        self.places: Final = {interest: place for place, interest in enumerate(interests)}
        self.everything: Final = any(interest.everything for interest in interests)
        self._cuts: dict[int, _Cut | None] = {}

    def cut(self, shard: int) -> "_Cut | None":
        """Of the interests that reach into `shard`; None if there are none."""
        if shard not in self._cuts:
            reach = [place for place, each in enumerate(self.interests) if shard in each.runs]
            runs = [self.interests[place].runs[shard] for place in reach]
            self._cuts[shard] = _Cut(reach, runs, len(self.interests)) if reach else None
        return self._cuts[shard]

    def apart_from(self, cells: frozenset[int]) -> npt.NDArray[np.bool_]:
        """Which of the interests have none of `cells`."""
        if not cells:
            return np.ones(len(self.interests), np.bool_)
        return np.array([each.cell_set.isdisjoint(cells) for each in self.interests], np.bool_)


class _Cut:
    """`places` of those interests (None: all), and their runs, one interest after the other."""

    def __init__(self, reach: list[int], runs: list[Ints], count: int) -> None:
        counts = np.array([len(each) for each in runs])
        self.places: Final = None if len(reach) == count else np.array(reach, np.int64)
        self.where: Final = slice(None) if self.places is None else self.places
        self.none: Final = np.zeros(len(reach), np.int64)
        self._ranges: Final = np.ascontiguousarray(np.concatenate(runs).T)
        self._firsts: Final = np.cumsum(counts) - counts

    def updates(self, frame: Frame) -> tuple[Ints, Ints, Bytes, Ints]:
        """The updates for each interest: how many, where they start in a source, how long they are
        there.
        """
        cells, offsets, blob = frame.by_cell
        begins, ends = np.searchsorted(cells, self._ranges)
        lengths = offsets[ends] - offsets[begins]
        source = gathered(blob, offsets[begins], lengths)
        told = np.add.reduceat(ends - begins, self._firsts)
        sizes = np.add.reduceat(lengths, self._firsts)
        return told, np.cumsum(sizes) - sizes, source, sizes


class Prebuilt:
    """Whole frames back to back, in the order of their interests."""

    def __init__(self, blob: bytes, offsets: Ints, groups: Ints) -> None:
        self._blob = blob
        self._bounds: list[int] = offsets.tolist()
        self._groups: list[int] = groups.tolist()

    def size(self, place: int) -> int:
        """How long the frame at `place` is; 0 if it must be made by itself."""
        return self._bounds[place + 1] - self._bounds[place]

    def frames(self) -> list[bytes]:
        """Those of all interests; nothing for those that must be made by themselves."""
        blob = self._blob
        return [blob[first:end] for first, end in pairwise(self._bounds)]

    def groups(self, place: int) -> bytes:
        """The groups in that frame."""
        return self._blob[self._groups[place] : self._bounds[place + 1]]


def prebuild(
    plan: Plan,
    feeds: Mapping[int, Feed],
    head: bytes,
    group_heads: Mapping[tuple[int, int], bytes],
    which: npt.NDArray[np.bool_],
) -> Prebuilt:
    """The frames that begin with `head` of those interests in the plan that `which` says, of
    chained feeds.

    `group_heads` has, by shard and tick, what stands in a group before its updates.
    """
    count = len(plan.interests)
    groups = np.zeros(count, np.int64)
    sizes = np.zeros(count, np.int64)
    fits = which.copy()
    body = Sheet(count)
    for shard, feed in feeds.items():
        cut = plan.cut(shard)
        if cut is None:
            continue
        for frame in feed.fresh:
            groups[cut.where] += 1
            begins = np.frombuffer(group_heads[shard, frame.tick], np.uint8)
            body.piece(begins, cut.none, len(begins), cut.places)
            told, starts, source, lengths = cut.updates(frame)
            fits[cut.where] &= told <= ARRAY_MAX
            at, length = array_heads(np.minimum(told, ARRAY_MAX))
            body.piece(ARRAY_HEADS, at, length, cut.places)
            body.piece(source, starts, lengths, cut.places)
            sizes[cut.where] += len(begins) + length + lengths
    at, length = array_heads(np.minimum(groups, ARRAY_MAX))
    sizes += len(head) + length
    fits &= sizes < _LENGTH_MAX
    sheet = Sheet(count)
    sizes = np.where(fits, sizes, 0)
    sheet.piece(_HEADERS, sizes * _HEADER_BYTES, _HEADER_LENGTHS[sizes], None)
    sheet.piece(np.frombuffer(head, np.uint8), np.zeros(count, np.int64), len(head), None)
    sheet.piece(ARRAY_HEADS, at, length, None)
    sheet.before(body)
    sheet.only(fits)
    blob, offsets = sheet.woven()
    return Prebuilt(blob, offsets, offsets[:-1] + _HEADER_LENGTHS[sizes] + len(head))
