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
from protocol.schema import Heading, Kind
from protocol.slab import is_wide

__all__ = ["REASON_MAX", "KindForm", "SectionForm", "read_updates"]

Column = npt.NDArray[Any]

_ALL: Final = (1 << limits.SLOTS) - 1
REASON_MAX: Final = (1 << 40) - 1
_U64, _I32, _U16 = np.dtype("<u8"), np.dtype("<i4"), np.dtype("<u2")
_DIFFERENCE: Final = np.dtype("i1")
_HEAD: Final = 2


@attrs.frozen(eq=False)
class SectionForm:
    """The byte string of a section: the columns that it has, and one that it may have or not."""

    columns: tuple[np.dtype[Any], ...]
    last: np.dtype[Any] | None = None

    @property
    def size(self) -> int:
        """Bytes of an element, without the last column."""
        return sum(dtype.itemsize for dtype in self.columns)


@attrs.frozen(eq=False)
class KindForm:
    """What the updates of a kind consist of.

    A field that may travel as differences of one byte is in `wide`. `steer` completes the columns
    of sections whose velocities follow from a heading.
    """

    kind: Kind
    enter: SectionForm
    turn: SectionForm
    set: SectionForm
    fields: tuple[SectionForm, ...]
    wide: tuple[bool, ...]
    forbidden: int

    @classmethod
    def of(cls, kind: Kind) -> "KindForm":
        """The form of `kind`."""
        fields = tuple(field.dtype for field in kind.fields)
        course = kind.course
        everything = (FIELDS << len(fields)) - 1
        places: tuple[np.dtype[Any], ...] = ()
        speeds: tuple[np.dtype[Any], ...] = ()
        way: tuple[np.dtype[Any], ...] = ()
        if course is None:
            everything &= ~(TURN | SET)
        elif course.heading is None:
            places, speeds = (_I32, _I32), (course.speed_dtype, course.speed_dtype)
            way = (*places, *speeds, _U16)
        else:
            places, speeds = (_I32, _I32), (fields[course.heading.field],)
            way = (*places, _U16)
            everything &= ~(FIELDS << course.heading.field)
        return cls(
            kind,
            SectionForm((_U64, *fields, *way)),
            SectionForm(speeds, _U16),
            SectionForm((*places, *speeds), _U16),
            tuple(SectionForm((dtype,)) for dtype in fields),
            tuple(is_wide(field) for field in kind.fields),
            ~everything,
        )

    def entered(self, columns: list[Column]) -> list[Column]:
        """The columns of an entry as `Batch` has them. Raises RemoteProtocolError."""
        heading = self.kind.course.heading if self.kind.course else None
        if heading is None:
            return columns
        speeds = _speeds(heading, columns[1 + heading.field])
        return [*columns[:-1], *speeds, columns[-1]]

    def steered(self, columns: list[Column]) -> list[Column]:
        """The columns of a turn or set as `Batch` has them. Raises RemoteProtocolError."""
        heading = self.kind.course.heading if self.kind.course else None
        if heading is None:
            return columns
        *places, told, ages = columns
        return [*places, *_speeds(heading, told), ages, told]


def _speeds(heading: Heading, told: Column) -> tuple[Column, Column]:
    if len(told) and told.max() >= len(heading.vx):
        raise RemoteProtocolError("a heading that leads nowhere")
    return heading.vx[told], heading.vy[told]


def read_updates(forms: Sequence[KindForm], items: Iterable[Any]) -> list[tuple[int, Batch]]:
    """Batches with their kinds, to be applied in this order. No part is twice in one batch."""
    if not forms:
        raise RemoteProtocolError("updates of a game without kinds")
    batches: list[tuple[int, Batch]] = []
    pending: dict[int, _Pending] = {}
    seen: set[int] = set()
    for item in items:
        if type(item) is not list or len(item) < _HEAD or type(item[0]) is not int:
            raise RemoteProtocolError("an update is an array that begins with a part and a head")
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
        age, contents, at = _head(item)
        if contents & self._form.forbidden:
            raise RemoteProtocolError("an update with contents that its kind does not have")
        if age == 0 and contents & ~(CRC | ENTER):
            raise RemoteProtocolError("a keyframe that stands on something")
        of = len(self._keys)
        self._keys.append(key)
        self._ages.append(age)
        sections = self._sections
        while contents:
            place = (contents & -contents).bit_length() - 1
            contents &= contents - 1
            end = at + 2 if place else at + 1  # the CRC has no bitmap
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
                fields[index] = self._field(place, index)
        enter = self._plain(_place(ENTER), form.enter)
        if enter is not None:
            enter.columns = form.entered(enter.columns)
        return Batch(
            keys=self._keys,
            ages=np.array(self._ages, np.int64),
            keyframes=0 in self._ages,
            crc=self._crcs(),
            leave=self._leaves(),
            enter=enter,
            turn=self._course(_place(TURN), form.turn),
            set=self._course(_place(SET), form.set),
            fields=fields,
        )

    def _crcs(self) -> list[tuple[int, int]]:
        of, rows = self._sections.get(_place(CRC), ([], []))
        if not all(rows):
            raise RemoteProtocolError("an update with too few or too many items")
        crcs = [row[0] for row in rows]
        if any(type(crc) is not int for crc in crcs):
            raise RemoteProtocolError("a CRC that is no number")
        return list(zip(of, crcs, strict=True))

    def _leaves(self) -> Section | None:
        found = self._pairs(_place(LEAVE))
        if found is None:
            return None
        of, bitmaps, lists = found
        counts = _counts(bitmaps)
        for reasons, count in zip(lists, counts, strict=True):
            if type(reasons) is not list or len(reasons) != count:
                raise RemoteProtocolError("an update with leaves that have no reason")
        codes = [reason for reasons in lists for reason in reasons]
        if any(type(code) is not int or not 0 <= code <= REASON_MAX for code in codes):
            raise RemoteProtocolError("an update with a leave for no known reason")
        return _section(of, bitmaps, [np.array(codes, np.int64)])

    def _plain(self, place: int, form: SectionForm) -> Section | None:
        """A section whose columns are all there."""
        found = self._pairs(place)
        if found is None:
            return None
        of, bitmaps, strings = found
        counts = _counts(bitmaps)
        _check_strings(strings, counts, form.size)
        return _section(of, bitmaps, _columns(strings, counts, form.columns))

    def _course(self, place: int, form: SectionForm) -> Section | None:
        """A section of courses, with ages or without."""
        found = self._pairs(place)
        if found is None:
            return None
        assert form.last is not None
        of, bitmaps, strings = found
        counts = _counts(bitmaps)
        aged = _check_strings(strings, counts, form.size, form.size + form.last.itemsize)
        columns = _columns(strings, counts, form.columns)
        ages = np.ones(len(columns[0]), form.last)
        if any(aged):
            told = zip(strings, counts, aged, strict=True)
            rest = [string[form.size * count :] for string, count, has in told if has]
            ages[np.repeat(aged, counts)] = np.frombuffer(b"".join(rest), form.last)
        return _section(of, bitmaps, self._form.steered([*columns, ages]))

    def _field(self, place: int, index: int) -> Section:
        """A section of a field: values, or differences of one byte."""
        found = self._pairs(place)
        assert found is not None
        of, bitmaps, strings = found
        counts = _counts(bitmaps)
        form = self._form.fields[index]
        if not self._form.wide[index]:
            _check_strings(strings, counts, form.size)
            return _section(of, bitmaps, _columns(strings, counts, form.columns))
        short = _check_strings(strings, counts, form.size, 1)
        if not any(short):
            return _section(of, bitmaps, _columns(strings, counts, form.columns))
        (dtype,) = form.columns
        parts = []
        for string, is_short in zip(strings, short, strict=True):
            part = np.frombuffer(string, _DIFFERENCE if is_short else dtype)
            parts.append(part.astype(dtype))
        return _section(of, bitmaps, [np.concatenate(parts), np.repeat(short, counts)])

    def _pairs(self, place: int) -> tuple[list[int], tuple[Any, ...], tuple[Any, ...]] | None:
        """The updates that have a section; their bitmaps, and the items behind those."""
        found = self._sections.get(place)
        if found is None:
            return None
        of, rows = found
        if any(len(row) != 2 for row in rows):
            raise RemoteProtocolError("an update with too few or too many items")
        bitmaps, items = zip(*rows, strict=True)
        return of, bitmaps, items


def _head(item: list[Any]) -> tuple[int, int, int]:
    """The age of the baseline, the contents, and where the sections begin."""
    head = item[1]
    if type(head) is not int:
        raise RemoteProtocolError("an update with a head that is no number")
    if head < 0:
        return 1, -1 - head, _HEAD
    if head == 1 or head > limits.TICK_MAX or len(item) <= _HEAD or type(item[_HEAD]) is not int:
        raise RemoteProtocolError("an update with an impossible head")
    return head, item[_HEAD], _HEAD + 1


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


def _check_strings(
    strings: tuple[Any, ...], counts: list[int], size: int, other: int | None = None
) -> list[bool]:
    """Whether each string has elements of the `other` size; else they must have the first."""
    others = []
    for string, count in zip(strings, counts, strict=True):
        if type(string) is not bytes:
            raise RemoteProtocolError("an update with columns that are no bytes")
        is_other = len(string) != size * count
        if is_other and (other is None or len(string) != other * count):
            raise RemoteProtocolError("an update with columns of the wrong length")
        others.append(is_other)
    return others


def _columns(
    strings: tuple[bytes, ...], counts: list[int], dtypes: tuple[np.dtype[Any], ...]
) -> list[Column]:
    """The columns of all updates, each as one."""
    columns = []
    starts = [0] * len(counts)
    for dtype in dtypes:
        ends = [start + count * dtype.itemsize for start, count in zip(starts, counts, strict=True)]
        pieces = [s[start:end] for s, start, end in zip(strings, starts, ends, strict=True)]
        columns.append(np.frombuffer(b"".join(pieces), dtype))
        starts = ends
    return columns
