"""The golden vectors: the code gives them, reads them, and so do the other readers."""

import json
import math
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from protocol import cbor, courses, messages
from protocol.errors import RemoteProtocolError
from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.parts import PartTable
from protocol.schema import Field, Schema
from sim import courses as sim_courses
from sim import motion
from sim.specs import CourseSpec

VECTORS = Path(__file__).parent.parent / "vectors"
PAGE = Path(messages.__file__).parent / "SPEC.md"
TYPES = {"u8": "u1", "u16": "<u2", "u32": "<u4", "u64": "<u8"}
TYPES |= {"i8": "i1", "i16": "<i2", "i32": "<i4", "i64": "<i8"}


def load(topic: str) -> Any:
    return json.loads((VECTORS / f"{topic}.json").read_text(encoding="utf-8"))


def item_of(plain: Any) -> Any:
    """What a JSON form stands for; the reverse of the generator's `plain`."""
    if isinstance(plain, list):
        return [item_of(child) for child in plain]
    if not isinstance(plain, dict):
        return plain
    if len(plain) == 1:
        ((name, value),) = plain.items()
        if name == "hex":
            return bytes.fromhex(value)
        if name == "int":
            return int(value)
        if name in TYPES:
            return np.array([item_of(child) for child in value], TYPES[name])
    return {key: item_of(child) for key, child in plain.items()}


def same(left: Any, right: Any) -> bool:
    """Equal, also in the types of numbers."""
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def topics() -> list[str]:
    return sorted(path.stem for path in VECTORS.glob("*.json"))


@pytest.mark.parametrize("topic", topics())
def test_the_generator_gives_the_same_files_again(generator: ModuleType, topic: str) -> None:
    kept = (VECTORS / f"{topic}.json").read_text(encoding="utf-8")
    assert generator.render(topic) == kept, (
        "The bytes on the wire have changed. If that is meant, run tests/vectors/generate.py."
    )


def test_every_topic_has_its_file(generator: ModuleType) -> None:
    assert topics() == sorted(generator.TOPICS)


@pytest.mark.parametrize("vector", load("cbor"), ids=lambda vector: vector["hex"][:40] or "nothing")
def test_cbor_vectors_are_read_written_and_refused(
    reader: ModuleType, vector: dict[str, Any]
) -> None:
    data = bytes.fromhex(vector["hex"])
    if "refused" in vector:
        with pytest.raises(RemoteProtocolError):
            cbor.loads(data)
        with pytest.raises(reader.MalformedError):
            reader.Cbor(data).only()
        return
    item = item_of(vector["item"])
    assert same(cbor.loads(data), item)
    assert reader.Cbor(data).only() == item
    if "read_only" not in vector:
        assert cbor.dumps(item) == data


@pytest.mark.parametrize(
    "vector", load("messages"), ids=lambda v: f"{v['message']}-{v['hex'][:16]}"
)
def test_messages_are_read_and_written_as_in_the_vectors(
    reader: ModuleType, vector: dict[str, Any]
) -> None:
    data, items = bytes.fromhex(vector["hex"]), item_of(vector["items"])
    message = messages.decode(data, messages.Role(vector["sender"]))
    assert type(message).__name__ == vector["message"]
    assert messages.encode(message) == data
    assert cbor.dumps(items) == data
    assert reader.Cbor(data).only() == items


def test_values_are_quantised_as_in_the_vectors() -> None:
    for vector in load("quantising"):
        field = Field(vector["name"], vector["type"], vector["lo"], vector["step"])
        assert int(field.to_int(vector["value"])) == vector["int"]
        assert float(field.to_float(vector["int"])) == vector["back"]
        by_the_page = math.floor((vector["value"] - vector["lo"]) / vector["step"] + 0.5)
        most = 2 ** int(vector["type"][1:]) - 1
        assert min(max(by_the_page, 0), most) == vector["int"]


def test_courses_lead_protocol_sim_and_reader_to_the_same_place(reader: ModuleType) -> None:
    for vector in load("courses"):
        p0, v, age, num, den = (vector[name] for name in ("p0", "v", "age", "num", "den"))
        assert courses.evaluate(p0, v, age, num, den) == vector["p"]
        column = courses.evaluate(np.array([p0]), np.array([v]), np.array([age]), num, den)
        assert column.tolist() == [vector["p"]]
        spec = CourseSpec(1.0, 1.0, num, den, "i16")
        way = sim_courses.travelled(spec, np.array([v]), np.array([age]))
        assert p0 + int(way[0]) == vector["p"], "the simulation and the protocol agree"
        form = {"num": num, "den": den}
        assert reader.where((p0, p0, v, v, 0), age, form) == (vector["p"], vector["p"])


def _prepared(
    generator: ModuleType, vectors: dict[str, Any], vector: dict[str, Any]
) -> tuple[PartTable, int]:
    """A table whose part is as before the update."""
    schema = Schema.from_data(vectors["schema"])
    table = PartTable(schema, Geometry.from_data(vectors["geometry"]))
    key = vector["items"][0]
    kind = table.keys.kind(key)
    if vector["before"]:
        slab = table.slabs[kind]
        place = slab.make(key, table.keys.cell(key))
        for being in vector["before"]:
            entity = np.array([item_of(being["id"])], np.uint64)
            row = slab.enter(np.array([place]), np.array([being["slot"]]), entity, 0)[0]
            for field in slab.kind.fields:
                value = item_of(being["fields"][field.name])
                slab.values[field.name][row] = value.encode() if field.is_text else value
            if being["course"]:
                slab.course[row] = being["course"]
    return table, key


def test_updates_change_parts_as_in_the_vectors(
    generator: ModuleType, reader: ModuleType, worlds: ModuleType
) -> None:
    vectors = load("parts")
    kinds = vectors["schema"]["kinds"]
    seen = [0] * len(kinds)
    for vector in vectors["updates"]:
        table, key = _prepared(generator, vectors, vector)
        assert generator.part_state(table, key) == vector["before"]
        data = bytes.fromhex(vector["hex"])
        item: Any = cbor.loads(data)
        assert same(item, item_of(vector["items"]))
        report = table.apply(item, vector["tick"], vector["step"])
        assert generator.part_state(table, key) == vector["after"]
        assert generator.crc_of(table, key) == vector["crc"]
        assert not report.crc_failed

        other = reader.Reader()
        other._kinds = kinds
        other._geometry(vectors["geometry"])
        shard = other._shards[0] = reader.Shard(1)
        shard.step = vector["step"]
        part = shard.parts[key] = {}
        for row in vector["before"]:
            being = part[row["slot"]] = reader.Being(item_of(row["id"]), key % len(kinds), 0)
            for field in kinds[key % len(kinds)]["fields"]:
                value = item_of(row["fields"][field["name"]])
                size = int(field["type"][5:]) if isinstance(value, str) else 0
                being.values.append(value.encode().ljust(size, b"\0") if size else value)
            being.course = row["course"] and tuple(row["course"])
        update = reader.Cbor(data).only()
        reader.Update(other, 0, shard, vector["tick"], update).apply()
        assert {slot: (being.id, being.course) for slot, being in shard.parts[key].items()} == {
            row["slot"]: (item_of(row["id"]), row["course"] and tuple(row["course"]))
            for row in vector["after"]
        }
        assert other.crc_failed == 0
        contents, _ = worlds.read_head(update)
        seen[key % len(kinds)] |= contents
    assert seen == [0b1111111, 0b11100111, 0b0111111], "the vectors have every section and field"


def test_frames_are_read_and_written_as_in_the_vectors() -> None:
    for vector in load("frame"):
        data = bytes.fromhex(vector["hex"])
        assert Frame.decode(data).encode() == data
        assert cbor.dumps(item_of(vector["items"])) == data


def test_the_page_shows_the_bytes_that_the_code_gives() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = re.findall(r"<!-- example: (\w+) -->\n```\n([0-9a-f \n]+)```", page)
    made = {step["name"]: step["hex"] for step in load("example")}
    assert {name: " ".join(data.split()) for name, data in shown} == made


def by_the_page(parameters: dict[str, Any], row: dict[str, float]) -> dict[str, float]:
    """One step of the motion model, transcribed from SPEC.md, "The owner and prediction"."""
    hz, drag, cap = parameters["hz"], parameters["drag"], parameters["max_speed"]
    step = parameters["speed_step"]
    push = parameters["accel"] / hz
    keep = 1 - drag / hz
    gain = 256 * cap if drag == 0 else min(push * keep / (drag / hz), 256 * cap)
    fast = cap * parameters["dash_factor"]
    after = dict(row)
    tx, ty = row["thrust_x"], row["thrust_y"]
    if "dash" in row:
        after["dash_wait"] = max(row["dash_wait"] - 1, 0.0)
        if row["dash"] > 0 and after["dash_wait"] == 0:
            after["dash_left"] = float(parameters["dash_steps"])
            after["dash_wait"] = float(parameters["dash_wait_steps"])
        after["dash"] = 0.0
    ax, ay = _capped((row["vx"] + tx * push) * keep, (row["vy"] + ty * push) * keep, cap)
    wx, wy = _capped(tx * gain, ty * gain, cap)
    dx, dy = wx - ax, wy - ay
    if dx * dx + dy * dy <= (push / 2) * (push / 2):
        ax, ay = wx, wy
    if after.get("dash_left", 0) > 0:
        hx, hy = (tx, ty) if tx * tx + ty * ty > 0 else (row["vx"], row["vy"])
        h = math.sqrt(hx * hx + hy * hy)
        if h > 0:
            ax, ay = hx * (fast / h), hy * (fast / h)
        after["dash_left"] = max(after["dash_left"] - 1, 0.0)
    for axis, a, size in (("x", ax, parameters["size"][0]), ("y", ay, parameters["size"][1])):
        v = math.floor(a / step + 0.5) * step
        ahead, behind = (size - row[axis]) * hz, row[axis] * hz
        if v > ahead:
            v = math.floor(ahead / step) * step
        if v < -behind:
            v = -(math.floor(behind / step) * step)
        after[f"v{axis}"] = v
    return after


def _capped(x: float, y: float, cap: float) -> tuple[float, float]:
    square = x * x + y * y
    if square > cap * cap:
        scale = cap / math.sqrt(square)
        return x * scale, y * scale
    return x, y


def test_the_motion_model_is_what_the_page_says() -> None:
    for vector in load("motion"):
        before, after = vector["before"], vector["after"]
        columns = {name: np.array([value]) for name, value in before.items()}
        stepped = motion.step_columns(vector["parameters"], columns)
        assert before | {name: float(column[0]) for name, column in stepped.items()} == after
        assert by_the_page(vector["parameters"], before) == after
        if vector["input"] is not None:
            dx, dy = vector["input"]
            square = dx * dx + dy * dy
            scale = 1 / math.sqrt(square) if square > 1 else 1.0
            held = [math.floor(d * scale / (1 / 256) + 0.5) * (1 / 256) for d in (dx, dy)]
            assert held == [before["thrust_x"], before["thrust_y"]]
