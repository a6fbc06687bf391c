"""A moving crowd, with and without splits and migrations.

Two nodes, a gateway and a private nats-server run as processes of their own; 500 bots join, gather
in one corner of the world for 35 seconds, then in the opposite one. The step of a shard costs what
its crowd costs, all pairs of it, and that is set before so that a single core cannot hold everybody
in one shard. Once the coordinator may cut shards that take a third of a core, and move them, once
neither happens. The bots yield to the servers, with which they share the machine (nice 5).

`tick_ms` is the time between two frames of a player's shard, over all players and all ticks of both
corners, the walks there among them; `dilation` is the slowest speed that was announced, in permille
of full speed. At the end all processes stop and every entity is counted in the journals.

    python -m benchmarks.crowd [--bots 500] [--json]

It exits with 1 when an entity is lost or doubled, or a bot was lost.
"""

import argparse
import json
import os
import sys
import time
from functools import partial
from typing import Any, Final

import numpy as np
import trio

from benchmarks import machine
from benchmarks.cluster import WORLD, Cluster, EngineMissingError
from benchmarks.crowd import ROUNDS
from benchmarks.crowd.ticks import Cuts, Ticks
from benchmarks.crowd.timeline import Timeline, told
from benchmarks.interest.children import Child, ChildFailedError, core_busy_s, python
from benchmarks.interest.rules import TICK_INTERVAL_MS_MAX
from benchmarks.migration.mover import Mover
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.nats.engine import Engine, open_engine
from server.cluster.nats.settings import EngineSettings
from server.fleet.audit import audit
from server.making import ShardMaker, cut_world
from server.placement.reconciler import Listener
from server.settings import Settings
from sim import Game

GAME: Final = "benchmarks.crowd.world:game"
SHARDS: Final = "2x2"
HOMES: Final = {0: "a", 1: "b", 2: "a", 3: "b"}
STEP_MS: Final = 60.0  # of everybody in one shard: more than a tick has
PATIENCE_S: Final = 90.0
INPUT_HZ: Final = 2.0
BUDGET: Final = "0.35"  # of a core: of two nodes on two cores, which others use, too
BOTS_NICE: Final = 5  # players bring machines of their own, and do not take the servers' time
SAMPLE: Final = 20
WATCH_S: Final = 0.02

RUNS: Final = ("with", "without")

Figures = dict[str, Any]


def calibrated(bots: int) -> tuple[int, float]:
    """How many rounds make a step of everybody cost `STEP_MS`, and what one round costs, in ms."""
    from benchmarks.crowd.world import CORNER, press  # noqa: PLC0415 - the environment is not set

    chance = np.random.default_rng(1)
    x, y = chance.uniform(0, CORNER, (2, bots))
    costs = []
    for _ in range(8):  # the first ones are slow
        began = time.thread_time()
        press(x, y, SAMPLE)
        costs.append((time.thread_time() - began) * 1000 / SAMPLE)
    cost = min(costs)
    return max(1, round(STEP_MS / cost)), cost


async def measure(bots: int, *, splits: bool) -> Figures:
    """One crowd in both corners."""
    from benchmarks.crowd.world import game  # noqa: PLC0415 - as the children load it

    with Cluster.running(GAME, SHARDS) as cluster:
        settings = EngineSettings(urls=(cluster.engine_url,))
        async with (
            open_engine(settings, WORLD, name="eyes") as engine,
            trio.open_nursery() as nursery,
        ):
            if not splits:
                await nursery.start(partial(Mover(game, SHARDS, engine).run, HOMES, watch=False))
            figures = await _play(cluster, engine, game, bots)
            nursery.cancel_scope.cancel()
    return figures


async def _play(cluster: Cluster, engine: Engine, game: Game, bots: int) -> Figures:
    from benchmarks.crowd.world import CORNERS, HZ, window  # noqa: PLC0415 - as above

    timeline = Timeline(HZ, TICK_INTERVAL_MS_MAX)
    ticks, cuts = Ticks(timeline), Cuts(timeline)
    async with trio.open_nursery() as nursery:
        listener = Listener(engine.bus, WORLD)
        nursery.start_soon(listener.run)
        nursery.start_soon(cuts.run, listener)
        nursery.start_soon(ticks.run, engine.bus)
        nodes = {name: cluster.node(name, "--counting", "--shard-budget", BUDGET) for name in "ab"}
        with trio.fail_after(PATIENCE_S):
            while len(ticks.shards) < len(HOMES):
                _check(nodes)
                await trio.sleep(0.1)
        gateway, port = await trio.to_thread.run_sync(cluster.gateway)
        argv = python(
            "benchmarks.interest.bots",
            dialect="shoal",
            port=port,
            clients=bots,
            input_hz=INPUT_HZ,
        )
        with Child.running(argv, None) as crowd:
            await trio.to_thread.run_sync(crowd.wait_ready, PATIENCE_S)
            os.setpriority(os.PRIO_PROCESS, crowd.pid, BOTS_NICE)
            processes = {**nodes, "gateway": gateway, "engine": cluster.engine, "bots": crowd}
            looking = await nursery.start(_look_on, timeline, ticks, processes)
            while ticks.newest < window(0)[0]:  # noqa: ASYNC110 - remote processes tick
                await trio.sleep(0.1)
            crowd.tell("start")
            before, began = _cpu(processes), time.monotonic()
            corners = []
            for corner in range(len(CORNERS)):
                begins, ends = window(corner)
                while ticks.newest < ends:
                    _check(nodes)
                    await trio.sleep(0.1)
                settled = (begins + ends) // 2  # the walk there is over
                corners.append(
                    {
                        "tick_ms": _percentiles(ticks.within(begins, ends)),
                        "settled_tick_ms": _percentiles(ticks.within(settled, ends)),
                        "players_by_shard": _crowded(ticks),
                    }
                )
            passed, after = time.monotonic() - began, _cpu(processes)
            heard = await trio.to_thread.run_sync(crowd.ask, "stop")
            looking.cancel()
        for child in (gateway, *nodes.values()):
            await trio.to_thread.run_sync(child.end)
        nursery.cancel_scope.cancel()
    counted = await audit(_maker(game), engine.journal)
    first, last = window(0)[0], window(len(CORNERS) - 1)[1]
    return {
        "tick_ms": _percentiles(ticks.within(first, last)),
        "corners": corners,
        "dilation": ticks.slowest,
        "splits": cuts.splits,
        "merges": cuts.merges,
        "migrations": cuts.migrations,
        "leaves_most": cuts.most,
        "snapshots_per_client_s": heard["messages_per_client_s"],
        "cpu": {name: round((after[name] - before[name]) / passed, 2) for name in processes},
        "bots_lost": heard["lost"],
        "players": ticks.players,
        "crossings": counted.crossings,
        "entities": counted.alive + counted.in_transit,
        "entities_lost": len(counted.lost),
        "entities_doubled": len(counted.duplicated),
        "timeline": told(timeline, first // HZ, last // HZ),
    }


async def _look_on(
    timeline: Timeline,
    ticks: Ticks,
    processes: dict[str, Child],
    *,
    task_status: trio.TaskStatus[trio.CancelScope],
) -> None:
    """Note once a second what each process took, and how late this one is itself."""
    with trio.CancelScope() as scope:
        task_status.started(scope)
        await _note_seconds(timeline, ticks, processes)


async def _note_seconds(timeline: Timeline, ticks: Ticks, processes: dict[str, Child]) -> None:
    second, before, began = timeline.present, _busy(processes), trio.current_time()
    while True:
        due = trio.current_time() + WATCH_S
        await trio.sleep_until(due)
        now = trio.current_time()
        second.watcher_late_s = max(second.watcher_late_s, now - due)
        if timeline.present is second:
            continue
        after, passed = _busy(processes), now - began
        second.cores = {name: (after[name] - before[name]) / passed for name in after}
        second.players = dict(ticks.shards)
        second, before, began = timeline.present, after, now


def _maker(game: Game) -> ShardMaker:
    settings = Settings(world=WORLD, shards=SHARDS)
    schema = Schema.from_data(game.describe())
    return ShardMaker(
        game=game,
        schema=schema,
        geometry=cut_world(schema, settings),
        bus=MemoryBus(),
        settings=settings,
        kept=True,
        counting=True,
    )


def _check(nodes: dict[str, Child]) -> None:
    for name, child in nodes.items():
        if not child.alive:
            raise ChildFailedError(child.last_words(f"({name}) ended"))


def _cpu(processes: dict[str, Child]) -> dict[str, float]:
    return {name: sum(child.cpu_s()) for name, child in processes.items()}


def _busy(processes: dict[str, Child]) -> dict[str, float]:
    """CPU seconds of each process, of this one, and of all others on this machine."""
    ours = {**_cpu(processes), "eyes": time.process_time()}
    everybody = sum(core_busy_s(core) for core in range(os.cpu_count() or 1))
    return {**ours, "others": everybody - sum(ours.values())}


def _crowded(ticks: Ticks) -> dict[str, int]:
    return {str(shard): count for shard, count in sorted(ticks.shards.items()) if count}


def _percentiles(values: Any) -> dict[str, float]:
    if not len(values):
        return {}
    return {f"p{each}": round(float(np.percentile(values, each)), 1) for each in (50, 99, 100)}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.crowd",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bots", type=int, default=500)
    parser.add_argument("--only", choices=["with", "without"], help="one of both runs")
    parser.add_argument("--json", action="store_true", help="one JSON line")
    options = parser.parse_args()
    rounds, round_ms = calibrated(options.bots)
    os.environ[ROUNDS] = str(rounds)
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a core each is all that nodes get
    sys.modules.pop("benchmarks.crowd.world", None)  # it was read without the variable
    result: Figures = {
        "machine": machine.describe(),
        "bots": options.bots,
        "step_of_all_ms": round(rounds * round_ms, 1),
    }
    try:
        for name, splits in (("with", True), ("without", False)):
            if options.only in (None, name):
                result[name] = trio.run(partial(measure, options.bots, splits=splits))
    except (EngineMissingError, ChildFailedError) as error:
        sys.exit(str(error))
    if "with" in result:
        result["held"] = result["with"]["tick_ms"]["p99"] < TICK_INTERVAL_MS_MAX
    print(json.dumps(result) if options.json else _told(result))
    wrong = ("entities_lost", "entities_doubled", "bots_lost")
    if any(result[run][what] for run in RUNS if run in result for what in wrong):
        sys.exit("somebody was lost or doubled")


def _told(result: Figures) -> str:
    lines = [f"{name:28} {value}" for name, value in result.items() if name not in RUNS]
    for run in RUNS:
        if run in result:
            figures = dict(result[run])
            timeline = figures.pop("timeline")
            lines += ["", f"{run} splits and migrations"]
            lines += [f"  {name.replace('_', ' '):26} {value}" for name, value in figures.items()]
            lines += ["", timeline]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
