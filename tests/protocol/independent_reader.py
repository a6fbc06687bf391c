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

_WIDTH = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i16": "h", "i32": "i"}
_HELD_TICKS = 10


class MalformedError(ValueError):
    """What the page does not allow."""


class Unsynced(Exception):  # noqa: N818
    """An update of a part whose baseline is not held."""


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
            raise MalformedError("a tag")
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
        if items[0] == 17:
            self._snapshot(items[1:])
            return
        readers: dict[int, tuple[int, Callable[..., Any]]] = {
            3: (2, lambda _stamp: None),
            4: (2, lambda _stamp: None),
            16: (2, self._welcome),
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

    def _snapshot(self, items: list[Any]) -> None:
        if len(items) < 3 or type(items[1]) is not int or not 0 <= items[1] < 8:
            raise MalformedError("a snapshot without its head")
        tick, told, *rest = items
        if len(rest) != 1 + (0, 2, 1, 3, 1, 3, 2, 4)[told]:
            raise MalformedError("a snapshot of the wrong length")
        if tick < self.tick:
            raise MalformedError("a snapshot of the past")
        self.tick = tick
        if told & 1:
            self.applied, self.margin = rest.pop(0), rest.pop(0)
        private = rest.pop(0) if told & 2 else None
        dropped = rest.pop(0) if told & 4 else []
        groups = rest.pop()
        self.lost_cells = []
        self.private = self.private if private is None else private
        self._drop(set(dropped))
        for group in groups:
            self._group(*group)
        for entity, (_being, _step, since) in list(self._held.items()):
            if tick - since > _HELD_TICKS:
                del self._held[entity]

    def _drop(self, gone: set[int]) -> None:
        for shard in self._shards.values():
            for key in [key for key in shard.parts if self._cell(key) in gone]:
                for being in shard.parts.pop(key).values():
                    self._hide(being)

    def _group(self, number: int, epoch: int, age: int, lag: int, updates: list[Any]) -> None:
        shard = self._shards.get(number)
        if shard is None:
            shard = self._shards[number] = Shard(epoch)
        elif shard.epoch != epoch:
            for part in shard.parts.values():
                for being in part.values():
                    self._hide(being)
            shard = self._shards[number] = Shard(epoch)
        shard.step = self.tick - age - lag
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
        if len(items) < 2 or type(items[1]) is not int or items[1] == 1:
            raise MalformedError("an update without a head")
        self._key = items[0]
        if items[1] < 0:
            self._age, self._contents, self._items = 1, -1 - items[1], items[2:]
        elif len(items) == 2:
            raise MalformedError("an update without contents")
        else:
            self._age, self._contents, self._items = items[1], items[2], items[3:]
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
            (index, *self._change(index, field))
            for index, field in enumerate(fields)
            if contents & 32 << index
        ]
        if self._items:
            raise MalformedError("something after the last section")
        touched = {slot for _, column, _ in changed for slot in column}
        part = self._ground(left, entered, {*turned, *placed, *touched})
        for slot, reason in left.items():
            self._reader.release(part.pop(slot), reason, self._shard.step)
        for slot, being in entered.items():
            part[slot] = being
            self._reader.show(being)
        for slot, (*speed, age) in turned.items():
            self._turn(part[slot], speed, self._shard.step - age)
        for slot, (x0, y0, *speed, age) in placed.items():
            vx, vy = self._speed(part[slot], speed)
            part[slot].course = (x0, y0, vx, vy, self._shard.step - age)
        for index, column, by in changed:
            for slot, value in column.items():
                being = part[slot]
                being.values[index] = (being.values[index] + value) % by if by else value
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

    def _turn(self, being: Being, speed: list[int], begins: int) -> None:
        assert being.course is not None
        x, y = where(being.course, begins, self._kind["course"])
        vx, vy = self._speed(being, speed)
        being.course = (x, y, vx, vy, begins)

    def _speed(self, being: Being, told: list[int]) -> tuple[int, int]:
        """The velocity that was told, or that follows from the heading, which is noted."""
        if self._heading is None:
            vx, vy = told
            return vx, vy
        being.values[self._heading["field"]] = told[0]
        return self._heading["vx"][told[0]], self._heading["vy"][told[0]]

    @property
    def _heading(self) -> dict[str, Any] | None:
        course = self._kind["course"]
        return None if course is None else course.get("heading")

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

    def _columns(self, count: int, codes: list[str], last: str = "") -> list[list[Any]]:
        """The columns in a byte string: numbers, or texts as bytes; the last one may be missing."""
        data = self._next()
        if type(data) is not bytes:
            raise MalformedError("columns that are no bytes")
        if len(data) != count * struct.calcsize("<" + "".join(codes)):
            codes = [*codes, last]
            if not last or len(data) != count * struct.calcsize("<" + "".join(codes)):
                raise MalformedError("columns of the wrong length")
        columns = []
        for code in codes:
            width = struct.calcsize("<" + code)
            mine, data = data[: width * count], data[width * count :]
            pieces = [mine[i * width : (i + 1) * width] for i in range(count)]
            columns.append([struct.unpack("<" + code, piece)[0] for piece in pieces])
        return columns

    def _code(self, field: dict[str, Any]) -> str:
        is_text = field["type"].startswith("text:")
        return field["type"][5:] + "s" if is_text else _WIDTH[field["type"]]

    def _absolute(self, field: dict[str, Any], column: list[Any]) -> list[Any]:
        if field["axis"] is None:
            return column
        origin = self._reader.origin(self._key, field)
        return [(value + origin) % 2 ** int(field["type"][1:]) for value in column]

    def _change(self, index: int, field: dict[str, Any]) -> tuple[dict[int, Any], int]:
        """New values; or differences, and by what they are modulo."""
        if self._heading is not None and self._heading["field"] == index:
            raise MalformedError("a heading by itself")
        slots = self._slots()
        if field["type"] in {"u16", "u32"} and self._items and len(self._items[0]) == len(slots):
            (column,) = self._columns(len(slots), ["b"])
            return dict(zip(slots, column, strict=True)), 2 ** int(field["type"][1:])
        (column,) = self._columns(len(slots), [self._code(field)])
        return dict(zip(slots, self._absolute(field, column), strict=True)), 0

    def _leave(self) -> dict[int, int]:
        slots, reasons = self._slots(), self._next()
        if type(reasons) is not list or len(reasons) != len(slots):
            raise MalformedError("reasons")
        return dict(zip(slots, reasons, strict=True))

    def _enter(self) -> dict[int, Being]:
        slots, fields = self._slots(), self._kind["fields"]
        codes = ["Q", *(self._code(field) for field in fields)]
        if self._kind["course"] is not None:
            codes += ["i", "i", *self._speed_codes(told=self._heading is None), "H"]
        ids, *columns = self._columns(len(slots), codes)
        for index, field in enumerate(fields):
            columns[index] = self._absolute(field, columns[index])
        entered = {}
        for place, slot in enumerate(slots):
            being = entered[slot] = Being(ids[place], self._kind_number, self._number)
            being.values = [column[place] for column in columns[: len(fields)]]
            if self._kind["course"] is not None:
                x, y, *speed, age = (column[place] for column in columns[len(fields) :])
                if self._heading is not None:
                    speed = [being.values[self._heading["field"]]]
                vx, vy = self._speed(being, speed)
                being.course = (x, y, vx, vy, self._shard.step - age)
        return entered

    def _speed_codes(self, *, told: bool) -> list[str]:
        return [_WIDTH[self._kind["course"]["speed_type"]]] * 2 if told else []

    def _courses(self, *, positions: bool) -> dict[int, tuple[int, ...]]:
        if self._kind["course"] is None:
            raise MalformedError("a course of a kind that has none")
        slots = self._slots()
        codes = ["i", "i"] if positions else []
        codes += self._speed_codes(told=True) if self._heading is None else ["B"]
        columns = self._columns(len(slots), codes, "H")
        if len(columns) == len(codes):
            columns.append([1] * len(slots))
        return dict(zip(slots, zip(*columns, strict=True), strict=True))

    # --- CRC -------------------------------------------------------------------------------------

    def _check(self, crc: Any, part: dict[int, Being]) -> None:
        due = (self._tick + self._key) % 64 < max(self._age, 1)
        if crc is None:
            return
        if not due and self._age:  # a keyframe may make good for a longer silence
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
