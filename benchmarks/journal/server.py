"""The server under test: what `shoal serve` runs, with clocks around what journalling does.

Commands: `start` begins a window, `stop` ends it and is answered with what happened in it; `weigh`
is answered after some ticks with what records weigh, with ghosts and without.

    python -m benchmarks.journal.server --store DIR
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, Final
from unittest.mock import patch

import attrs
import numpy as np
import trio

from benchmarks.interest.control import commands, say
from benchmarks.stopwatch import Stopwatch
from server.games import load_game
from server.process import Process, run_process
from server.settings import Settings
from server.shard.bookkeeping import Bookkeeper
from server.shard.host import Shard
from server.shard.record import TickRecord
from server.store.disk import FolderDisk
from server.store.log import Log
from sim.engine import TickInput

__all__ = ["main"]

_PHASES: Final[dict[str, list[tuple[type, str]]]] = {
    "step": [(Shard, "tick")],
    "record": [(Bookkeeper, "leave_commit")],  # all of it, digests and checkpoints included
    "digests": [(Bookkeeper, "_digests")],
    "encode": [(TickRecord, "encode"), (TickInput, "to_bytes")],
    "checkpoint": [(Bookkeeper, "checkpoint")],
    "append": [(Log, "append")],  # between ticks, in the same thread
}
_WEIGHED_TICKS: Final = 100


@attrs.define
class Window:
    """What happened while somebody measures. Times in seconds, phases in milliseconds by tick."""

    open: bool = False
    starts: list[float] = attrs.field(factory=list)
    ends: list[float] = attrs.field(factory=list)
    phases: list[dict[str, float]] = attrs.field(factory=list)
    cpu_phases: list[dict[str, float]] = attrs.field(factory=list)
    lags: list[int] = attrs.field(factory=list)
    syncs: list[float] = attrs.field(factory=list)
    written: int = 0
    cpu_s: float = 0.0


@attrs.define
class Scales:
    """Bytes of records, and how many of them are ghosts, of so many ticks to come."""

    ticks: int = 0
    records: int = 0
    ghosts: int = 0


class Server:
    """One run of the server."""

    def __init__(self) -> None:
        self._window = Window()
        self._scales = Scales()
        self._stopwatch = Stopwatch(_PHASES)
        self._cpu_stopwatch = Stopwatch(_PHASES, time.thread_time)
        self._process: Process | None = None

    async def run(self, options: argparse.Namespace) -> None:
        """Serve until stdin is closed."""
        settings = Settings(
            port=0,
            shards=options.shards,
            store=options.store,
            checkpoint_every_s=options.checkpoint_every_s,
            log_level="warning",
        )
        with self._cpu_stopwatch.running(), self._stopwatch.running(), self._watching():
            async with trio.open_nursery() as nursery:
                self._process = await nursery.start(
                    partial(run_process, load_game(options.game), settings, on_tick=self._ticked)
                )
                say({"ready": True, "port": self._process.gateway.port})
                async for command in commands():
                    self._obey(command)
                nursery.cancel_scope.cancel()

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Clocks around syncs, scales under what is written."""
        sync, append = FolderDisk.sync, FolderDisk.append
        to_bytes: Callable[[TickInput], bytes] = TickInput.to_bytes

        @wraps(sync)
        async def timed(disk: FolderDisk, name: str) -> None:
            began = time.perf_counter()
            await sync(disk, name)
            self._window.syncs.append(time.perf_counter() - began)

        @wraps(append)
        def counted(disk: FolderDisk, name: str, data: bytes) -> None:
            self._window.written += len(data)
            append(disk, name, data)

        @wraps(to_bytes)
        def weighed(given: TickInput) -> bytes:
            data = to_bytes(given)
            if self._scales.ticks:
                self._scales.ghosts += len(data) - len(to_bytes(attrs.evolve(given, ghosts=())))
            return data

        with (
            patch.object(FolderDisk, "sync", timed),
            patch.object(FolderDisk, "append", counted),
            patch.object(TickInput, "to_bytes", weighed),
        ):
            yield

    def _obey(self, command: str) -> None:
        window = self._window
        if command == "start":
            self._window = Window(open=True, cpu_s=time.process_time())
        elif command == "stop":
            window.open = False
            say(self._report(window))
        elif command == "weigh":
            self._scales = Scales(_WEIGHED_TICKS)

    def _ticked(self, _: int) -> None:
        assert self._process is not None
        spent, spent_cpu = self._stopwatch.lap(), self._cpu_stopwatch.lap()
        if self._window.open:
            self._window.starts.append(self._process.node.began_s)
            self._window.ends.append(trio.current_time())
            self._window.phases.append(spent)
            self._window.cpu_phases.append(spent_cpu)
            shards = self._process.node.shards.values()
            self._window.lags.append(max(shard.lag_ticks for shard in shards))
        scales = self._scales
        if scales.ticks:
            shards = self._process.node.shards.values()
            scales.records += sum(shard.statistics().record_bytes for shard in shards)
            scales.ticks -= 1
            if not scales.ticks:
                self._say_weights(scales)

    def _say_weights(self, scales: Scales) -> None:
        say(
            {
                "record_bytes_per_tick": round(scales.records / _WEIGHED_TICKS),
                "ghost_bytes_per_tick": round(scales.ghosts / _WEIGHED_TICKS),
            }
        )

    def _report(self, window: Window) -> dict[str, Any]:
        assert self._process is not None
        seconds = window.ends[-1] - window.ends[0]
        statistics = [shard.statistics() for shard in self._process.node.shards.values()]
        spent = {name: np.array([tick[name] for tick in window.phases]) for name in _PHASES}
        cpu = {name: [tick[name] for tick in window.cpu_phases] for name in _PHASES}
        taken = spent["checkpoint"][spent["checkpoint"] > 0]
        return {
            "ticks": len(window.ends),
            "interval_ms": _percentiles(np.diff(window.starts) * 1000),
            "end_interval_ms": _percentiles(np.diff(window.ends) * 1000),
            "cpu_ms_per_tick": round(
                (time.process_time() - window.cpu_s) * 1000 / len(window.ends), 2
            ),
            "clients": self._process.gateway.statistics().clients,
            "entities": sum(each.entities for each in statistics),
            "dilation": self._process.node.statistics().dilation,
            "phases_ms": {name: _percentiles(values) for name, values in spent.items()},
            "cpu_ms": {name: round(float(np.mean(values)), 3) for name, values in cpu.items()},
            "lag_ticks": _percentiles(np.array(window.lags)),
            "sync_ms": _percentiles(np.array(window.syncs) * 1000),
            "syncs_per_s": round(len(window.syncs) / seconds, 1),
            "journal_bytes_per_tick": round(window.written / len(window.ends)),
            "checkpoint_bytes": sum(each.checkpoint_bytes for each in statistics),
            "checkpoint_ms": _percentiles(taken),
        }


def _percentiles(values: Any) -> dict[str, float]:
    if not len(values):
        return {}
    p50, p99 = np.percentile(values, [50, 99])
    found = {"p50": p50, "p99": p99, "max": values.max(), "mean": values.mean()}
    return {name: round(float(value), 3) for name, value in found.items()}


def main() -> None:
    """Run the server under test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--game", default="sim.games.lanterns:game")
    parser.add_argument("--store", default="", help="none: nothing is kept")
    parser.add_argument("--shards", default="2x2")
    parser.add_argument("--checkpoint-every-s", type=float, default=10.0)
    trio.run(Server().run, parser.parse_args())


if __name__ == "__main__":
    main()
