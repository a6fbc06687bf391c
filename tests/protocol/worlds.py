"""A small world for the protocol's tests and vectors, and shards in it with a random history.

Not a test module: `conftest.py` loads it and gives it to tests as the fixture `worlds`. The schema
has a kind with a course, one without, and one whose course follows from a heading; the world is
four cells wide and two high.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from protocol import courses
from protocol.geometry import Geometry
from protocol.parts import CourseRows, KindRows, PartTable, Reason
from protocol.schema import Schema

FISH, ROCK, BIRD = range(3)
KINDS = 3
CELLS = 8
# Eight directions at about 18 units a second, and rest.
_VX = [1152, 815, 0, -815, -1152, -815, 0, 815, 0]
_VY = [0, 815, 1152, 815, 0, -815, -1152, -815, 0]
SCHEMA = {
    "game": "test",
    "hash": "0011223344556677",
    "hz": 20,
    "size": [256.0, 128.0],
    "cell": 64.0,
    "interest": [64.0, 128.0],
    "jump": 32.0,
    "kinds": [
        {
            "name": "Fish",
            "fields": [
                {"name": "hp", "type": "u8", "lo": 0.0, "step": 1.0, "axis": None},
                {"name": "name", "type": "text:8", "lo": 0.0, "step": 1.0, "axis": None},
            ],
            "course": {
                "step": 1 / 4096,
                "speed_step": 1 / 64,
                "num": 16,
                "den": 5,
                "speed_type": "i16",
            },
            "private": [{"name": "air", "type": "u16", "lo": 0.0, "step": 0.5, "axis": None}],
            "motion": None,
        },
        {
            "name": "Rock",
            "fields": [
                {"name": "x", "type": "u16", "lo": 0.0, "step": 1 / 16, "axis": 0},
                {"name": "y", "type": "u16", "lo": 0.0, "step": 1 / 16, "axis": 1},
                {"name": "owner", "type": "u64", "lo": 0.0, "step": 1.0, "axis": None},
            ],
            "course": None,
            "private": [],
            "motion": None,
        },
        {
            "name": "Bird",
            "fields": [
                {"name": "load", "type": "u16", "lo": 0.0, "step": 1.0, "axis": None},
                {"name": "heading", "type": "u8", "lo": 0.0, "step": 1.0, "axis": None},
            ],
            "course": {
                "step": 1 / 4096,
                "speed_step": 1 / 64,
                "num": 16,
                "den": 5,
                "speed_type": "i16",
                "heading": {"field": 1, "vx": _VX, "vy": _VY},
            },
            "private": [],
            "motion": None,
        },
    ],
    "inputs": [
        {
            "name": "Steer",
            "once": False,
            "fields": [
                {"name": "dx", "type": "u8", "lo": -1.0, "step": 0.01},
                {"name": "note", "type": "text:4", "lo": 0.0, "step": 1.0},
            ],
        }
    ],
    "events": [
        {
            "name": "Hit",
            "durable": False,
            "fields": [{"name": "by", "type": "u64", "lo": 0.0, "step": 1.0}],
        }
    ],
}


def make_schema() -> Schema:
    return Schema.from_data(SCHEMA)


def make_geometry(shards: tuple[int, int] = (2, 1)) -> Geometry:
    return Geometry.grid(256, 128, 64, (64, 128), shards=shards)


def read_head(update: list[Any]) -> tuple[int, int]:
    """The contents of a decoded update, and where its sections begin."""
    return (-1 - update[1], 2) if update[1] < 0 else (update[2], 3)


@attrs.define
class Being:
    """A fish or a rock, in wire integers; a rock's course is empty."""

    id: int
    kind: int
    cell: int
    values: list[Any]
    course: tuple[int, ...] = ()
    handle: int = -1


class Shard:
    """A table of parts with its entities beside it; `tell` publishes a tick."""

    def __init__(self, number: int, seed: int, schema: Schema, geometry: Geometry) -> None:
        self.table = PartTable(schema, geometry)
        self.table.shard, self.table.epoch = number, 1
        self.chance = random.Random(seed)
        self.beings: dict[int, Being] = {}
        self.reasons: dict[int, tuple[Reason, int]] = {}
        self.lingering: list[Being] = []  # shown by another shard already
        self.tick = self.step = 0
        self._newest = (number + 1) << 40

    def below(self, bound: int) -> int:
        # random() alone is the same in all versions of Python.
        return int(self.chance.random() * bound)

    def spawn(self, kind: int, cell: int) -> Being:
        self._newest += 1
        being = Being(self._newest, kind, cell, [])
        if kind == FISH:
            being.values = [self.below(100), f"f{self.below(1000)}".encode()]
        elif kind == BIRD:
            being.values = [self.below(2**16), self.below(len(_VX))]
        if kind != ROCK:
            being.course = (self._place(), self._place(), *self._speeds(being), self.step)
        else:
            corner = self.table.geometry.cell_origin(cell)
            being.values = [int(side * 16) + self.below(1024) for side in corner]
            being.values.append(self.below(2**60) * 16 + 5)
        self.beings[being.id] = being
        return being

    def _place(self) -> int:
        return self.below(2**30) - 2**20

    def _speed(self) -> int:
        return self.below(2**16) - 2**15

    def _speeds(self, being: Being) -> tuple[int, int]:
        """New ones for a fish; those that a bird's heading gives."""
        if being.kind == BIRD:
            return _VX[being.values[1]], _VY[being.values[1]]
        return self._speed(), self._speed()

    def turn(self, being: Being) -> None:
        x0, y0, vx, vy, step0 = being.course
        age = self.step - 1 - step0
        if age < 0:
            return
        x, y = (courses.evaluate(p, v, age, 16, 5) for p, v in ((x0, vx), (y0, vy)))
        if being.kind == BIRD:
            being.values[1] = self.below(len(_VX))
        being.course = (x, y, *self._speeds(being), self.step - 1)

    def jump(self, being: Being, age: int = 1) -> None:
        if being.kind == BIRD:
            being.values[1] = self.below(len(_VX))
        being.course = (self._place(), self._place(), *self._speeds(being), self.step - age)

    def leave(self, being: Being, reason: Reason = Reason.GONE, target: int = 0) -> None:
        del self.beings[being.id]
        self.reasons[being.id] = (reason, target)

    def take(self, being: Being, step: int) -> None:
        """Somebody whom another shard, at its `step`, let go of."""
        course = being.course
        if course:  # steps are each shard's own
            course = (*course[:4], course[4] + self.step - step)
        taken = attrs.evolve(being, handle=-1, values=list(being.values), course=course)
        self.beings[being.id] = taken

    def restart(self) -> None:
        """A new epoch; the next tick has to be told."""
        self.table.reset(self.table.epoch + 1)
        for being in self.beings.values():
            being.handle = -1

    def live(self) -> None:
        """A random step of everybody."""
        for _ in range(self.below(3)):
            self.spawn((ROCK, FISH, FISH, BIRD)[self.below(4)], self.below(CELLS))
        for being in list(self.beings.values()):
            what = self.below(24)
            if what == 0:
                self.leave(being, Reason.GONE)
            elif what == 1:
                being.cell = self.below(CELLS)
            elif what < 6:
                self._change(being, self.below(len(being.values)))
            elif what < 11 and being.kind != ROCK:
                self.turn(being)
            elif what == 11 and being.kind != ROCK:
                self.jump(being)

    def _change(self, being: Being, place: int) -> None:
        """Another value: any, or one that is near, if the field is wide."""
        value = self.below(100)
        if being.kind == FISH and place == 1:
            being.values[place] = f"n{value}".encode()
        elif being.kind == BIRD and place == 1:
            self.turn(being)
        elif value % 2 and being.kind != FISH and place < 2:
            being.values[place] = (being.values[place] + value - 50) % 2**16
        else:
            being.values[place] = value

    def tell(self, ticks: int = 1) -> None:
        """Publish the present state at a later tick."""
        self.tick += ticks
        self.table.begin(self.tick, self.step)
        for kind in range(KINDS):
            beings = [being for being in self.beings.values() if being.kind == kind]
            rows = self._rows(kind, beings)
            self.table.write(self.tick, self.step, kind, rows, self.reasons)
            for being, handle in zip(beings, rows.handles.tolist(), strict=True):
                being.handle = handle
        self.table.finish()
        self.reasons = {}

    def _rows(self, kind: int, beings: Sequence[Being]) -> KindRows:
        slab = self.table.slabs[kind]
        course = None
        if kind != ROCK:
            stacked = np.array([b.course for b in beings], np.int64).reshape(-1, 5).T
            course = CourseRows(*stacked)
        fields: Mapping[str, Any] = {
            field.name: np.array([b.values[i] for b in beings], field.dtype)
            for i, field in enumerate(slab.kind.fields)
        }
        return KindRows(
            handles=np.array([b.handle for b in beings], np.int64),
            ids=np.array([b.id for b in beings], np.uint64),
            cells=np.array([b.cell for b in beings], np.int32),
            fields=fields,
            course=course,
        )
