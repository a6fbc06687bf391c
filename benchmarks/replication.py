"""What it costs to tell of 10,000 moving entities, and to be told.

Prints one JSON line: milliseconds per tick to write the table of parts, to encode what changed and
to apply the frame to a copy, when a share of the courses turns each tick and when everybody changes
each tick; microseconds for a keyframe of one interest, and for a client's replica of about 60
entities per snapshot. Every tick the copy's state is compared with the owner's.

    python benchmarks/replication.py [entities]
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from protocol import cbor, courses
from protocol.apply import Report
from protocol.geometry import Geometry
from protocol.messages import Group, Snapshot
from protocol.parts import CourseRows, KindRows, PartTable
from protocol.replica import Replica
from protocol.schema import Schema

COLUMNS, ROWS, CELL, HZ = 40, 30, 64.0, 20
POSITION_STEP, SPEED_STEP = 1 / 4096, 1 / 64
WARM_TICKS, TICKS = 70, 60
BUDGET_MS = 3.0


def make_schema() -> Schema:
    """One kind with a course, health and a heading."""
    fields = [
        {"name": "health", "type": "u8", "lo": 0.0, "step": 1.0, "axis": None},
        {"name": "heading", "type": "u8", "lo": 0.0, "step": 1.0, "axis": None},
    ]
    course = {
        "step": POSITION_STEP, "speed_step": SPEED_STEP, "num": 16, "den": 5, "speed_type": "i16",
    }  # fmt: skip
    kind = {"name": "Fish", "fields": fields, "course": course, "private": [], "motion": None}
    return Schema.from_data(
        {
            "game": "replication", "hash": "0" * 16, "hz": HZ, "cell": CELL, "jump": CELL,
            "size": [COLUMNS * CELL, ROWS * CELL], "interest": [CELL], "kinds": [kind],
            "inputs": [], "events": [],
        }
    )  # fmt: skip


class School:
    """`count` fish in a table of parts; a share `turning` of them turns each tick."""

    def __init__(
        self, count: int, turning: float, columns: int = COLUMNS, rows: int = ROWS
    ) -> None:
        self.schema = make_schema()
        self.geometry = Geometry.grid(columns * CELL, rows * CELL, CELL, (CELL,), (1, 1))
        self.table = PartTable(self.schema, self.geometry)
        self.table.epoch = 1
        self.tick = 0
        self._turning = turning
        self._chance = np.random.default_rng(7)
        self._size = np.array([columns * CELL, rows * CELL]) / POSITION_STEP
        self._course = np.zeros((5, count), np.int64)
        self._course[0], self._course[1] = (
            self._chance.random((2, count)) * self._size[:, None]
        ).astype(np.int64)
        self._handles = np.full(count, -1)
        self._ids = np.arange(1, count + 1, dtype=np.uint64)
        self._health = np.full(count, 100, np.uint8)
        self._heading = np.zeros(count, np.uint8)
        self._steer(np.arange(count))

    def _steer(self, some: Any) -> None:
        angles = self._chance.random(len(some)) * 2 * np.pi
        self._course[2:4, some] = np.stack((np.cos(angles), np.sin(angles))) * 6 / SPEED_STEP
        self._heading[some] = angles * (128 / np.pi)

    def _positions(self, step: int) -> Any:
        x0, y0, vx, vy, step0 = self._course
        age = step - step0
        return courses.evaluate(x0, vx, age, 16, 5), courses.evaluate(y0, vy, age, 16, 5)

    def move(self) -> None:
        """The next tick's state, not yet written."""
        self.tick += 1
        count = len(self._ids)
        some = (self._chance.random(count) < self._turning).nonzero()[0]
        x, y = self._positions(self.tick - 1)
        self._course[0, some], self._course[1, some] = x[some], y[some]
        self._course[4, some] = self.tick - 1
        self._steer(some)
        hurt = self._chance.random(count) < max(0.01, self._turning / 10)
        self._health[hurt] = self._chance.integers(100, size=np.count_nonzero(hurt))
        x, y = self._positions(self.tick)
        cells = self.geometry.cells_of(x * POSITION_STEP, y * POSITION_STEP)
        self._rows = KindRows(
            self._handles, self._ids, cells,
            {"health": self._health, "heading": self._heading}, CourseRows(*self._course),
        )  # fmt: skip

    def write(self) -> None:
        """Bring the table to it."""
        self.table.begin(self.tick, self.tick)
        self.table.write(self.tick, self.tick, 0, self._rows, {})
        self.table.finish()


def timed(costs: list[float], function: Callable[..., Any], *arguments: Any) -> Any:
    """Call, and append the milliseconds it took."""
    began = time.perf_counter()
    result = function(*arguments)
    costs.append((time.perf_counter() - began) * 1000)
    return result


def state(table: PartTable) -> list[bytes]:
    """All of a table that its receivers must have as well."""
    ids, cells, fields, course = table.columns(0)
    assert course is not None
    return [column.tobytes() for column in (ids, cells, *fields.values(), course)]


def frames(count: int, turning: float) -> dict[str, Any]:
    """Owner and gateway: medians per tick."""
    school = School(count, turning)
    copy = PartTable(school.schema, school.geometry)
    costs: dict[str, list[float]] = {"write": [], "encode": [], "apply": [], "interest": []}
    sizes, true = [], True
    for tick in range(1, WARM_TICKS + TICKS + 1):
        school.move()
        timed(costs["write"], school.write)
        since = tick - 1 if tick > 1 else None
        keys, blob, offsets = timed(costs["encode"], school.table.encode_changed, since)
        apply = partial(copy.apply_frame, base=since)
        timed(costs["apply"], apply, blob, offsets, tick, tick, Report(names=False))
        centre = tick * 37 % school.geometry.cells
        near = copy.parts_in(school.geometry.interest_cells(centre, 0))
        timed(costs["interest"], copy.encode, near, None)
        sizes.append((len(keys), len(blob)))
        true = true and state(copy) == state(school.table)
    medians = {name: float(np.median(values[WARM_TICKS:])) for name, values in costs.items()}
    parts, size = np.median(sizes[WARM_TICKS:], axis=0)
    return {
        "write_ms": round(medians["write"], 3),
        "encode_ms": round(medians["encode"], 3),
        "apply_frame_ms": round(medians["apply"], 3),
        "keyframe_of_an_interest_us": round(medians["interest"] * 1000, 1),
        "parts": int(parts),
        "bytes": int(size),
        "copy_is_true": true,
    }


def client() -> dict[str, Any]:
    """One client that sees 3 x 3 cells of an ocean with 60 fish in them."""
    school = School(60, 0.15, 3, 3)
    replica = Replica(school.schema, school.geometry)
    costs: list[float] = []
    decoding: list[float] = []
    updates = 0
    for tick in range(1, WARM_TICKS + 5 * TICKS + 1):
        school.move()
        school.write()
        _, blob, offsets = school.table.encode_changed(tick - 1 if tick > 1 else None)
        data = cbor.array_head(len(offsets) - 1) + blob
        items = timed(decoding, cbor.loads_arrays, data)
        snapshot = Snapshot(
            tick=tick, applied=0, margin=0, private=None, dropped=(),
            groups=(Group(0, 1, 0, tick, items),),
        )  # fmt: skip
        timed(costs, replica.apply, snapshot)
        updates += len(items)
    apply_us = float(np.median(costs[WARM_TICKS:])) * 1000
    return {
        "snapshot_apply_us": round(apply_us, 1),
        "snapshot_decode_us": round(float(np.median(decoding[WARM_TICKS:])) * 1000, 1),
        "updates_per_snapshot": round(updates / tick, 1),
        "mismatches": replica.mismatches,
        "crc_checks": replica.crc_checks,
        "entity_us": round(_view_us(replica), 2),
    }


def _view_us(replica: Replica) -> float:
    ids = list(replica.ids())
    began = time.perf_counter()
    for _ in range(20):
        for entity in ids:
            view = replica[entity]
            _ = view.x + view.y
    return (time.perf_counter() - began) * 1e6 / 20 / len(ids)


def main() -> None:
    """Measure, and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    courses_turn = frames(count, 0.15)
    all_change = frames(count, 1.0)
    cost = courses_turn["write_ms"] + courses_turn["encode_ms"]
    print(
        json.dumps(
            {
                "entities": count,
                "turning_15_percent": courses_turn,
                "turning_all": all_change,
                "client_of_60": client(),
                "budget_ms": BUDGET_MS,
                "within_budget": cost <= BUDGET_MS,
                "valid": courses_turn["copy_is_true"] and all_change["copy_is_true"],
            }
        )
    )


if __name__ == "__main__":
    main()
