"""Decoded updates, strictly read, into batches that are applied on columns.

Whatever cannot be (wrong lengths, impossible slots, contents that a kind does not have) raises
RemoteProtocolError before anything is applied.

Must not know: slabs, what is held.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs
import numpy as np
import numpy.typing as npt

from protocol import limits
from protocol.batch import Batch, Section
from protocol.encode import CRC, ENTER, FIELDS, LEAVE, SET, TURN
from protocol.errors import RemoteProtocolError
from protocol.schema import Kind

__all__ = ["REASON_MAX", "KindForm", "read_updates"]

Column = npt.NDArray[Any]

_ALL: Final = (1 << limits.SLOTS) - 1
REASON_MAX: Final = (1 << 40) - 1
_U64, _I32, _U16, _U8 = np.dtype("<u8"), np.dtype("<i4"), np.dtype("<u2"), np.dtype("u1")
_ONES: Final = np.ones(limits.SLOTS, _U16)
_HEAD: Final = 3


@attrs.frozen(eq=False)
class KindForm:
    """What the updates of a kind consist of.

    Columns of its sections (but for ages that may be null), and how many items each section has, by
    the place of its bit in the contents.
    """

    enter: tuple[np.dtype[Any], ...]
    turn: tuple[np.dtype[Any], ...]
    set: tuple[np.dtype[Any], ...]
    fields: tuple[np.dtype[Any], ...]
    items: tuple[int, ...]
    forbidden: int

    @classmethod
    def of(cls, kind: Kind) -> "KindForm":
        """The form of `kind`."""
        fields = tuple(field.dtype for field in kind.fields)
        course = kind.course
        speeds = () if course is None else (course.speed_dtype, course.speed_dtype)
        enter = (_U64, *fields, *(() if course is None else (_I32, _I32, *speeds, _U16)))
        items = (1, 2, 1 + len(enter), 4, 6, *(2 for _ in fields))
        everything = (FIELDS << len(fields)) - 1
        allowed = everything if course is not None else everything & ~(TURN | SET)
        return cls(enter, speeds, (_I32, _I32, *speeds), fields, items, ~allowed)


def read_updates(forms: Sequence[KindForm], items: Iterable[Any]) -> list[tuple[int, Batch]]:
    """Batches with their kinds, to be applied in this order. No part is twice in one batch."""
    batches: list[tuple[int, Batch]] = []
    pending: dict[int, _Pending] = {}
    seen: set[int] = set()
    for item in items:
        if type(item) is not list or len(item) < _HEAD or type(item[0]) is not int:
            raise RemoteProtocolError("an update is an array of a part, a baseline and contents")
        key = item[0]
        if not 0 <= key < limits.PART_KEY_MAX:
            raise RemoteProtocolError("an update of an impossible part")
        if key in seen:
            batches += [(kind, pile.batch()) for kind, pile in pending.items()]
            pending.clear()
            seen.clear()
        seen.add(key)
        kind = key % len(forms)
        pile = pending.get(kind)
        if pile is None:
            pile = pending[kind] = _Pending(forms[kind])
        pile.read(key, item)
    batches += [(kind, pile.batch()) for kind, pile in pending.items()]
    return batches


class _Pending:
    """Updates of one kind while they are read: cut into sections first, then checked by section."""

    def __init__(self, form: KindForm) -> None:
        self._form = form
        self._keys: list[int] = []
        self._ages: list[int] = []
        # By the place of the bit in the contents: the updates, and their items of the section.
        self._sections: dict[int, tuple[list[int], list[list[Any]]]] = {}

    def read(self, key: int, item: list[Any]) -> None:
        """Take one update."""
        age, contents = item[1], item[2]
        if type(age) is not int or not 0 <= age <= limits.TICK_MAX:
            raise RemoteProtocolError("an update with an impossible baseline")
        if type(contents) is not int or contents & self._form.forbidden:
            raise RemoteProtocolError("an update with contents that its kind does not have")
        if age == 0 and contents & ~(CRC | ENTER):
            raise RemoteProtocolError("a keyframe that stands on something")
        of = len(self._keys)
        self._keys.append(key)
        self._ages.append(age)
        counts, sections = self._form.items, self._sections
        at = _HEAD
        while contents:
            place = (contents & -contents).bit_length() - 1
            contents &= contents - 1
            end = at + counts[place]
            section = sections.get(place)
            if section is None:
                sections[place] = [of], [item[at:end]]
            else:
                section[0].append(of)
                section[1].append(item[at:end])
            at = end
        if at != len(item):
            raise RemoteProtocolError("an update with too few or too many items")

    def batch(self) -> Batch:
        """All that was read. Raises RemoteProtocolError."""
        form = self._form
        fields = {}
        for place in sorted(self._sections):
            index = place - _FIELDS_PLACE
            if index >= 0:
                section = self._plain(place, form.fields[index : index + 1])
                assert section is not None
                fields[index] = section
        return Batch(
            keys=self._keys,
            ages=np.array(self._ages, np.int64),
            keyframes=0 in self._ages,
            crc=self._crcs(),
            leave=self._leaves(),
            enter=self._plain(_place(ENTER), form.enter),
            turn=self._aged(_place(TURN), form.turn),
            set=self._aged(_place(SET), form.set),
            fields=fields,
        )

    def _crcs(self) -> list[tuple[int, int]]:
        of, rows = self._sections.get(_place(CRC), ([], []))
        crcs = [row[0] for row in rows]
        if any(type(crc) is not int for crc in crcs):
            raise RemoteProtocolError("a CRC that is no number")
        return list(zip(of, crcs, strict=True))

    def _leaves(self) -> Section | None:
        found = self._sections.get(_place(LEAVE))
        if found is None:
            return None
        of, rows = found
        bitmaps, lists = zip(*rows, strict=True)
        counts = _counts(bitmaps)
        for reasons, count in zip(lists, counts, strict=True):
            if type(reasons) is not list or len(reasons) != count:
                raise RemoteProtocolError("an update with leaves that have no reason")
        codes = [reason for reasons in lists for reason in reasons]
        if any(type(code) is not int or not 0 <= code <= REASON_MAX for code in codes):
            raise RemoteProtocolError("an update with a leave for no known reason")
        return _section(of, bitmaps, [np.array(codes, np.int64)])

    def _plain(self, place: int, dtypes: tuple[np.dtype[Any], ...]) -> Section | None:
        """A section of a bitmap and columns."""
        found = self._sections.get(place)
        if found is None:
            return None
        of, rows = found
        bitmaps, *columns = zip(*rows, strict=True)
        counts = _counts(bitmaps)
        joined = [_joined(c, d, counts) for c, d in zip(columns, dtypes, strict=True)]
        return _section(of, bitmaps, joined)

    def _aged(self, place: int, dtypes: tuple[np.dtype[Any], ...]) -> Section | None:
        """A section of a bitmap, columns, and ages or null."""
        found = self._sections.get(place)
        if found is None:
            return None
        of, rows = found
        bitmaps, *columns, ages = zip(*rows, strict=True)
        counts = _counts(bitmaps)
        joined = [_joined(c, d, counts) for c, d in zip(columns, dtypes, strict=True)]
        if not any(age is not None for age in ages):
            joined.append(np.ones(len(joined[0]), _U16))
        else:
            pairs = zip(ages, counts, strict=True)
            told = tuple(_ONES[:count] if age is None else age for age, count in pairs)
            joined.append(_joined(told, _U16, counts))
        return _section(of, bitmaps, joined)


def _place(bit: int) -> int:
    return bit.bit_length() - 1


_FIELDS_PLACE: Final = _place(FIELDS)


def _counts(bitmaps: tuple[Any, ...]) -> list[int]:
    for bitmap in bitmaps:
        if type(bitmap) is not int or not 0 < bitmap <= _ALL:
            raise RemoteProtocolError("an update with an impossible bitmap")
    return [bitmap.bit_count() for bitmap in bitmaps]


def _section(of: list[int], bitmaps: tuple[int, ...], columns: list[Column]) -> Section:
    return Section(np.array(of), np.array(bitmaps, np.uint64), columns)


def _joined(columns: tuple[Any, ...], dtype: np.dtype[Any], counts: list[int]) -> Column:
    """The columns of all updates as one; each must be of `dtype` and as long as it says."""
    text = dtype.kind == "S"
    expected = _U8 if text else dtype
    for column in columns:
        if type(column) is not np.ndarray or column.dtype != expected:
            raise RemoteProtocolError("an update with a column of the wrong type")
    if text:
        counts = [count * dtype.itemsize for count in counts]
    if list(map(len, columns)) != counts:
        raise RemoteProtocolError("an update with a column of the wrong length")
    joined: Column = columns[0] if len(columns) == 1 else np.concatenate(columns)
    return joined.view(dtype) if text else joined
