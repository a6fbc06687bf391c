"""Writes the golden vectors beside it: bytes with their decoded form, for clients in any language.

Run `python tests/vectors/generate.py` after a change of the wire format, and read the difference:
every changed byte is a new version of the protocol. It gives the same files every time.

In the decoded forms byte strings are {"hex": ...}, typed arrays {"u16": [...]}, and whole numbers
of 2^53 and more {"int": "..."}; everything else is as JSON has it.
"""

import importlib.util
import json
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from protocol import cbor, courses, link, messages  # noqa: E402
from protocol.errors import CloseCode  # noqa: E402
from protocol.frame import Frame, FrameEvent, Scope  # noqa: E402
from protocol.listing import COLUMNS, SessionColumns  # noqa: E402
from protocol.parts import CourseRows, KindRows, PartTable, Reason  # noqa: E402
from sim import motion  # noqa: E402

_TYPES = {"<u2": "u16", "|u1": "u8", "<u4": "u32", "<u8": "u64"}
_TYPES |= {"|i1": "i8", "<i2": "i16", "<i4": "i32", "<i8": "i64"}
FISH_ID = (1 << 40) + 1


def worlds() -> ModuleType:
    """The small world of the protocol's tests."""
    spec = importlib.util.spec_from_file_location(
        "shoal_tests_worlds", ROOT / "tests/protocol/worlds.py"
    )
    assert spec is not None
    assert spec.loader is not None
    if spec.name not in sys.modules:
        sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[spec.name])
    return sys.modules[spec.name]


def plain(item: Any) -> Any:
    """A decoded item as JSON can have it."""
    if isinstance(item, bytes):
        return {"hex": item.hex()}
    if isinstance(item, np.ndarray):
        return {_TYPES[item.dtype.str]: [plain(value) for value in item.tolist()]}
    if isinstance(item, list | tuple):
        return [plain(child) for child in item]
    if isinstance(item, dict):
        return {key: plain(child) for key, child in item.items()}
    if type(item) is int and abs(item) >= 1 << 53:
        return {"int": str(item)}
    return item


def _cbor() -> list[dict[str, Any]]:
    items = [
        0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**53 - 1, 2**64 - 1, -1, -24, -25,
        -256, -257, -(2**32), None, True, False, "", "Ada", "Grüße, 魚", b"", b"\x00\xff", [],
        [1, [2, []]], {}, {"a": 1, "b": [None, 1.5]}, 0.5, -1e300,
    ]  # fmt: skip
    accepted = [{"hex": cbor.dumps(item).hex(), "item": plain(item)} for item in items]
    read_only = {
        "1801": 1, "1b0000000000000001": 1, "f93e00": 1.5, "fa3fc00000": 1.5, "980101": [1],
    }  # fmt: skip
    accepted += [{"hex": data, "item": item, "read_only": True} for data, item in read_only.items()]
    refused = {
        "": "nothing", "01f6": "bytes after the item", "0101": "bytes after the item",
        "01f6ff": "bytes after the item", "0168" + b"~the end".hex(): "bytes after the item",
        "9fff": "indefinite length", "5f4100ff": "indefinite length", "bfff": "indefinite length",
        "f97e00": "NaN", "f97c00": "infinity", "fb7ff0000000000000": "infinity", "f7": "undefined",
        "e0": "simple value", "f8ff": "simple value", "c100": "tag", "d9d9f700": "tag",
        "c24101": "tag", "d84100": "tag", "d840420102": "tag", "a10101": "key", "a1f601": "key",
        "a2616101616102": "key twice",
        "61ff": "not UTF-8", "18": "ends early", "62": "ends early", "ff": "break",
        "9bffffffffffffffff": "ends early", "1c": "reserved", "81" * 17 + "00": "too deep",
    }  # fmt: skip
    return accepted + [{"hex": data, "refused": why} for data, why in refused.items()]


def _messages() -> list[dict[str, Any]]:
    client = [
        messages.Hello(name="Ada"),
        messages.Hello(name="", world="lanterns", token=b"t", resume=b"\x01\x02", observe=True),
        messages.Input(seq=3, tick=101, view=25216, ack=100, kind=0, values=(200, "hi")),
        messages.Ack(100), messages.Ping(1234), messages.Pong(2**53 - 1),
        messages.Resync((1, 2)), messages.Bye(),
    ]  # fmt: skip
    world = worlds()
    private = messages.Private(FISH_ID, 0, 40, (200,))
    update = [2, 0, 4, 1, bytes(range(40))]
    server = [
        messages.Welcome(
            session=7, token=b"secret", hz=20, tick=99, entity=FISH_ID,
            schema=world.make_schema().data, geometry=world.make_geometry().to_data(),
        ),
        messages.Snapshot(tick=100),
        messages.Snapshot(
            tick=100, report=(3, -2), private=private, dropped=(4, 5),
            groups=(messages.Group(0, 1, 0, 60, [update]), messages.Group(1, 2, 3, 58, [])),
        ),
        messages.Snapshot(tick=101, report=(4, 0)), messages.Snapshot(tick=102, private=private),
        messages.Snapshot(tick=103, dropped=(7,), groups=(messages.Group(0, 1, 0, -5, []),)),
        messages.Events(100, 1, ((0, FISH_ID), (0, 0))), messages.Events(1, 0, ()),
        messages.Scores((messages.ScoreRow(FISH_ID, "Ada", 12), messages.ScoreRow(2, "", 0.5))),
        messages.Goodbye(CloseCode.RESTART, "back soon", 2.5),
        messages.GeometryChange(world.make_geometry((1, 2)).to_data()),
        messages.Ping(1), messages.Pong(0),
    ]  # fmt: skip
    vectors = []
    for sender, said in (("client", client), ("server", server)):
        for message in said:
            data = messages.encode(message)
            vectors.append(
                {
                    "sender": sender,
                    "message": type(message).__name__,
                    "hex": data.hex(),
                    "items": plain(cbor.loads(data)),
                }
            )
    return vectors


def _quantising() -> list[dict[str, Any]]:
    vectors = []
    for lo, step, bits in ((0.0, 1.0, 8), (-1.0, 0.01, 8), (0.0, 1 / 16, 16), (-5.5, 0.1, 32)):
        values = [lo + step * k for k in (0, 0.49, 0.5, 1.5, 2.5, 3, 99.5, 254.5, 255, 1e6)]
        values += [lo - step, lo - 1e9, 1e15]
        field = {"name": "v", "type": f"u{bits}", "lo": lo, "step": step, "axis": None}
        schema = worlds().SCHEMA | {"inputs": [{"name": "I", "once": False, "fields": [field]}]}
        reader = worlds().Schema.from_data(schema).inputs[0].fields[0]
        for value in values:
            k = int(reader.to_int(value))
            vectors.append({**field, "value": value, "int": k, "back": reader.lo + k * reader.step})
    return vectors


def _courses() -> list[dict[str, Any]]:
    chance = random.Random(11)
    shapes = [(16, 5), (1, 1), (1, 5), (1024, 625), (3, 7)]
    vectors = []
    for num, den in shapes:
        ages = [0, 1, 2, 3, 4, 5, 7, 31_999, 32_000, 65_535]
        for age in ages:
            for v in (0, 1, -1, 32_767, -32_768, int(chance.random() * 65536) - 32768):
                p0 = int(chance.random() * 2**31) - 2**30
                p = courses.evaluate(p0, v, age, num, den)
                vectors.append({"p0": p0, "v": v, "age": age, "num": num, "den": den, "p": p})
    return vectors


def part_state(table: PartTable, key: int) -> list[dict[str, Any]]:
    """Who stands in a part, slot by slot, in absolute wire integers."""
    slab = table.slabs[table.keys.kind(key)]
    state = []
    for row in table.rows_of(key).tolist():
        slot = int(slab.slot[row])
        fields = {}
        for field in slab.kind.fields:
            value = slab.values[field.name][row]
            text = bytes(value).rstrip(b"\0").decode() if field.is_text else int(value)
            fields[field.name] = plain(text)
        course = None if slab.kind.course is None else slab.course[row].tolist()
        state.append(
            {"slot": slot, "id": plain(int(slab.ids[row])), "fields": fields, "course": course}
        )
    return state


def _parts() -> dict[str, Any]:
    world = worlds()
    schema, geometry = world.make_schema(), world.make_geometry()
    shard = world.Shard(0, 5, schema, geometry)
    copy, held = PartTable(schema, geometry), None
    vectors: list[dict[str, Any]] = []
    for _ in range(70):
        shard.step += 1
        shard.live()
        if shard.beings and shard.below(5) == 0:
            being = list(shard.beings.values())[shard.below(len(shard.beings))]
            shard.leave(being, Reason.HANDED, 1)
        shard.tell()
        if shard.below(3) == 0:
            continue  # the receiver misses this one: the next delta says it all
        since = None if shard.below(12) == 0 else held
        for key in shard.table.parts_in(range(world.CELLS)):
            update = shard.table.encode([key], since)[0]
            if update is None:
                continue
            before = part_state(copy, key)
            item: Any = cbor.loads(update)
            copy.apply(item, shard.tick, shard.step)
            vectors.append(
                {
                    "tick": shard.tick,
                    "step": shard.step,
                    "hex": update.hex(),
                    "items": plain(item),
                    "before": before,
                    "after": part_state(copy, key),
                    "crc": crc_of(copy, key),
                }
            )
        held = shard.tick
    seen: dict[tuple[Any, ...], int] = {}
    kept = []
    for vector in vectors:  # a few of each sort are enough
        _key, head, *rest = vector["items"]
        sort = (vector["items"][0] % world.KINDS, min(head, 1), head if head < 0 else rest[0])
        seen[sort] = seen.get(sort, 0) + 1
        if seen[sort] <= 2:
            kept.append(vector)
    return {"schema": world.SCHEMA, "geometry": geometry.to_data(), "updates": kept}


def crc_of(table: PartTable, key: int) -> int:
    """The CRC of a part as it is now."""
    return table.checksum(key)


def _ids(*ids: int) -> Any:
    return np.array(ids, COLUMNS["session"])


def _frame() -> list[dict[str, Any]]:
    example = _Example()
    _data, keys, blob, offsets = example.keyframe()
    row = {
        "session": 7, "entity": FISH_ID, "hop": 0, "generation": 1, "centre": 1, "cls": 0,
        "applied": 3, "margin": -2,
    }  # fmt: skip
    columns = SessionColumns.of([tuple(row[name] for name in COLUMNS)])
    hit = FrameEvent(0, cbor.dumps([0, FISH_ID]), Scope.CELL, 1)
    empty = Frame(
        0, 1, 99, 39, 98, 1, 1000, keys[:0], offsets[:1], b"", complete=False, gone=_ids(6),
        kinds=3, cells=8,
    )  # fmt: skip
    full = Frame(
        0, 1, 100, 40, 0, 1, 1000, keys, offsets, blob, columns, True, _ids(),
        [(7, cbor.dumps([FISH_ID, 0, 40, 200]))], [hit], [(8, 1)],
        kinds=3, cells=8,
    )  # fmt: skip
    moved = Frame(
        0, 4, 101, 41, 100, 1, 1000, keys[:0], offsets[:1], b"", columns, base_epoch=1,
        kinds=3, cells=8,
    )  # fmt: skip
    return [
        {"hex": frame.encode().hex(), "items": plain(cbor.loads_arrays(frame.encode()))}
        for frame in (empty, full, moved)
    ]


class _Steer:
    pass


class _Burst:
    pass


def _motion() -> list[dict[str, Any]]:
    chance = random.Random(3)
    models = [
        motion.Thrust(360, 3, 80, motion.Dash(3, 0.2, 2), _Steer, _Burst),
        motion.Thrust(90, 0, 40, steer=_Steer),
        motion.Thrust(120, 0.3, 60, steer=_Steer),
    ]
    vectors = []
    for model in models:
        parameters = model.parameters(20.0, (2048.0, 1024.0), 1 / 64)
        names = [state.name for state in model.state()]
        row = {"x": 1024.0, "y": 3.0, "vx": 0.0, "vy": 0.0} | dict.fromkeys(names, 0.0)
        for step in range(30):
            thrust = None
            if step % 7 == 0:
                thrust = [chance.random() * 2.4 - 1.2, chance.random() * 2.4 - 1.2]
                row["thrust_x"], row["thrust_y"] = motion.held_thrust(*thrust)
            if "dash" in row and step % 23 == 5:
                row["dash"] = 1.0
            columns = {name: np.array([value]) for name, value in row.items()}
            after = row | {
                name: float(column[0])
                for name, column in motion.step_columns(parameters, columns).items()
            }
            vectors.append(
                {"parameters": parameters, "input": thrust, "before": dict(row), "after": after}
            )
            row = dict(after)
            row["x"] += row["vx"] / 20.0
            row["y"] += row["vy"] / 20.0
    return vectors


class _Example:
    """The worked example of SPEC.md."""

    def __init__(self) -> None:
        world = worlds()
        self.table = PartTable(world.make_schema(), world.make_geometry())
        self.table.epoch = 1
        self._handle = np.array([-1])

    def _tell(self, tick: int, step: int, hp: int, course: tuple[int, ...]) -> None:
        rows = KindRows(
            handles=self._handle,
            ids=np.array([FISH_ID], np.uint64),
            cells=np.array([1], np.int32),
            fields={"hp": np.array([hp]), "name": np.array([b"Ada"], "S8")},
            course=CourseRows(*(np.array([item]) for item in course)),
        )
        self.table.begin(tick, step)
        self.table.write(tick, step, 0, rows, {})
        self.table.finish()

    def _snapshot(self, since: int | None, head: bytes) -> tuple[bytes, Any, bytes, Any]:
        keys, blob, offsets = self.table.encode_changed(since)
        lag = self.table.tick - self.table.step
        group = messages.group(0, 1, 0, lag, len(keys), blob)
        return head + cbor.array_head(1) + group, keys, blob, offsets

    def keyframe(self) -> tuple[bytes, Any, bytes, Any]:
        self._tell(100, 40, 99, (286720, 131072, 192, 0, 38))
        private = messages.encode_private(messages.Private(FISH_ID, 0, 40, (200,)))
        return self._snapshot(None, messages.snapshot_head(100, None, private))

    def turn(self) -> bytes:
        x = courses.evaluate(286720, 192, 2, 16, 5)
        self._tell(101, 41, 98, (x, 131072, 192, -64, 40))
        return self._snapshot(100, messages.snapshot_head(101, (3, 2)))[0]

    def crc(self) -> bytes:
        self._tell(125, 65, 98, (287949, 131072, 192, -64, 40))
        return self._snapshot(124, messages.snapshot_head(125))[0]


def _link() -> list[dict[str, Any]]:
    """Each link's pushes as [size, sent at, arrives at]; the presets, and what they do not have."""
    narrow = link.Profile(delay_s=0.03, loss=0.05, bytes_per_s=20_000, queue_bytes=8_000)
    cases = [(name, profile, 1) for name, profile in link.PRESETS.items()]
    cases += [("average", link.PRESETS["average"], 2**32 + 5), ("", narrow, 7)]
    made = []
    for name, profile, seed in cases:
        chance = random.Random(f"link/{name}/{seed}")
        pipe, now, pushes = link.Pipe(profile, seed), -0.5, []
        for number in range(96):
            # Mostly a tick of 50 ms, at times the next at once, now and then a long silence.
            now += chance.choice((0.0, 0.05, 0.05, 0.05)) + (8.0 if number == 40 else 0.0)
            size = chance.choice((20, 300, 700, 700, 6000))
            pushes.append([size, now, pipe.push(size, now)])
        figures = attrs.asdict(pipe.statistics())
        made.append(
            {"name": name, "profile": attrs.asdict(profile), "seed": seed}
            | {"pushes": pushes, "statistics": figures}
        )
    return made


def _example() -> list[dict[str, Any]]:
    example = _Example()
    steps = {
        "hello": messages.encode(messages.Hello(name="Ada")),
        "keyframe": example.keyframe()[0],
        "input": messages.encode(
            messages.Input(seq=3, tick=101, view=25216, ack=100, kind=0, values=(200, "hi"))
        ),
        "turn": example.turn(),
        "crc": example.crc(),
    }
    return [
        {"name": name, "hex": data.hex(" "), "items": plain(cbor.loads(data))}
        for name, data in steps.items()
    ]


TOPICS = {
    "cbor": _cbor,
    "messages": _messages,
    "quantising": _quantising,
    "courses": _courses,
    "parts": _parts,
    "frame": _frame,
    "motion": _motion,
    "link": _link,
    "example": _example,
}


def render(topic: str) -> str:
    """The text of one file: an item per line, so that differences can be read."""
    made: Any = TOPICS[topic]()
    head, tail = "[\n", "\n]\n"
    if isinstance(made, dict):
        rest = {key: value for key, value in made.items() if key != "updates"}
        head = json.dumps(rest)[:-1] + ', "updates": [\n'
        made, tail = made["updates"], "\n]}\n"
    return head + ",\n".join(json.dumps(item, ensure_ascii=False) for item in made) + tail


def main() -> None:
    """Write all files."""
    for topic in TOPICS:
        (HERE / f"{topic}.json").write_text(render(topic), encoding="utf-8")


if __name__ == "__main__":
    main()
