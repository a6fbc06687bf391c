"""What the wire costs: bytes per changed entity, by encoding, beside what they could cost at least.

    python -m benchmarks.wire                      both modes, 10,000 walkers, 200 ticks
    python -m benchmarks.wire --entities 2000 --check
    python -m benchmarks.wire --density 300        with 300 in view: fuller parts

The walkers of the interest benchmark, half of them players, whose shard publishes every tick. Every
update is taken apart into heads (part, baseline, contents), bitmaps (who) and columns (what); the
same changes are written as JSON and as plain CBOR: a map for each entity with what changed, and an
array of all its fields, both with short ids, and silent about who comes into view and who leaves,
of which updates tell. The floor is the zero-order entropy of the changes: of (dx, dy) in steps of
the wire where positions are sent, of (whether it turns, where to) where courses are. A replica that
applied every update is compared with the world at the end; if it differs, or with `--check` a ratio
misses its target, it exits with 1.
"""

import argparse
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import attrs
import numpy as np
import numpy.typing as npt

from benchmarks import machine
from benchmarks.interest import rules
from benchmarks.interest.game import make_game
from protocol import cbor
from protocol.encode import CRC, ENTER, FIELDS, LEAVE, SET, TURN
from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.parts import CourseRows, KindRows, PartTable
from protocol.replica import Replica
from protocol.schema import Kind, Schema
from sim import World
from sim.engine import InputIn, TickInput

__all__ = ["Sections", "entropy_bits", "main", "measure", "take_apart"]

TARGETS: Final = {"motion_ratio": 3.0, "turn_ratio": 2.0}
_NUMBER: Final = (1 << 40) - 1  # of an entity's id: the rest names who made it
_TURN_EVERY: Final = round(rules.HZ / rules.PLAYER_TURNS_HZ)
_NAMES: Final = {CRC: "crc", LEAVE: "leave", ENTER: "enter", TURN: "turn", SET: "set"}

Row = dict[str, int]


class Walk:
    """The world, the table that it is published by, and a replica that is told of every tick."""

    def __init__(self, entities: int, *, courses: bool, density: float = rules.VISIBLE) -> None:
        self._players = entities // 2
        self._chance = random.Random(1)  # noqa: S311 - for turns, which nobody guesses at
        side = rules.world_side(entities, density)
        self.game = make_game(side=side, roamers=entities - self._players, courses=courses)
        self.schema = Schema.from_data(self.game.describe())
        self.kind: Kind = self.schema.kinds[0]
        self._geometry = Geometry.grid(side, side, rules.CELL, self.game.radii, shards=(1, 1))
        self._world = World(self.game, seed=1)
        self._handles = np.zeros(0, np.int64)
        self._ids = np.zeros(0, np.uint64)
        self.table = PartTable(self.schema, self._geometry)
        self.replica = Replica(self.schema, self._geometry)

    @property
    def tick(self) -> int:
        """The newest tick."""
        return self.table.tick

    def step(self) -> list[bytes]:
        """Go on by a tick; gives the updates that were published."""
        tick = self.tick + 1
        everybody = range(1, self._players + 1)
        joins = [(session, str(session)) for session in everybody] if tick == 1 else []
        turning = [s for s in everybody if tick > 1 and (s + tick) % _TURN_EVERY == 0]
        inputs = [InputIn(s, 0, (self._chance.randrange(rules.HEADINGS),), 0) for s in turning]
        self._world.advance(TickInput(tick=tick, step=tick, joins=joins, inputs=inputs))
        self._write(tick)
        keys, blob, offsets = self.table.encode_changed(tick - 1 or None)
        self.replica.apply_frame(_frame(tick, keys, blob, offsets))
        return [blob[start:end] for start, end in pairwise(offsets.tolist())]

    def _write(self, tick: int) -> None:
        rows = self._world.export(0)
        course = None if rows.course is None else CourseRows(*rows.course)
        known = dict(zip(self._ids.tolist(), self._handles.tolist(), strict=True))
        self._handles = np.array([known.get(entity, -1) for entity in rows.ids.tolist()], np.int64)
        self._ids = rows.ids.copy()
        cells = self._geometry.cells_of(rows.x, rows.y)
        kind_rows = KindRows(self._handles, rows.ids, cells, rows.fields, course)
        self.table.begin(tick, tick)
        self.table.write(tick, tick, 0, kind_rows, {})
        self.table.finish()

    def rows(self) -> dict[int, Row]:
        """Everybody's fields, in wire integers, and x and y in steps of the wire."""
        ids, _, fields, _ = self.table.columns(0)
        columns = {name: column.tolist() for name, column in fields.items()}
        rows = self._world.export(0)
        order = np.argsort(rows.ids)
        places = order[np.searchsorted(rows.ids, ids, sorter=order)]
        for name, values in (("x", rows.x), ("y", rows.y)):
            columns[name] = np.floor(values[places] / rules.QUANTUM + 0.5).astype(int).tolist()
        names = list(columns)
        return {
            entity: dict(zip(names, row, strict=True))
            for entity, *row in zip(ids.tolist(), *columns.values(), strict=True)
        }

    def is_copied(self) -> bool:
        """Whether the replica holds everybody as the world has them."""
        truth = self._world.export(0)
        copy = self.replica.columns(0)
        ours, theirs = np.argsort(truth.ids), np.argsort(copy.ids)
        pairs: list[tuple[Any, Any]] = [(truth.ids, copy.ids)]
        pairs += [(truth.fields[name], copy.fields[name]) for name in truth.fields]
        if self.kind.course is not None:
            step = self.kind.course.step
            places = (np.floor(axis / step + 0.5).astype(np.int64) for axis in (truth.x, truth.y))
            pairs += zip(places, (copy.x, copy.y), strict=True)
        equal = all(np.array_equal(a[ours], b[theirs]) for a, b in pairs)
        return equal and not self.replica.mismatches


def _frame(tick: int, keys: Any, blob: bytes, offsets: Any) -> Frame:
    """What a shard publishes of one tick, on top of the one before."""
    return Frame(
        shard=0, epoch=1, tick=tick, step=tick, base=tick - 1, tree_version=1, dilation=1000,
        keys=keys, offsets=offsets, blob=blob,
    )  # fmt: skip


@attrs.define
class Sections:
    """Bytes of updates: by section what stands in its bitmaps and columns, and everything else."""

    heads: int = 0
    bitmaps: Counter[str] = attrs.field(factory=Counter)
    columns: Counter[str] = attrs.field(factory=Counter)
    elements: Counter[str] = attrs.field(factory=Counter)

    def shares(self, total: int) -> dict[str, float]:
        """By section the share that its bitmaps and columns have in `total` bytes."""
        both = self.bitmaps + self.columns
        return {name: round(size / total, 3) for name, size in both.most_common()}


def take_apart(updates: Iterable[bytes], kind: Kind, sections: Sections) -> None:
    """Add what stands in `updates` of a kind to `sections`."""
    for update in updates:
        item: Any = cbor.loads(update)
        usual = item[1] < 0
        contents, at = (-1 - item[1], 2) if usual else (item[2], 3)
        inside = 0
        for name, has_bitmap in _sections(contents, kind):
            if not has_bitmap:
                at += 1
                continue
            bitmap, columns = item[at : at + 2]
            at += 2
            sections.bitmaps[name] += len(cbor.uint(bitmap))
            size = len(columns if isinstance(columns, bytes) else cbor.dumps(columns))
            sections.columns[name] += size
            sections.elements[name] += bitmap.bit_count()
            inside += len(cbor.uint(bitmap)) + size
        sections.heads += len(update) - inside


def _sections(contents: int, kind: Kind) -> Iterator[tuple[str, bool]]:
    for bit, name in _NAMES.items():
        if contents & bit:
            yield name, bit != CRC
    for index, field in enumerate(kind.fields):
        if contents & FIELDS << index:
            yield field.name, True


def entropy_bits(counts: Iterable[int]) -> float:
    """The zero-order entropy in bits of what occurred so often."""
    seen: npt.NDArray[np.float64] = np.array([count for count in counts if count], float)
    shares = seen / seen.sum()
    return float(-(shares * np.log2(shares)).sum())


@attrs.define
class Rows:
    """The changes as others might write them, in bytes: rows of those that changed."""

    changed: int = 0
    json: int = 0
    cbor: int = 0
    arrays: int = 0

    def add(self, entity: int, was: Row, now: Row, told: Sequence[str]) -> None:
        """Write a row if one of the fields `told` differs."""
        news = {name: now[name] for name in told if now[name] != was[name]}
        if not news:
            return
        self.changed += 1
        self.json += len(json.dumps({"id": entity} | news, separators=(",", ":")))
        self.cbor += len(cbor.dumps({"id": entity} | news))
        self.arrays += len(cbor.dumps([entity, *(now[name] for name in told)]))


def measure(
    entities: int, ticks: int, *, courses: bool, density: float = rules.VISIBLE
) -> dict[str, Any]:
    """One mode."""
    walk = Walk(entities, courses=courses, density=density)
    told = ("heading", "hp") if courses else ("x", "y", "heading", "hp")
    for _ in range(3):
        walk.step()
    sections, moves, turns = Sections(), Counter[tuple[int, int]](), Counter[int]()
    total, rows = 0, Rows()
    before = walk.rows()
    for _ in range(ticks):
        updates = walk.step()
        now = walk.rows()
        total += sum(map(len, updates))
        take_apart(updates, walk.kind, sections)
        for entity, row in now.items():
            was = before[entity]
            moves[row["x"] - was["x"], row["y"] - was["y"]] += 1
            if row["heading"] != was["heading"]:
                turns[row["heading"]] += 1
            rows.add(entity & _NUMBER, was, row, told)
        before = now
        _progress(walk.tick)
    _, keyframe, _ = walk.table.encode_changed(None)
    changed = rows.changed
    result = {
        "mode": "courses" if courses else "positions",
        "entities": entities,
        "density": density,
        "ticks": ticks,
        "changed_per_tick": round(changed / ticks, 1),
        "bytes_per_entity_tick": round(total / entities / ticks, 3),
        "bytes_per_changed": round(total / changed, 2),
        "json_bytes_per_changed": round(rows.json / changed, 2),
        "cbor_bytes_per_changed": round(rows.cbor / changed, 2),
        "cbor_arrays_bytes_per_changed": round(rows.arrays / changed, 2),
        "keyframe_bytes_per_entity": round(len(keyframe) / entities, 2),
        "heads_share": round(sections.heads / total, 3),
        "bitmaps_share": round(sections.bitmaps.total() / total, 3),
        "columns_share": round(sections.columns.total() / total, 3),
        "shares_by_section": sections.shares(total),
        "valid": walk.is_copied(),
    }
    if courses:
        return result | _turn_figures(sections, turns, entities * ticks)
    del moves[0, 0]  # who rests is not told of
    return result | _move_figures(sections, moves)


def _move_figures(sections: Sections, moves: Counter[tuple[int, int]]) -> dict[str, float]:
    """Who moves into another cell is told of as one who enters, and does not count."""
    floor = entropy_bits(moves.values()) / 8
    stayed = moves.total() - sections.elements["enter"]
    told = (sections.columns["x"] + sections.columns["y"]) / stayed
    bitmaps = (sections.bitmaps["x"] + sections.bitmaps["y"]) / stayed
    return {
        "motion_floor_bytes": round(floor, 3),
        "motion_bytes": round(told, 3),
        "motion_ratio": round(told / floor, 3),
        "motion_ratio_with_bitmaps": round((told + bitmaps) / floor, 3),
    }


def _turn_figures(sections: Sections, turns: Counter[int], chances: int) -> dict[str, float]:
    """When an entity turns is what the bitmaps say, so they count."""
    count = turns.total()
    whether = entropy_bits((count, chances - count)) * chances / count
    floor = (whether + entropy_bits(turns.values())) / 8
    columns = sections.columns["turn"] + sections.columns["set"]
    bitmaps = sections.bitmaps["turn"] + sections.bitmaps["set"]
    told = sections.elements["turn"] + sections.elements["set"]
    return {
        "turn_floor_bytes": round(floor, 3),
        "turn_bytes": round((columns + bitmaps) / told, 3),
        "turn_ratio": round((columns + bitmaps) / told / floor, 3),
        "turn_ratio_columns": round(columns / told / floor, 3),
    }


def misses(result: dict[str, Any]) -> list[str]:
    """What is wrong with a result, in words."""
    wrong = [] if result["valid"] else [f"{result['mode']}: the replica differs from the world"]
    for name, most in TARGETS.items():
        if not math.isnan(ratio := result.get(name, math.nan)) and ratio > most:
            wrong.append(f"{result['mode']}: {name} is {ratio}, not at most {most}")
    return wrong


def _progress(tick: int) -> None:
    if tick % 50 == 0:
        print(f"tick {tick}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure both modes."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.wire",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--entities", type=int, default=10_000)
    parser.add_argument("--ticks", type=int, default=200)
    parser.add_argument(
        "--density", type=float, default=rules.VISIBLE, help="entities in a block of 3 x 3 cells"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    options = parser.parse_args()
    print(json.dumps({"machine": machine.describe()}), flush=True)
    wrong = []
    for courses in (False, True):
        result = measure(options.entities, options.ticks, courses=courses, density=options.density)
        print(json.dumps(result), flush=True)
        wrong += misses(result) if options.check or not result["valid"] else []
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
