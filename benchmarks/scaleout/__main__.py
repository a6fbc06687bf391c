"""What a client costs on one process, and on two nodes, two gateways and an engine.

The world is that of `benchmarks.interest`, cut in two: N players and N roamers, 20 ticks a second,
about 60 entities in view. `single` is `shoal serve`; `cluster` are two `shoal node` with a shard
each, two `shoal gateway` with half of the clients each, and a nats-server, all as processes of
their own. Both run in turn, with the same bots. Nothing is pinned to a core. CPU is read from
outside over a window, as a share of one core.

`busiest_ratio` is the CPU of the one process over that of the busiest of the four (the engine has a
figure of its own), `sum_ratio` that of all five processes over the one.

    python -m benchmarks.scaleout [--clients 1000] [--seconds 10] [--warm 4] [--runs 3]

Each run prints a JSON line, and the whole ends with one more, of medians. A run in which a client
got fewer than 19.5 snapshots a second is told as not held.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

import trio

from benchmarks import machine
from benchmarks.cluster import WORLD, Cluster, EngineMissingError
from benchmarks.interest import rules
from benchmarks.interest.children import Child, ChildFailedError, python
from benchmarks.migration.mover import Mover
from benchmarks.scaleout import ROAMERS
from server.cluster.nats.engine import open_engine
from server.cluster.nats.settings import EngineSettings

GAME: Final = "benchmarks.scaleout.world:game"
SHARDS: Final = "2x1"
HOMES: Final = {0: "a", 1: "b"}
JOIN_S: Final = 180.0
PATIENCE_S: Final = 120.0

Figures = dict[str, Any]


def single(clients: int, seconds: float, warm_s: float) -> Figures:
    """The one process."""
    with Cluster.alone(GAME, SHARDS) as (server, port):
        return _play({"single": server}, [port, port], clients, seconds, warm_s)


async def cluster(clients: int, seconds: float, warm_s: float) -> Figures:
    """Five processes."""
    from benchmarks.scaleout.world import game  # noqa: PLC0415 - the environment is set by now

    with Cluster.running(GAME, SHARDS) as processes:
        settings = EngineSettings(urls=(processes.engine_url,))
        async with (
            open_engine(settings, WORLD, name="mover") as engine,
            trio.open_nursery() as nursery,
        ):
            mover = Mover(game, SHARDS, engine)
            await nursery.start(partial(mover.run, HOMES, watch=False))
            children = {f"node {name}": processes.node(name) for name in HOMES.values()}
            with trio.fail_after(PATIENCE_S):
                while mover.newest is None:
                    _check(children)
                    await trio.sleep(0.05)
            ports = []
            for number in range(2):
                child, port = await trio.to_thread.run_sync(processes.gateway)
                children[f"gateway {number}"] = child
                ports.append(port)
            children["engine"] = processes.engine
            found = await trio.to_thread.run_sync(_play, children, ports, clients, seconds, warm_s)
            nursery.cancel_scope.cancel()
    return found


def _check(children: Mapping[str, Child]) -> None:
    for name, child in children.items():
        if not child.alive:
            raise ChildFailedError(child.last_words(f"({name}) ended"))


def _play(
    children: Mapping[str, Child],
    ports: Sequence[int],
    clients: int,
    seconds: float,
    warm_s: float,
) -> Figures:
    """Have bots play, half of them at each port, and read what that costs."""
    with ExitStack() as stack:
        crowds = []
        for port in ports:
            argv = python(
                "benchmarks.interest.bots", dialect="shoal", port=port, clients=clients // 2
            )
            crowds.append(stack.enter_context(Child.running(argv, None)))
        for bots in crowds:
            bots.wait_ready(JOIN_S)
        time.sleep(warm_s)
        for bots in crowds:
            bots.tell("start")
        before, began = _cpu(children), time.monotonic()
        time.sleep(seconds)
        passed, after = time.monotonic() - began, _cpu(children)
        heard = [bots.ask("stop") for bots in crowds]
    cpu = {name: round((after[name] - before[name]) / passed, 3) for name in children}
    workers = [share for name, share in cpu.items() if name != "engine"]
    snapshots = min(each["messages_per_client_s"] for each in heard)
    return {
        "clients": clients,
        "cpu": cpu,
        "busiest": max(workers),
        "sum": round(sum(cpu.values()), 3),
        "live": sum(each["live"] for each in heard),
        "snapshots_per_client_s": snapshots,
        "bytes_per_client_s": statistics.mean(each["bytes_per_client_s"] for each in heard),
        "rss_mb": {name: round(child.rss_mb(), 1) for name, child in children.items()},
        "held": snapshots >= rules.HZ_MIN and not any(each["lost"] for each in heard),
    }


def _cpu(children: Mapping[str, Child]) -> dict[str, float]:
    return {name: sum(child.cpu_s()) for name, child in children.items()}


def _summary(ones: Sequence[Figures], manys: Sequence[Figures]) -> Figures:
    """Medians, and their ratios."""
    names = manys[0]["cpu"]
    one = statistics.median(each["busiest"] for each in ones)
    busiest = statistics.median(each["busiest"] for each in manys)
    together = statistics.median(each["sum"] for each in manys)
    clients = ones[0]["clients"]
    return {
        "machine": machine.describe(),
        "clients": clients,
        "runs": len(ones),
        "single": one,
        "busiest": busiest,
        "sum": together,
        "cpu": {name: statistics.median(each["cpu"][name] for each in manys) for name in names},
        "us_per_client_s": {
            "single": round(one / clients * 1e6),
            "busiest": round(busiest / clients * 1e6),
            "sum": round(together / clients * 1e6),
        },
        "busiest_ratio": round(one / busiest, 2),
        "sum_ratio": round(together / one, 2),
        "held": all(each["held"] for each in (*ones, *manys)),
    }


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaleout",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each window")
    parser.add_argument("--warm", type=float, default=4.0, help="seconds before each window")
    parser.add_argument("--runs", type=int, default=3, help="of each, in turn")
    options = parser.parse_args()
    os.environ[ROAMERS] = str(options.clients)
    figures = options.clients, options.seconds, options.warm
    ones: list[Figures] = []
    manys: list[Figures] = []
    try:
        for _ in range(options.runs):
            ones.append(single(*figures))
            print(json.dumps({"setup": "single", **ones[-1]}), flush=True)
            manys.append(trio.run(cluster, *figures))
            print(json.dumps({"setup": "cluster", **manys[-1]}), flush=True)
    except (EngineMissingError, ChildFailedError) as error:
        sys.exit(str(error))
    print(json.dumps(_summary(ones, manys)))


if __name__ == "__main__":
    main()
