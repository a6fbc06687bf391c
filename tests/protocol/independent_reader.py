"""A second reader of the protocol, written from protocol/SPEC.md alone.

It shares no code with `protocol/`: its own CBOR, plain Python, no numpy. Tests feed it what servers
send and compare; where the two disagree, the page, the code or this reader is wrong.

`Reader().feed(message)` takes each binary message of a server in order. `entities` then maps every
id to {"kind", "fields", "course", "position", "shard", "held"}: whole numbers of the wire.
"""

import math
import struct
import zlib
from collections.abc import Callable
from typing import Any

_ARRAYS = {64: "B", 69: "H", 70: "I", 71: "Q", 72: "b", 77: "h", 78: "i", 79: "q"}
_WIDTH = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i16": "h", "i32": "i"}
_HELD_TICKS = 10


class MalformedError(ValueError):
    """What the page does not allow."""


class Unsynced(Exception):  # noqa: N818
    """An update of a part whose baseline is not held."""


class Typed(tuple[int, ...]):
    """A typed array; `code` is its element as in struct."""

    __slots__ = ()
    code: str


def _typed_class(element: str) -> type[Typed]:
    return type(f"Typed_{element}", (Typed,), {"__slots__": (), "code": element})


_CLASSES = {tag: _typed_class(element) for tag, element in _ARRAYS.items()}


class Cbor:
    """Decodes one item."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def only(self) -> Any:
        """The item, after which nothing may come."""
        item = self._item(0)
        if self._at != len(self._data):
            raise MalformedError("bytes after the item")
        return item

    def _take(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise MalformedError("the item ends early")
        self._at += count
        return self._data[self._at - count : self._at]

    def _item(self, depth: int) -> Any:
        first = self._take(1)[0]
        major, low = first >> 5, first & 31
        if major == 7:
            return self._simple(low)
        if low >= 28:
            raise MalformedError("an indefinite or reserved length")
        value = low if low < 24 else int.from_bytes(self._take(1 << (low - 24)), "big")
        if major == 0:
            return value
        if major == 1:
            return -1 - value
        if major == 2:
            return self._take(value)
        if major == 3:
            return self._text(value)
        if major == 6:
            return self._array(value)
        if value and depth >= 16:
            raise MalformedError("too deep")
        if major == 4:
            return [self._item(depth + 1) for _ in range(self._count(value))]
        return self._map(self._count(value), depth)

    def _count(self, value: int) -> int:
        if value > len(self._data) - self._at:  # every item has at least one byte
            raise MalformedError("the item ends early")
        return value

    def _text(self, length: int) -> str:
        try:
            return self._take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedError("not UTF-8") from None

    def _map(self, count: int, depth: int) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        for _ in range(count):
            key = self._item(depth + 1)
            if type(key) not in {str, bytes} or key in made:
                raise MalformedError("a key")
            made[key] = self._item(depth + 1)
        return made

    def _simple(self, low: int) -> Any:
        if low in {20, 21, 22}:
            return (False, True, None)[low - 20]
        if low not in {25, 26, 27}:
            raise MalformedError("a simple value")
        number = struct.unpack(">" + "efd"[low - 25], self._take(1 << (low - 24)))[0]
        if not math.isfinite(number):
            raise MalformedError("a float that is no number")
        return number

    def _array(self, tag: int) -> Typed:
        if tag not in _ARRAYS or self._data[self._at : self._at + 1] == b"":
            raise MalformedError("a tag")
        if self._data[self._at] >> 5 != 2:
            raise MalformedError("a typed array is a byte string")
        data = self._item(0)
        width = struct.calcsize("<" + _ARRAYS[tag])
        if len(data) % width:
            raise MalformedError("half an element")
        return _CLASSES[tag](struct.unpack(f"<{len(data) // width}{_ARRAYS[tag]}", data))


class Being:
    """Somebody in a slot."""

    def __init__(self, entity: int, kind: int, shard: int) -> None:
        self.id = entity
        self.kind = kind
        self.shard = shard
        self.values: list[Any] = []  # whole numbers, and texts as their padded bytes
        self.course: tuple[int, int, int, int, int] | None = None


class Shard:
    """What is held of one shard."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.step = 0
        self.parts: dict[int, dict[int, Being]] = {}


class Reader:
    """Holds what a server has told."""

    def __init__(self) -> None:
        self.tick = self.applied = self.margin = 0
        self.crc_checked = 0
        self.crc_failed = 0
        self.lost_cells: list[int] = []
        self.private: list[int] | None = None
        self.events: list[tuple[int, int, list[Any]]] = []
        self.scores: list[list[Any]] = []
        self.goodbye: list[Any] | None = None
        self.welcome: dict[str, Any] | None = None
        self._shards: dict[int, Shard] = {}
        self._kinds: list[dict[str, Any]] = []
        self._columns = self._cells = 0
        self._cell_side = 0.0
        self._showing: dict[int, list[Being]] = {}  # by id, who entered last is last
        self._held: dict[int, tuple[Being, int, int]] = {}

    # --- messages --------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """One binary message of a server."""
        items = Cbor(data).only()
        if type(items) is not list or not items or type(items[0]) is not int:
            raise MalformedError("no message")
        readers: dict[int, tuple[int, Callable[..., Any]]] = {
            3: (2, lambda _stamp: None),
            4: (2, lambda _stamp: None),
            16: (2, self._welcome),
            17: (8, self._snapshot),
            18: (4, lambda tick, shard, events: self.events.append((tick, shard, events))),
            19: (2, lambda rows: setattr(self, "scores", rows)),
            20: (4, lambda *rest: setattr(self, "goodbye", list(rest))),
            21: (2, self._geometry),
        }
        length, read = readers.get(items[0], (0, lambda: None))
        if len(items) != length:
            raise MalformedError("no message that a server sends")
        read(*items[1:])

    def _welcome(self, welcome: dict[str, Any]) -> None:
        self.welcome = welcome
        self.tick = welcome["tick"]
        self._kinds = welcome["schema"]["kinds"]
        self._geometry(welcome["geometry"])

    def _geometry(self, geometry: dict[str, Any]) -> None:
        width, height = geometry["size"]
        self._cell_side = geometry["cell"]
        self._columns = math.ceil(width / self._cell_side)
        self._cells = self._columns * math.ceil(height / self._cell_side)

    def _snapshot(
        self,
        tick: int,
        applied: int,
        margin: int,
        private: list[int] | None,
        dropped: list[int],
        flags: int,
        groups: list[list[Any]],
    ) -> None:
        if flags != 0 or tick < self.tick:
            raise MalformedError("a snapshot of the past, or of the future")
        self.tick, self.applied, self.margin = tick, applied, margin
        self.lost_cells = []
        self.private = self.private if private is None else private
        gone = set(dropped)
        for shard in self._shards.values():
            for key in [key for key in shard.parts if self._cell(key) in gone]:
                for being in shard.parts.pop(key).values():
                    self._hide(being)
        for group in groups:
            self._group(*group)
        for entity, (_being, _step, since) in list(self._held.items()):
            if tick - since > _HELD_TICKS:
                del self._held[entity]

    def _group(self, number: int, epoch: int, age: int, step: int, updates: list[Any]) -> None:
        shard = self._shards.get(number)
        if shard is None:
            shard = self._shards[number] = Shard(epoch)
        elif shard.epoch != epoch:
            for part in shard.parts.values():
                for being in part.values():
                    self._hide(being)
            shard = self._shards[number] = Shard(epoch)
        shard.step = step
        for update in updates:
            try:
                Update(self, number, shard, self.tick - age, update).apply()
            except Unsynced:
                self.lost_cells.append(self._cell(update[0]))

    # --- who is where ----------------------------------------------------------------------------

    def _cell(self, key: int) -> int:
        return key // len(self._kinds) % self._cells

    def kind_of(self, key: int) -> dict[str, Any]:
        """The kind that a part holds."""
        return self._kinds[key % len(self._kinds)]

    def origin(self, key: int, field: dict[str, Any]) -> int:
        """The corner of a part's cell in the field's wire steps."""
        row, column = divmod(self._cell(key), self._columns)
        corner = (column, row)[field["axis"]] * self._cell_side
        steps = math.floor((corner - field["lo"]) / field["step"] + 0.5)
        most = (1 << int(field["type"][1:])) - 1
        return int(min(max(steps, 0), most))

    def show(self, being: Being) -> None:
        """Somebody entered."""
        self._held.pop(being.id, None)
        others = self._showing.setdefault(being.id, [])
        others[:] = [other for other in others if other.shard != being.shard]
        others.append(being)

    def release(self, being: Being, reason: int, step: int) -> None:
        """Somebody left, and is held if it will be seen elsewhere."""
        alone = self._showing.get(being.id) == [being]
        self._hide(being)
        if alone and reason > 0:
            self._held[being.id] = (being, step, self.tick)

    def _hide(self, being: Being) -> None:
        others = self._showing.get(being.id, [])
        others[:] = [other for other in others if other is not being]
        if not others:
            self._showing.pop(being.id, None)

    hide = _hide

    @property
    def entities(self) -> dict[int, dict[str, Any]]:
        """Everybody, at the newest step of the shard that shows it."""
        shown = {
            entity: self._view(beings[-1], self._shards[beings[-1].shard].step, held=False)
            for entity, beings in self._showing.items()
        }
        for entity, (being, step, since) in self._held.items():
            shown[entity] = self._view(being, step + self.tick - since, held=True)
        return shown

    def _view(self, being: Being, step: int, *, held: bool) -> dict[str, Any]:
        kind = self._kinds[being.kind]
        fields, axes = {}, {}
        for field, value in zip(kind["fields"], being.values, strict=True):
            is_text = field["type"].startswith("text:")
            fields[field["name"]] = value.rstrip(b"\0").decode() if is_text else value
            if field["axis"] is not None:
                axes[field["axis"]] = value
        position = (axes[0], axes[1]) if len(axes) == 2 else None
        if being.course is not None:
            position = where(being.course, step, kind["course"])
        return {
            "kind": kind["name"],
            "fields": fields,
            "course": being.course,
            "position": position,
            "shard": being.shard,
            "held": held,
        }


def where(
    course: tuple[int, int, int, int, int], step: int, form: dict[str, Any]
) -> tuple[int, int]:
    """Where a course is at a step."""
    x0, y0, vx, vy, step0 = course
    num, den, age = form["num"], form["den"], step - step0
    return (
        x0 + (vx * age * num + den // 2) // den,
        y0 + (vy * age * num + den // 2) // den,
    )


class Update:
    """One update of one part, read as a whole and then applied."""

    def __init__(
        self, reader: Reader, number: int, shard: Shard, tick: int, items: list[Any]
    ) -> None:
        self._reader = reader
        self._number = number
        self._shard = shard
        self._tick = tick
        if len(items) < 3:
            raise MalformedError("an update without a head")
        self._key, self._age, self._contents = items[:3]
        self._items = items[3:]
        self._kind = reader.kind_of(self._key)
        self._kind_number = self._key % len(reader._kinds)

    def apply(self) -> None:
        """Do what it says. Raises MalformedError and Unsynced before anything is done."""
        contents, fields = self._contents, self._kind["fields"]
        if contents >= 32 << len(fields) or (not self._age and contents & ~5):
            raise MalformedError("contents")
        crc = self._next() if contents & 1 else None
        left = self._leave() if contents & 2 else {}
        entered = self._enter() if contents & 4 else {}
        turned = self._courses(positions=False) if contents & 8 else {}
        placed = self._courses(positions=True) if contents & 16 else {}
        changed = [
            (index, self._column(self._slots(), field))
            for index, field in enumerate(fields)
            if contents & 32 << index
        ]
        if self._items:
            raise MalformedError("something after the last section")
        part = self._ground(left, entered, {*turned, *placed, *(s for _, c in changed for s in c)})
        for slot, reason in left.items():
            self._reader.release(part.pop(slot), reason, self._shard.step)
        for slot, being in entered.items():
            part[slot] = being
            self._reader.show(being)
        for slot, (vx, vy, age) in turned.items():
            self._turn(part[slot], vx, vy, self._shard.step - age)
        for slot, (x0, y0, vx, vy, age) in placed.items():
            part[slot].course = (x0, y0, vx, vy, self._shard.step - age)
        for index, column in changed:
            for slot, value in column.items():
                part[slot].values[index] = value
        self._check(crc, part)

    def _ground(
        self, left: dict[int, int], entered: dict[int, Being], touched: set[int]
    ) -> dict[int, Being]:
        """The part that the update stands on; for a keyframe an empty one."""
        part = self._shard.parts.setdefault(self._key, {})
        if self._age == 0:
            for being in part.values():
                self._reader.hide(being)
            part.clear()
        stay = part.keys() - left.keys()
        if left.keys() - part.keys() or entered.keys() & stay or touched - stay:
            raise Unsynced
        return part

    def _turn(self, being: Being, vx: int, vy: int, begins: int) -> None:
        assert being.course is not None
        x, y = where(being.course, begins, self._kind["course"])
        being.course = (x, y, vx, vy, begins)

    # --- sections --------------------------------------------------------------------------------

    def _next(self) -> Any:
        if not self._items:
            raise MalformedError("an update ends early")
        return self._items.pop(0)

    def _slots(self) -> list[int]:
        bitmap = self._next()
        if type(bitmap) is not int or not 0 < bitmap < 1 << 64:
            raise MalformedError("a bitmap")
        return [slot for slot in range(64) if bitmap >> slot & 1]

    def _numbers(self, code: str, count: int) -> Typed:
        column = self._next()
        if not isinstance(column, Typed) or column.code != code or len(column) != count:
            raise MalformedError("a column")
        return column

    def _column(self, slots: list[int], field: dict[str, Any]) -> dict[int, Any]:
        if field["type"].startswith("text:"):
            size = int(field["type"][5:])
            data = bytes(self._numbers("B", size * len(slots)))
            return {slot: data[i * size : (i + 1) * size] for i, slot in enumerate(slots)}
        column: Any = self._numbers(_WIDTH[field["type"]], len(slots))
        if field["axis"] is not None:
            origin = self._reader.origin(self._key, field)
            column = [(value + origin) % 2 ** int(field["type"][1:]) for value in column]
        return dict(zip(slots, column, strict=True))

    def _leave(self) -> dict[int, int]:
        slots, reasons = self._slots(), self._next()
        if type(reasons) is not list or len(reasons) != len(slots):
            raise MalformedError("reasons")
        return dict(zip(slots, reasons, strict=True))

    def _enter(self) -> dict[int, Being]:
        slots = self._slots()
        ids = self._numbers("Q", len(slots))
        columns = [self._column(slots, field) for field in self._kind["fields"]]
        courses: list[tuple[int, ...]] = []
        if self._kind["course"] is not None:
            x0, y0 = (self._numbers("i", len(slots)) for _ in range(2))
            speed = _WIDTH[self._kind["course"]["speed_type"]]
            vx, vy = (self._numbers(speed, len(slots)) for _ in range(2))
            begins = [self._shard.step - age for age in self._numbers("H", len(slots))]
            courses = list(zip(x0, y0, vx, vy, begins, strict=True))
        entered = {}
        for place, slot in enumerate(slots):
            being = entered[slot] = Being(ids[place], self._kind_number, self._number)
            being.values = [column[slot] for column in columns]
            if courses:
                x, y, vx_, vy_, step0 = courses[place]
                being.course = (x, y, vx_, vy_, step0)
        return entered

    def _courses(self, *, positions: bool) -> dict[int, tuple[int, ...]]:
        if self._kind["course"] is None:
            raise MalformedError("a course of a kind that has none")
        slots = self._slots()
        count = len(slots)
        columns = [self._numbers("i", count) for _ in range(2 if positions else 0)]
        speed = _WIDTH[self._kind["course"]["speed_type"]]
        columns += [self._numbers(speed, count) for _ in range(2)]
        if self._items and self._items[0] is None:
            self._next()
            ages: Any = (1,) * count
        else:
            ages = self._numbers("H", count)
        return dict(zip(slots, zip(*columns, ages, strict=True), strict=True))

    # --- CRC -------------------------------------------------------------------------------------

    def _check(self, crc: Any, part: dict[int, Being]) -> None:
        due = (self._tick + self._key) % 64 == 0
        if crc is None:
            return
        if not due:
            raise MalformedError("a CRC at another time than announced")
        self._reader.crc_checked += 1
        if crc != self._crc(part):
            self._reader.crc_failed += 1
            self._reader.lost_cells.append(self._reader._cell(self._key))

    def _crc(self, part: dict[int, Being]) -> int:
        slots = sorted(part)
        beings = [part[slot] for slot in slots]
        pieces = [struct.pack("<Q", sum(1 << slot for slot in slots))]
        pieces += [struct.pack("<Q", being.id) for being in beings]
        for index, field in enumerate(self._kind["fields"]):
            if field["type"].startswith("text:"):
                pieces += [being.values[index] for being in beings]
            else:
                code = "<" + _WIDTH[field["type"]]
                pieces += [struct.pack(code, being.values[index]) for being in beings]
        if self._kind["course"] is not None:
            for place, code in enumerate("qqiiq"):
                pieces += [struct.pack("<" + code, b.course[place]) for b in beings if b.course]
        return zlib.crc32(b"".join(pieces))
