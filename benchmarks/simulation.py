"""What a tick of a shard costs with 1,000 to 100,000 moving entities, and how that grows.

A real shard is driven tick by tick on a bus in memory, without clients: everybody moves at 6 units
a second, half of them turn twice a second and half every two seconds, one in a hundred is hurt each
tick, and about 60 lie in each block of 3 x 3 cells. With `--players` some have a session, whose
inputs come by mail twice a second. `total` is the whole tick: step and replicate.
It is split into

- mail: taking in what gateways ask, which is players' inputs
- step: the world's advance, of which `rules` are the game's own systems
- export: the columns for replication
- write: bringing the table of parts to them
- encode: the updates of all parts that changed
- sessions: the columns of sessions, interest, and private sections
- frame: the frame as bytes
- rest: the record for the journal, walks over all sessions, who crosses a border, checksums

A gateway's copy and a client that sees one block of cells follow all frames outside the total, and
must equal the world at the end: otherwise the run is not valid, and the exit code is 1.

    python -m benchmarks.simulation [--entities 1000,10000,100000] [--ticks 40] [--json]
"""

import argparse
import gc
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import attrs
import numpy as np

from benchmarks import machine, roaming
from benchmarks.interest import rules
from benchmarks.stopwatch import Stopwatch
from protocol import cbor, courses
from protocol.apply import Report
from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.messages import Group, Snapshot
from protocol.parts import PartTable
from protocol.replica import Replica
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.observe.garbage import few_collections
from server.shard.desk import Desk
from server.shard.host import Shard, ShardConfig
from server.shard.inbox import Inbox
from server.shard.mail import Input, Item, Join, Mail, frame_subject, inbox_subject
from server.shard.players import Players
from server.shard.replication import Replication
from server.shard.sessions import Session
from sim.world import World

__all__ = ["Followers", "Roaming", "measure", "with_growth"]

T = TypeVar("T")

PHASES: Final[dict[str, list[tuple[type, str]]]] = {
    "mail": [(Inbox, "take"), (Desk, "open"), (Desk, "take")],
    "step": [(World, "advance")],
    "rules": [(World, "call")],
    "export": [(World, "export")],
    "write": [(Replication, "write")],
    "encode": [(PartTable, "encode_changed")],
    "sessions": [(Players, "follow"), (Players, "columns"), (Players, "changed_privates")],
    "frame": [(Frame, "encode")],
}
# Tombstones and vacated slots are remembered for 64 ticks; before that, ticks are too cheap.
WARM_TICKS: Final = 66
BUDGETS_MS: Final = {10_000: 5.0, 100_000: 60.0}

_EVERY: Final = round(rules.HZ / rules.PLAYER_TURNS_HZ)  # ticks between a player's turns
_WORLD: Final = "bench"
_SENDER: Final = "nobody"


class Roaming:
    """A shard with the whole world in it, and those who follow what it publishes.

    `players` of the entities belong to sessions, whose clients do not exist.
    """

    def __init__(self, entities: int, *, players: int = 0, thrust: bool = False) -> None:
        self.game = roaming.make_game(entities, players=players, thrust=thrust)
        self.schema = Schema.from_data(self.game.describe())
        game = self.game
        self.geometry = Geometry.grid(*game.size, game.cell, game.radii, shards=(1, 1))
        self.bus = MemoryBus()
        config = ShardConfig(world=_WORLD, shard=0, epoch=1, seed=1, geometry=self.geometry)
        self.shard = Shard(game, self.schema, self.bus, config)
        self._frames = self.bus.subscribe(frame_subject(_WORLD, 0), buffer=1)
        joins = [Join(number + 1, bytes(32), str(number)) for number in range(players)]
        self.write(*joins)

    @property
    def world(self) -> World:
        """The world of the shard."""
        return self.shard.world

    def tick(self) -> Frame:
        """Step once, and what a node does after it; gives what was published."""
        self.shard.tick(self.world.tick + 1)
        self.shard.take_commits()
        self.shard.committed(self.world.tick)
        (message,) = self._frames.take_nowait()
        return Frame.decode(message.data)

    def steer(self) -> None:
        """A tenth of the players turns in the next tick."""
        tick = self.world.tick + 1
        turning = [session for session in self.shard.sessions if (session.id + tick) % _EVERY == 0]
        self.write(*(_turn(session, tick) for session in turning))

    def write(self, *items: Item) -> None:
        """Mail from a gateway, for the next tick; with nothing in it, a sign of life."""
        self.bus.publish(inbox_subject(_WORLD, 0), Mail(_SENDER, items).encode())

    def cells(self) -> Any:
        """The cell of every entity."""
        rows = self.world.export(0)
        return self.geometry.cells_of(rows.x, rows.y)

    def visible(self) -> float:
        """How many entities lie in the block of cells around one, on average over all of them."""
        inhabitants = np.bincount(self.cells(), minlength=self.geometry.cells)
        rows, columns = self.geometry.rows, self.geometry.columns
        padded = np.pad(inhabitants.reshape(rows, columns), 1)
        blocks = sum(padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3))
        return float((inhabitants * np.asarray(blocks).ravel()).sum() / inhabitants.sum())


def _turn(session: Session, tick: int) -> Input:
    """A new heading, for the next tick."""
    heading = (session.id * 37 + tick * 101) % rules.HEADINGS
    seq = session.inputs.seen + 1
    return Input(session.id, session.generation, seq, tick, view=0, kind=0, values=(heading,))


class Followers:
    """A gateway's copy of the shard, and a client in the middle of the world; what they cost."""

    def __init__(self, roaming: Roaming) -> None:
        schema, geometry = roaming.schema, roaming.geometry
        self._roaming = roaming
        self._middle = geometry.cell_of(geometry.width / 2, geometry.height / 2)
        self._seen = geometry.interest_cells(self._middle, 0)
        self.copy = PartTable(schema, geometry)
        self.client = Replica(schema, geometry)
        self.costs_ms: dict[str, list[float]] = defaultdict(list)

    def follow(self, frame: Frame) -> None:
        """Take in what was published."""
        report = Report(names=False)
        self.copy.epoch = frame.epoch
        self._timed(
            "apply",
            lambda: self.copy.apply_frame(
                frame.blob, frame.offsets, frame.tick, frame.step, report, base=frame.base
            ),
        )
        updates = frame.slices(self._seen)
        data = cbor.array_head(len(updates)) + b"".join(updates)
        self._timed("client", lambda: self.client.apply(_snapshot(frame, data)))
        keys = self.copy.parts_in(self._seen)
        self._timed("keyframe", lambda: self.copy.encode(keys, None))

    def true(self) -> bool:
        """Whether copy and client hold what the world does, and no checksum differed."""
        truth = _rows_of_world(self._roaming, None)
        seen = _rows_of_world(self._roaming, self._seen)
        ids, _, fields, course = self.copy.columns(0)
        assert course is not None, "roamers move along courses"
        theirs = _by_id(ids, _places(self._roaming, course, self.copy.step), fields)
        mine = self.client.columns(0)
        picture = _by_id(mine.ids, (mine.x, mine.y), mine.fields)
        equal = _equal(theirs, truth) and _equal(picture, seen)
        return equal and not self.client.mismatches

    def _timed(self, name: str, function: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = function()
        self.costs_ms[name].append((time.perf_counter() - began) * 1000)
        return result


def _snapshot(frame: Frame, data: bytes) -> Snapshot:
    updates: Any = cbor.loads(data)
    group = Group(frame.shard, frame.epoch, 0, frame.tick - frame.step, updates)
    return Snapshot(tick=frame.tick, groups=(group,))


def _rows_of_world(roaming: Roaming, cells: Sequence[int] | None) -> list[Any]:
    """Ids, places and fields of everybody (in `cells`), by id."""
    rows = roaming.world.export(0)
    assert rows.course is not None, "roamers move along courses"
    some = slice(None) if cells is None else np.isin(roaming.cells(), cells)
    places = _places(roaming, np.stack(rows.course), roaming.world.step)
    fields = {name: column[some] for name, column in rows.fields.items()}
    return _by_id(rows.ids[some], [place[some] for place in places], fields)


def _places(roaming: Roaming, course: Any, step: int) -> tuple[Any, Any]:
    """Where courses lead, in their steps."""
    form = roaming.schema.kinds[0].course
    assert form is not None, "roamers move along courses"
    x0, y0, vx, vy, step0 = course
    age = step - step0
    return (
        courses.evaluate(x0, vx, age, form.num, form.den),
        courses.evaluate(y0, vy, age, form.num, form.den),
    )


def _by_id(ids: Any, places: Sequence[Any], fields: dict[str, Any]) -> list[Any]:
    order = np.argsort(ids)
    columns = [ids, *places, *(fields[name] for name in sorted(fields))]
    return [column[order] for column in columns]


def _equal(some: list[Any], others: list[Any]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


@attrs.define
class Changes:
    """How much happens in a tick, so that a run can show that it is the workload it claims."""

    turns: list[float] = attrs.field(factory=list)
    hurt: list[float] = attrs.field(factory=list)
    moves: list[float] = attrs.field(factory=list)
    _before: tuple[Any, ...] | None = None

    def note(self, roaming: Roaming) -> None:
        """Compare with the tick before."""
        rows = roaming.world.export(0)
        assert rows.course is not None, "roamers move along courses"
        vx, vy, hp = rows.course[2].copy(), rows.course[3].copy(), rows.fields["hp"].copy()
        now = (vx, vy, hp, roaming.cells())
        if self._before is not None:
            before = self._before
            turned = (now[0] != before[0]) | (now[1] != before[1])
            self.turns.append(float(turned.mean()))
            self.hurt.append(float((now[2] != before[2]).mean()))
            self.moves.append(float((now[3] != before[3]).mean()))
        self._before = now


def measure(
    entities: int,
    *,
    ticks: int,
    warm_ticks: int = WARM_TICKS,
    players: int = 0,
    thrust: bool = False,
) -> dict[str, Any]:
    """One size: medians and minima by phase in ms, what happened, and whether all copies agree."""
    roaming = Roaming(entities, players=players, thrust=thrust)
    followers, changes = Followers(roaming), Changes()
    watch = Stopwatch(PHASES | {"total": [(Shard, "tick")]})
    laps: list[dict[str, float]] = []
    sizes: list[int] = []
    inputs: list[int] = []
    gc.collect()
    with watch.running(), few_collections():  # as the server's process has it
        for tick in range(warm_ticks + ticks):
            frame = roaming.tick()
            lap = watch.lap()
            roaming.steer()
            followers.follow(frame)
            changes.note(roaming)
            if tick >= warm_ticks:
                laps.append(lap | {"rest": _rest(lap)})
                sizes.append(len(frame.blob))
                inputs.append(len(frame.sessions))  # nothing else changes that often
            watch.lap()
    total = statistics.median(lap["total"] for lap in laps)
    costs = {
        name: [f(lap[name] for lap in laps) for f in (statistics.median, min)]
        for name in ("total", *PHASES, "rest")
    }
    budget = BUDGETS_MS.get(entities)
    return {
        "entities": len(roaming.world.owned_ids()),
        "players": len(roaming.shard.sessions),
        "inputs": statistics.median(inputs),
        "ticks": ticks,
        **{f"{name}_ms": round(median, 3) for name, (median, _) in costs.items()},
        **{f"{name}_ms_min": round(least, 3) for name, (_, least) in costs.items()},
        "ns_per_entity": round(total * 1e6 / entities, 1),
        "budget_ms": budget,
        "within_budget": None if budget is None else total <= budget,
        "frame_bytes": int(statistics.median(sizes)),
        "visible": round(roaming.visible(), 1),
        "turning": _mean(changes.turns),
        "hurt": _mean(changes.hurt),
        "changing_cell": _mean(changes.moves),
        "copy_apply_ms": _settled(followers.costs_ms["apply"], ticks),
        "client_apply_ms": _settled(followers.costs_ms["client"], ticks),
        "keyframe_ms": _settled(followers.costs_ms["keyframe"], ticks),
        **_kept(roaming.world),
        "valid": followers.true(),
    }


def _rest(lap: dict[str, float]) -> float:
    return lap["total"] - sum(lap[name] for name in PHASES if name != "rules")


def _mean(shares: Sequence[float]) -> float:
    return round(statistics.fmean(shares), 4)


def _settled(costs_ms: Sequence[float], ticks: int) -> float:
    return round(statistics.median(costs_ms[-ticks:]), 3)


def _kept(world: World) -> dict[str, Any]:
    """What it costs to keep the world: its checksum, and its checkpoint."""
    began = time.perf_counter()
    world.checksum()
    summed = time.perf_counter()
    size = len(world.checkpoint())
    ended = time.perf_counter()
    return {
        "checksum_ms": round((summed - began) * 1000, 3),
        "checkpoint_ms": round((ended - summed) * 1000, 3),
        "checkpoint_bytes": size,
    }


def with_growth(run: dict[str, Any], former: dict[str, Any] | None) -> dict[str, Any]:
    """How much more an entity costs than at the size before: 1 is linear, below 1 is better."""
    growth = None if former is None else round(run["ns_per_entity"] / former["ns_per_entity"], 3)
    return run | {"growth": growth}


_HEAD = ("entities", "total", *PHASES, "rest", "ns/entity", "growth", "frame KB", "valid")


def _row(run: dict[str, Any]) -> list[str]:
    return [
        f"{run['entities']:,}",
        *(f"{run[f'{name}_ms']:.2f}" for name in ("total", *PHASES, "rest")),
        f"{run['ns_per_entity']:.0f}",
        "" if run["growth"] is None else f"{run['growth']:.2f}",
        f"{run['frame_bytes'] / 1000:.1f}",
        "yes" if run["valid"] else "NO",
    ]


def _show(cells: Sequence[str]) -> None:
    print("".join(f"{cell:>10}" for cell in cells), flush=True)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="What a tick of a shard costs, by size.")
    parser.add_argument("--entities", default="1000,10000,100000", help="sizes, with commas")
    parser.add_argument("--ticks", type=int, default=40, help="measured, after the warm ones")
    parser.add_argument("--players", type=int, default=0, help="how many have a session")
    parser.add_argument("--thrust", action="store_true", help="move by the built-in thrust")
    parser.add_argument("--json", action="store_true", help="one JSON line per size")
    options = parser.parse_args()
    about = machine.describe()
    print(json.dumps({"machine": about}) if options.json else " · ".join(map(str, about.values())))
    if not options.json:
        print("medians in ms per tick; growth: cost of an entity relative to the size before")
        _show(_HEAD)
    former, valid = None, True
    for size in map(int, options.entities.split(",")):
        run = measure(size, ticks=options.ticks, players=options.players, thrust=options.thrust)
        former = with_growth(run, former)
        valid = valid and former["valid"]
        if options.json:
            print(json.dumps(former), flush=True)
        else:
            _show(_row(former))
    sys.exit(0 if valid else 1)


if __name__ == "__main__":
    main()
