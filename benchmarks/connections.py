"""What a connection costs a server that does nothing else: memory while idle, and its handshake.

The server is a process of its own on one core, the very one that `shoal serve` runs, with the game
of the interest workload and nobody in it. On the other core this process holds raw sockets.

- idle: resident memory for each client that has joined, reads and acknowledges, and for each link
  that was opened and has said nothing yet; the difference of the server's memory by their number.
  A client that joined has an entity among about 60 in view, so that its snapshots are real.
- handshakes: TCP, WebSocket upgrade, hello, welcome, goodbye, many at a time; and the server's CPU
  time for each, less what it uses when nobody calls.

    python -m benchmarks.connections [--idle 1000] [--handshakes 2000] [--json]
"""

import argparse
import json
import statistics
import sys
import time
from typing import Any, Final

from benchmarks import machine
from benchmarks.callers import Callers, CallFailedError
from benchmarks.interest import rules
from benchmarks.interest.children import Child, ChildFailedError, pin, python

__all__ = ["measure_handshakes", "measure_idle"]

IDLE_KB_MAX: Final = 40.0
HANDSHAKES_PER_S_MIN: Final = 500.0

_SERVER_CORE, _OUR_CORE = 0, 1
_WARMUP: Final = 64  # callers before anything is measured: modules, caches, memory arenas
_AT_ONCE: Final = 256  # a welcome waits for a tick or two, so many must be under way


def _server(clients: int) -> list[str]:
    side = rules.world_side(clients)
    return python("benchmarks.interest.server", roamers=0, side=side)


def measure_idle(clients: int, *, settle_s: float) -> dict[str, Any]:
    """Kilobytes of the server's memory for each client that is joined, and for each mere link."""
    with Child.running(_server(clients), _SERVER_CORE) as child:
        callers = Callers(child.wait_ready()["port"])
        callers.join(_WARMUP, at_once=_WARMUP)
        callers.stay(settle_s)
        before = child.rss_mb()
        callers.join(clients, at_once=_AT_ONCE)
        callers.stay(2 * settle_s)
        joined = child.rss_mb() - before
        callers.hang_up()
    with Child.running(_server(clients), _SERVER_CORE) as child:
        callers = Callers(child.wait_ready()["port"])
        callers.upgrade(_WARMUP)
        before = child.rss_mb()
        callers.upgrade(clients)
        linked = child.rss_mb() - before
        callers.hang_up()
    joined_kb, linked_kb = (round(each * 1024 / clients, 1) for each in (joined, linked))
    return {
        "idle": clients,
        "joined_kb": joined_kb,
        "linked_kb": linked_kb,
        "budget_kb": IDLE_KB_MAX,
        "within_budget": joined_kb <= IDLE_KB_MAX,
    }


def measure_handshakes(count: int, *, settle_s: float) -> dict[str, Any]:
    """How many handshakes a second the server does, and its CPU time for each."""
    with Child.running(_server(_AT_ONCE), _SERVER_CORE) as child:
        callers = Callers(child.wait_ready()["port"])
        callers.visit(_WARMUP, at_once=_WARMUP)
        began, cpu = time.perf_counter(), sum(child.cpu_s())
        time.sleep(settle_s)
        idle_share = (sum(child.cpu_s()) - cpu) / (time.perf_counter() - began)
        began, cpu = time.perf_counter(), sum(child.cpu_s())
        took = callers.visit(count, at_once=_AT_ONCE)
        seconds = time.perf_counter() - began
        spent = sum(child.cpu_s()) - cpu
    per_s = count / seconds
    return {
        "handshakes": count,
        "per_s": round(per_s, 1),
        "server_cpu_ms": round((spent - idle_share * seconds) * 1000 / count, 3),
        "server_load": round(spent / seconds, 3),
        "took_ms_p50": round(statistics.median(took) * 1000, 1),
        "took_ms_p99": round(statistics.quantiles(took, n=100)[98] * 1000, 1),
        "least_per_s": HANDSHAKES_PER_S_MIN,
        "within_budget": per_s >= HANDSHAKES_PER_S_MIN,
    }


def _show(idle: dict[str, Any], handshakes: dict[str, Any]) -> None:
    verdicts = {True: "within the budget", False: "OVER THE BUDGET"}
    print(
        f"{idle['idle']} idle clients: {idle['joined_kb']:.1f} KB each "
        f"({verdicts[idle['within_budget']]} of {IDLE_KB_MAX:g}); "
        f"{idle['linked_kb']:.1f} KB for a link that has not joined"
    )
    print(
        f"{handshakes['handshakes']} handshakes: {handshakes['per_s']:.0f} a second "
        f"({verdicts[handshakes['within_budget']]}: at least {HANDSHAKES_PER_S_MIN:g}), "
        f"{handshakes['server_cpu_ms']:.2f} ms of the server's CPU each, "
        f"{handshakes['took_ms_p50']:.0f} ms from dialling to the welcome "
        f"(99th percentile {handshakes['took_ms_p99']:.0f})"
    )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="Memory of an idle connection, and handshakes.")
    parser.add_argument("--idle", type=int, default=1000, help="clients that stay")
    parser.add_argument("--handshakes", type=int, default=2000)
    parser.add_argument("--settle", type=float, default=2.0, help="seconds before each reading")
    parser.add_argument("--json", action="store_true", help="JSON lines")
    options = parser.parse_args()
    about = machine.describe()
    print(json.dumps({"machine": about}) if options.json else " · ".join(map(str, about.values())))
    pin(_OUR_CORE)
    try:
        idle = measure_idle(options.idle, settle_s=options.settle)
        handshakes = measure_handshakes(options.handshakes, settle_s=options.settle)
    except (CallFailedError, ChildFailedError) as error:
        sys.exit(str(error))
    if options.json:
        print(json.dumps(idle), json.dumps(handshakes), sep="\n")
    else:
        _show(idle, handshakes)


if __name__ == "__main__":
    main()
