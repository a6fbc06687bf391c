"""What a world is made of, as a client learns it: kinds, their fields, courses, inputs and events.

Built from the plain data of `Game.describe()`, which travels in the welcome, so a generic client
needs no generated code. Reading is strict: the data may come from the network.

Invariant: everything here speaks integers of the wire; floats exist only at the edges
(`Field.to_float`, `Field.to_int`).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs
import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocol import limits
from protocol.errors import LocalProtocolError, RemoteProtocolError

__all__ = ["Course", "EventKind", "Field", "Heading", "InputKind", "Kind", "Schema"]

_INTEGERS: Final = {"u8": "u1", "u16": "<u2", "u32": "<u4", "u64": "<u8"}
_MAXIMA: Final = {"u8": 2**8 - 1, "u16": 2**16 - 1, "u32": 2**32 - 1, "u64": 2**64 - 1}
_AXES: Final = frozenset({"u8", "u16", "u32"})
_HEADINGS_MAX: Final = 256
_SPEEDS: Final = {"i16": "<i2", "i32": "<i4"}


@attrs.frozen
class Field:
    """One column. `axis` is 0 or 1 where it is the x or y of a kind without a course."""

    name: str
    type: str
    lo: float
    step: float
    axis: int | None = None
    dtype: np.dtype[Any] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        code = f"S{self.text_bytes}" if self.is_text else _INTEGERS[self.type]
        object.__setattr__(self, "dtype", np.dtype(code))

    @property
    def is_text(self) -> bool:
        """Whether the column holds UTF-8, padded with zeros to `text_bytes`."""
        return self.type.startswith("text:")

    @property
    def text_bytes(self) -> int:
        """Bytes of one value of a text column."""
        return int(self.type[5:])

    def to_float(self, integers: ArrayLike) -> NDArray[np.float64]:
        """Wire integers as values in the field's own unit."""
        return self.lo + np.asarray(integers, np.float64) * self.step

    def to_int(self, values: ArrayLike) -> NDArray[np.int64]:
        """Values as wire integers: floor((value - lo) / step + 1/2), clipped to the type."""
        steps = np.floor((np.asarray(values, np.float64) - self.lo) / self.step + 0.5)
        return np.clip(steps, 0, min(_MAXIMA[self.type], 2**53)).astype(np.int64)

    def to_wire(self, value: object) -> int | str:
        """One value as it travels in an input or an event. Raises LocalProtocolError."""
        if self.is_text:
            if not isinstance(value, str) or len(value.encode()) > self.text_bytes:
                raise LocalProtocolError(f"{self.name}: a text of {self.text_bytes} bytes at most")
            return value
        if self.type == "u64":
            if not isinstance(value, int) or not 0 <= value <= _MAXIMA["u64"]:
                raise LocalProtocolError(f"{self.name}: {value!r} is not an entity id")
            return value
        if not isinstance(value, int | float | np.number) or not math.isfinite(value):
            raise LocalProtocolError(f"{self.name}: {value!r} is not a number")
        return int(self.to_int(float(value)))

    def from_wire(self, item: object) -> float | int | str:
        """One value of an input or an event. Raises RemoteProtocolError."""
        self.check_wire(item)
        if self.is_text or self.type == "u64":
            assert isinstance(item, str | int)
            return item
        assert isinstance(item, int)
        return self.lo + item * self.step

    def check_wire(self, item: object) -> None:
        """Raises RemoteProtocolError unless `item` is a value of this field on the wire."""
        if self.is_text:
            if type(item) is str and len(item.encode()) <= self.text_bytes:
                return
        elif type(item) is int and 0 <= item <= _MAXIMA[self.type]:
            return
        raise RemoteProtocolError(f"{self.name} is not a {self.type}")


_SAME_ARRAY: Final = attrs.cmp_using(eq=np.array_equal)


@attrs.frozen(hash=False)
class Heading:
    """A velocity that follows from a public field: by its wire integer k it is (vx[k], vy[k])."""

    field: int
    vx: NDArray[np.int64] = attrs.field(eq=_SAME_ARRAY)
    vy: NDArray[np.int64] = attrs.field(eq=_SAME_ARRAY)


@attrs.frozen
class Course:
    """How a kind moves: p(s) = p0 + floor((v * (s - step0) * num) / den + 1/2).

    `step` is the unit of position integers, `speed_step` (units per second) of velocity integers.
    With a `heading` velocities are not told, since they follow from that field.
    """

    step: float
    speed_step: float
    num: int
    den: int
    speed_type: str
    heading: Heading | None = None

    @property
    def speed_dtype(self) -> np.dtype[Any]:
        """Of velocities on the wire."""
        return np.dtype(_SPEEDS[self.speed_type])


@attrs.frozen
class Kind:
    """One kind of entity: public fields, course, and what its owner alone receives."""

    name: str
    fields: tuple[Field, ...]
    course: Course | None
    private: tuple[Field, ...]
    motion: Mapping[str, Any] | None

    def field(self, name: str) -> Field:
        """The public field of that name. Raises KeyError."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)


@attrs.frozen
class InputKind:
    """An intent that clients send; `once` ones are edges, the others hold until replaced."""

    name: str
    fields: tuple[Field, ...]
    once: bool
    # The largest value of each field, if all are numbers: what `check` looks at for most inputs.
    _maxima: tuple[int, ...] | None = attrs.field(init=False, eq=False, repr=False)

    @_maxima.default
    def _find_maxima(self) -> tuple[int, ...] | None:
        if any(field.is_text for field in self.fields):
            return None
        return tuple(_MAXIMA[field.type] for field in self.fields)

    def encode(self, values: Sequence[object]) -> list[int | str]:
        """Values in the order of the fields, for the wire. Raises LocalProtocolError."""
        return _encode(self.name, self.fields, values)

    def decode(self, items: Sequence[object]) -> list[float | int | str]:
        """The reverse; checks everything. Raises RemoteProtocolError."""
        return _decode(self.name, self.fields, items)

    def check(self, items: Sequence[object]) -> None:
        """Raises RemoteProtocolError for what `decode` would not take."""
        maxima = self._maxima
        if maxima is not None and len(items) == len(maxima):
            for item, most in zip(items, maxima, strict=True):
                if type(item) is not int or not 0 <= item <= most:
                    break
            else:
                return
        _check_count(self.name, self.fields, items)
        for field, item in zip(self.fields, items, strict=True):
            field.check_wire(item)


@attrs.frozen
class EventKind:
    """A one-off fact that clients receive; durable ones are never dropped."""

    name: str
    fields: tuple[Field, ...]
    durable: bool

    def encode(self, values: Sequence[object]) -> list[int | str]:
        """Values in the order of the fields, for the wire. Raises LocalProtocolError."""
        return _encode(self.name, self.fields, values)

    def decode(self, items: Sequence[object]) -> list[float | int | str]:
        """The reverse; checks everything. Raises RemoteProtocolError."""
        return _decode(self.name, self.fields, items)


def _encode(name: str, fields: Sequence[Field], values: Sequence[object]) -> list[int | str]:
    if len(values) != len(fields):
        raise LocalProtocolError(f"{name} has {len(fields)} fields, not {len(values)}")
    return [field.to_wire(value) for field, value in zip(fields, values, strict=True)]


def _check_count(name: str, fields: Sequence[Field], items: Sequence[object]) -> None:
    if len(items) != len(fields):
        raise RemoteProtocolError(f"{name} has {len(fields)} fields, not {len(items)}")


def _decode(name: str, fields: Sequence[Field], items: Sequence[object]) -> list[float | int | str]:
    _check_count(name, fields, items)
    return [field.from_wire(item) for field, item in zip(fields, items, strict=True)]


@attrs.frozen
class Schema:
    """A game as its clients see it; `data` is what it was built from."""

    game: str
    hash: str
    hz: int
    size: tuple[float, float]
    cell: float
    interest: tuple[float, ...]
    jump: float
    kinds: tuple[Kind, ...]
    inputs: tuple[InputKind, ...]
    events: tuple[EventKind, ...]
    rings: tuple[float, ...]
    data: Mapping[str, Any] = attrs.field(repr=False, eq=False)

    @classmethod
    def from_data(cls, data: object) -> "Schema":
        """Build from `Game.describe()`. Raises RemoteProtocolError when that is nonsense."""
        try:
            return _build(data)
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise RemoteProtocolError(f"the schema makes no sense: {error!r}") from None

    def kind_index(self, name: str) -> int:
        """The number of the kind of that name. Raises KeyError."""
        return _index(self.kinds, name)

    def input_index(self, name: str) -> int:
        """The number of the input of that name. Raises KeyError."""
        return _index(self.inputs, name)

    def event_index(self, name: str) -> int:
        """The number of the event of that name. Raises KeyError."""
        return _index(self.events, name)


def _index(kinds: Sequence[Kind | InputKind | EventKind], name: str) -> int:
    for index, kind in enumerate(kinds):
        if kind.name == name:
            return index
    raise KeyError(name)


def _build(data: object) -> Schema:
    if type(data) is not dict:
        raise TypeError("it is no map")
    width, height = (_positive(side) for side in data["size"])
    hz = data["hz"]
    if type(hz) is not int or not 1 <= hz <= 1000:
        raise ValueError("hz")
    return Schema(
        game=_text(data["game"]),
        hash=_text(data["hash"]),
        hz=hz,
        size=(width, height),
        cell=_positive(data["cell"]),
        interest=tuple(_positive(radius) for radius in _list(data["interest"], 256)),
        jump=_positive(data["jump"]),
        kinds=tuple(_kind(item) for item in _list(data["kinds"], limits.KINDS_MAX)),
        inputs=tuple(
            InputKind(_text(item["name"]), _fields(item["fields"]), bool(item["once"]))
            for item in _list(data["inputs"], limits.INPUT_KINDS_MAX)
        ),
        events=tuple(
            EventKind(_text(item["name"]), _fields(item["fields"]), bool(item["durable"]))
            for item in _list(data["events"], limits.EVENT_KINDS_MAX)
        ),
        rings=tuple(_positive(radius) for radius in _list(data.get("rings", []), 2)),
        data=data,
    )


def _kind(item: Any) -> Kind:
    course = item["course"]
    fields = _fields(item["fields"])
    return Kind(
        name=_text(item["name"]),
        fields=fields,
        course=None if course is None else _course(course, fields),
        private=_fields(item["private"]),
        motion=item["motion"],
    )


def _course(item: Any, fields: Sequence[Field]) -> Course:
    num, den = item["num"], item["den"]
    if type(num) is not int or type(den) is not int or not (0 < num < 2**20 and 0 < den < 2**20):
        raise ValueError("course")
    if item["speed_type"] not in _SPEEDS:
        raise ValueError("speed_type")
    heading = item.get("heading")
    return Course(
        _positive(item["step"]),
        _positive(item["speed_step"]),
        num,
        den,
        item["speed_type"],
        None if heading is None else _heading(heading, fields, item["speed_type"]),
    )


def _heading(item: Any, fields: Sequence[Field], speed_type: str) -> Heading:
    index = item["field"]
    if type(index) is not int or not 0 <= index < len(fields) or fields[index].type != "u8":
        raise ValueError("the field of a heading")
    most = np.iinfo(_SPEEDS[speed_type]).max
    tables = [_list(item[name], _HEADINGS_MAX) for name in ("vx", "vy")]
    speeds = [speed for table in tables for speed in table]
    if any(type(speed) is not int or abs(speed) > most for speed in speeds):
        raise ValueError("the velocities of a heading")
    if not len(tables[0]) == len(tables[1]) > 0:
        raise ValueError("the velocities of a heading")
    return Heading(index, *(np.array(table, np.int64) for table in tables))


def _fields(items: object) -> tuple[Field, ...]:
    fields = tuple(_field(item) for item in _list(items, limits.FIELDS_MAX))
    if len({field.name for field in fields}) != len(fields):
        raise ValueError("two fields of one name")
    return fields


def _field(item: Any) -> Field:
    kind = _text(item["type"])
    if kind.startswith("text:"):
        if not 1 <= int(kind[5:]) <= limits.TEXT_BYTES_MAX:
            raise ValueError(kind)
    elif kind not in _INTEGERS:
        raise ValueError(kind)
    axis = item.get("axis")
    if axis is not None and (type(axis) is not int or axis not in {0, 1} or kind not in _AXES):
        raise ValueError("axis")
    return Field(_text(item["name"]), kind, _number(item["lo"]), _positive(item["step"]), axis)


def _list(items: object, most: int) -> list[Any]:
    if type(items) not in {list, tuple} or len(items) > most:  # type: ignore[arg-type]
        raise ValueError("a list is missing or too long")
    return list(items)  # type: ignore[call-overload, no-any-return]


def _text(item: object) -> str:
    if type(item) is not str or not item or len(item) > limits.TEXT_BYTES_MAX:
        raise ValueError("a text is missing, empty or too long")
    return item


def _number(item: object) -> float:
    if type(item) not in {int, float} or not math.isfinite(item):  # type: ignore[arg-type]
        raise ValueError("a number is missing")
    return float(item)  # type: ignore[arg-type]


def _positive(item: object) -> float:
    number = _number(item)
    if number <= 0:
        raise ValueError("a number is not positive")
    return number
