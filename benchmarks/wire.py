"""What the wire costs: bytes per changed entity, by encoding, beside what they could cost at least.

    python -m benchmarks.wire                      both modes, 10,000 walkers, 200 ticks
    python -m benchmarks.wire --entities 2000 --check

The walkers of the interest benchmark, half of them players, whose shard publishes every tick. Every
update is taken apart into heads (part, baseline, contents), bitmaps (who) and columns (what); the
same changes are written as JSON and as plain CBOR, a map for each entity. The floor is the
zero-order entropy of the changes: of (dx, dy) in steps of the wire where positions are sent, of
(whether it turns, where to) where courses are. A copy that applied every update is compared with
the world at the end; if it differs, or with `--check` a ratio misses its target, it exits with 1.
"""

import argparse
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Final

import attrs
import numpy as np
import numpy.typing as npt

from benchmarks import machine
from benchmarks.interest import rules
from benchmarks.interest.game import make_game
from protocol import cbor
from protocol.apply import Report
from protocol.encode import CRC, ENTER, FIELDS, LEAVE, SET, TURN
from protocol.geometry import Geometry
from protocol.parts import CourseRows, KindRows, PartTable
from protocol.schema import Kind, Schema
from sim import World
from sim.engine import InputIn, TickInput

__all__ = ["Sections", "entropy_bits", "main", "measure", "take_apart"]

TARGETS: Final = {"motion_ratio": 3.0, "turn_ratio": 2.0}
_TURN_EVERY: Final = round(rules.HZ / rules.PLAYER_TURNS_HZ)
_NAMES: Final = {CRC: "crc", LEAVE: "leave", ENTER: "enter", TURN: "turn", SET: "set"}

Row = dict[str, int]


class Walk:
    """The world, the table that it is published by, and a copy that is told of every tick."""

    def __init__(self, entities: int, *, courses: bool) -> None:
        self._players = entities // 2
        self._chance = random.Random(1)  # noqa: S311 - for turns, which nobody guesses at
        side = rules.world_side(entities)
        self.game = make_game(side=side, roamers=entities - self._players, courses=courses)
        self.schema = Schema.from_data(self.game.describe())
        self.kind: Kind = self.schema.kinds[0]
        self._geometry = Geometry.grid(side, side, rules.CELL, self.game.radii, shards=(1, 1))
        self._world = World(self.game, seed=1)
        self._handles = np.zeros(0, np.int64)
        self._ids = np.zeros(0, np.uint64)
        self.table = PartTable(self.schema, self._geometry)
        self._copy = PartTable(self.schema, self._geometry)

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
        _, blob, offsets = self.table.encode_changed(tick - 1 or None)
        base = tick - 1
        self._copy.apply_frame(blob, offsets, tick, tick, Report(names=False), base=base)
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
        """Whether the copy holds what the table does."""
        ours, theirs = (table.columns(0) for table in (self.table, self._copy))
        fields = all(np.array_equal(ours[2][name], theirs[2][name]) for name in ours[2])
        courses = ours[3] is None or np.array_equal(ours[3], np.asarray(theirs[3]))
        return bool(np.array_equal(ours[0], theirs[0]) and fields and courses)


@attrs.define
class Sections:
    """Bytes of updates: by section what stands in its bitmaps and columns, and everything else."""

    heads: int = 0
    bitmaps: Counter[str] = attrs.field(factory=Counter)
    columns: Counter[str] = attrs.field(factory=Counter)
    elements: Counter[str] = attrs.field(factory=Counter)


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


def measure(entities: int, ticks: int, *, courses: bool) -> dict[str, Any]:
    """One mode."""
    walk = Walk(entities, courses=courses)
    for _ in range(3):
        walk.step()
    sections, moves, turns = Sections(), Counter[tuple[int, int]](), Counter[int]()
    total = changed = as_json = as_cbor = 0
    before = walk.rows()
    for _ in range(ticks):
        updates = walk.step()
        now = walk.rows()
        total += sum(map(len, updates))
        take_apart(updates, walk.kind, sections)
        for entity, row in now.items():
            was = before[entity]
            moved = row["x"] - was["x"], row["y"] - was["y"]
            moves[moved] += 1
            if row["heading"] != was["heading"]:
                turns[row["heading"]] += 1
            told = ("heading", "hp") if courses else ("x", "y", "heading", "hp")
            news = {name: row[name] for name in told if row[name] != was[name]}
            if news:
                changed += 1
                as_json += len(json.dumps({"id": entity} | news, separators=(",", ":")))
                as_cbor += len(cbor.dumps({"id": entity} | news))
        before = now
        _progress(walk.tick)
    _, keyframe, _ = walk.table.encode_changed(None)
    result = {
        "mode": "courses" if courses else "positions",
        "entities": entities,
        "ticks": ticks,
        "changed_per_tick": round(changed / ticks, 1),
        "bytes_per_changed": round(total / changed, 2),
        "json_bytes_per_changed": round(as_json / changed, 2),
        "cbor_bytes_per_changed": round(as_cbor / changed, 2),
        "keyframe_bytes_per_entity": round(len(keyframe) / entities, 2),
        "heads_share": round(sections.heads / total, 3),
        "bitmaps_share": round(sections.bitmaps.total() / total, 3),
        "columns_share": round(sections.columns.total() / total, 3),
        "valid": walk.is_copied(),
    }
    if courses:
        return result | _turn_figures(sections, turns, entities * ticks)
    del moves[0, 0]  # who rests is not told of
    return result | _move_figures(sections, moves)


def _move_figures(sections: Sections, moves: Counter[tuple[int, int]]) -> dict[str, float]:
    floor = entropy_bits(moves.values()) / 8
    told = (sections.columns["x"] + sections.columns["y"]) / moves.total()
    bitmaps = (sections.bitmaps["x"] + sections.bitmaps["y"]) / moves.total()
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
    wrong = [] if result["valid"] else [f"{result['mode']}: the copy differs from the world"]
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
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    options = parser.parse_args()
    print(json.dumps({"machine": machine.describe()}), flush=True)
    wrong = []
    for courses in (False, True):
        result = measure(options.entities, options.ticks, courses=courses)
        print(json.dumps(result), flush=True)
        wrong += misses(result) if options.check or not result["valid"] else []
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
