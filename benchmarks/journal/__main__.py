"""What journalling costs: the same server with its store off and on, in turns.

    python -m benchmarks.journal                       100 players, three windows of each
    python -m benchmarks.journal --seconds 30 --folder DIR
                                                       longer ones, the store on another disk

Players are the demo's bots over WebSocket, in Lanterns cut into 2 x 2 shards. The server has core
0, the bots core 1. Each window prints one JSON line, and the whole ends with one more: medians,
what journalling adds, and whether the promises hold. Exit code 1 if not. On a shared machine
believe the comparison before the figures.

What journalling does in the thread that steps is all counted: building records, digests and
checkpoints within a tick, writing to the file between two. Waiting for the disk is not in that
thread; what the whole process needs more for a tick is told, too. Shares are of a tick of 50 ms, by
the clock on the wall and by that of the thread, which leaves out what other programs had of the
processor meanwhile. Bytes are for 20 ticks a second. The tick interval is that between the starts
of two ticks, as everywhere; that between their ends varies by what a step costs, too, and is told
apart (`end_interval_ms`).
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks import machine
from benchmarks.interest.children import Child, ChildFailedError, python

__all__ = ["main"]

HZ: Final = 20
TICK_MS: Final = 1000 / HZ
SHARE_MAX: Final = 0.10  # of a tick that journalling may take
INTERVAL_MS_MAX: Final = 55.0  # at the 99th percentile
_WARM_S: Final = 5.0
_JOIN_PATIENCE_S: Final = 60.0
_SERVER_CORE, _BOTS_CORE = 0, 1


def main() -> None:
    """Run what the command line asks for."""
    options = _parse()
    try:
        held = _run(options)
    except ChildFailedError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("\ninterrupted")
    sys.exit(0 if held else 1)


def _run(options: argparse.Namespace) -> bool:
    _tell({"machine": machine.describe()})
    off: list[dict[str, Any]] = []
    on: list[dict[str, Any]] = []
    for _ in range(options.runs):
        for store, windows in ((False, off), (True, on)):
            windows.append(_window(options, store=store))
            _tell(windows[-1])
    summary = _summary(off, on)
    _tell(summary)
    return bool(summary["share_held"]) and summary["interval_held"] is not False


def _window(options: argparse.Namespace, *, store: bool) -> dict[str, Any]:
    """One server, its bots, and what happened within some seconds."""
    folder = Path(tempfile.mkdtemp(prefix="shoal-journal-", dir=options.folder))
    server_argv = python(
        "benchmarks.journal.server",
        store=folder / "store" if store else "",
        shards=options.shards,
        checkpoint_every_s=options.checkpoint_every_s,
    )
    try:
        with Child.running(server_argv, _SERVER_CORE) as server:
            port = server.wait_ready()["port"]
            argv = [sys.executable, "-m", "client_demo", "bots", "--json"]
            argv += ["--url", f"ws://127.0.0.1:{port}", "--count", str(options.clients)]
            with Child.running(argv, _BOTS_CORE) as bots:
                _wait_joined(bots, options.clients)
                time.sleep(_WARM_S)
                server.tell("start")
                time.sleep(options.seconds)
                found = server.ask("stop")
                weights = server.ask("weigh")
    finally:
        shutil.rmtree(folder)
    return {"store": store, **found, **weights}


def _wait_joined(bots: Child, clients: int) -> None:
    deadline = time.monotonic() + _JOIN_PATIENCE_S
    while bots.answer()["connected"] < clients:
        if time.monotonic() > deadline:
            raise ChildFailedError(f"not all of {clients} bots have joined")


def _summary(off: list[dict[str, Any]], on: list[dict[str, Any]]) -> dict[str, Any]:
    def middle(windows: list[dict[str, Any]], *path: str) -> float:
        values = []
        for window in windows:
            found: Any = window
            for name in path:
                found = found[name]
            values.append(found)
        return float(statistics.median(values))

    within = middle(on, "phases_ms", "record", "mean")
    between = middle(on, "phases_ms", "append", "mean")
    share = (within + between) / TICK_MS
    cpu = middle(on, "cpu_ms", "record") + middle(on, "cpu_ms", "append")
    cpu_off, cpu_on = middle(off, "cpu_ms_per_tick"), middle(on, "cpu_ms_per_tick")
    p99, p99_off = (middle(windows, "interval_ms", "p99") for windows in (on, off))
    records = middle(on, "record_bytes_per_tick")
    ghosts = middle(on, "ghost_bytes_per_tick")
    return {
        "clients": on[0]["clients"],
        "entities": on[0]["entities"],
        "interval_ms_p50_off": middle(off, "interval_ms", "p50"),
        "interval_ms_p50_on": middle(on, "interval_ms", "p50"),
        "interval_ms_p99_off": p99_off,
        "interval_ms_p99_on": p99,
        "end_interval_ms_p99_off": middle(off, "end_interval_ms", "p99"),
        "end_interval_ms_p99_on": middle(on, "end_interval_ms", "p99"),
        "step_ms_off": middle(off, "phases_ms", "step", "mean"),
        "step_ms_on": middle(on, "phases_ms", "step", "mean"),
        "cpu_ms_per_tick_off": cpu_off,
        "cpu_ms_per_tick_on": cpu_on,
        "cpu_share_of_tick_added": round((cpu_on - cpu_off) / TICK_MS, 4),
        "interval_ms_p99_ratio": round(p99 / p99_off, 3),
        "journal_share_of_tick": round(share, 4),
        "journal_cpu_share_of_tick": round(cpu / TICK_MS, 4),
        "added_cpu_share_of_tick": round((cpu - middle(off, "cpu_ms", "record")) / TICK_MS, 4),
        "within_tick_ms_mean": within,
        "within_tick_ms_p99": middle(on, "phases_ms", "record", "p99"),
        "of_that_encoding_ms": middle(on, "phases_ms", "encode", "mean"),
        "of_that_digests_ms": middle(on, "phases_ms", "digests", "mean"),
        "between_ticks_ms_mean": between,
        "sync_ms_p50": middle(on, "sync_ms", "p50"),
        "sync_ms_p99": middle(on, "sync_ms", "p99"),
        "syncs_per_s": middle(on, "syncs_per_s"),
        "lag_ticks_p50": middle(on, "lag_ticks", "p50"),
        "lag_ticks_p99": middle(on, "lag_ticks", "p99"),
        "lag_ticks_max": max(window["lag_ticks"]["max"] for window in on),
        "journal_bytes_per_s": records * HZ,
        "journal_bytes_per_s_without_ghosts": (records - ghosts) * HZ,
        "checkpoint_bytes": middle(on, "checkpoint_bytes"),
        "checkpoint_ms_p50": middle(on, "checkpoint_ms", "p50"),
        "checkpoint_ms_max": max(window["checkpoint_ms"]["max"] for window in on),
        "share_held": max(cpu, cpu_on - cpu_off) <= SHARE_MAX * TICK_MS,
        # None: the machine is too busy to say, even with the store off.
        "interval_held": p99 < INTERVAL_MS_MAX if p99_off < INTERVAL_MS_MAX else None,
    }


def _tell(result: dict[str, Any]) -> None:
    print(json.dumps(result), flush=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.journal",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--shards", default="2x2", help="how the sea is cut")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each window")
    parser.add_argument("--runs", type=int, default=3, help="windows of each")
    parser.add_argument("--checkpoint-every-s", type=float, default=5.0)
    parser.add_argument("--folder", help="where stores are made; else where temporary files go")
    return parser.parse_args()


if __name__ == "__main__":
    main()
