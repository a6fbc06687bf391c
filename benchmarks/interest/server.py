"""Shoal as the server under test: the very process that `shoal serve` runs, with one shard.

Commands beside `start` and `stop`: `truth SESSION` answers with everybody in that session's
interest as they are after the next tick; `still` has a crowd stand still.

    python -m benchmarks.interest.server --roamers 200 --side 600
"""

import argparse
import resource
import signal
from functools import partial
from typing import Any

import attrs
import numpy as np
import trio

from benchmarks.interest.control import commands, say
from benchmarks.interest.game import Crowd, make_game
from server.process import Process, run_process
from server.settings import Settings
from server.shard.host import Shard

__all__ = ["main"]


@attrs.define
class Window:
    """When ticks ended while somebody measures."""

    open: bool = False
    ends: list[float] = attrs.field(factory=list)
    inputs: int = 0
    composed_s: float = 0.0


class Server:
    """One run of the server."""

    def __init__(self) -> None:
        self._window = Window()
        self._crowd = Crowd()
        self._asked: list[int] = []
        self._process: Process | None = None

    async def run(self, options: argparse.Namespace) -> None:
        """Serve until stdin is closed."""
        game = make_game(
            side=options.side,
            roamers=options.roamers,
            courses=options.mode == "courses",
            crowd=self._crowd if options.crowd else None,
        )
        settings = Settings(
            port=options.port,
            shards="1x1",
            seed=options.seed,
            clients_max=20_000,
            clients_per_address_max=20_000,
            client_bytes_per_s=options.client_bytes_per_s,
            log_level="warning",
        )
        async with trio.open_nursery() as nursery:
            self._process = await nursery.start(
                partial(run_process, game, settings, on_tick=self._ticked)
            )
            say({"ready": True, "port": self._process.gateway.port, "version": "shoal"})
            nursery.start_soon(self._end_on_signal, nursery.cancel_scope)
            async for command in commands():
                self._obey(command)
            nursery.cancel_scope.cancel()

    async def _end_on_signal(self, scope: trio.CancelScope) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                scope.cancel()

    @property
    def _shard(self) -> Shard:
        assert self._process is not None
        return next(iter(self._process.node.shards.values()))

    def _obey(self, command: str) -> None:
        assert self._process is not None
        name, _, argument = command.partition(" ")
        window = self._window
        if name == "start":
            gateway = self._process.gateway.statistics()
            composed_s = self._process.gateway.composed_s
            self._window = Window(open=True, inputs=gateway.inputs, composed_s=composed_s)
        elif name == "stop":
            window.open = False
            say(self._report(window))
        elif name == "truth":
            self._asked.append(int(argument))
        elif name == "still":
            self._crowd.still = True

    def _ticked(self, tick: int) -> None:
        if self._window.open:
            self._window.ends.append(trio.current_time())
        for session in self._asked:
            say(self._truth(tick, session))
        self._asked.clear()

    def _report(self, window: Window) -> dict[str, Any]:
        assert self._process is not None
        gaps = np.diff(window.ends) * 1000 if len(window.ends) > 1 else np.array([0.0])
        gateway = self._process.gateway.statistics()
        node = self._process.node.statistics()
        composed_s = self._process.gateway.composed_s - window.composed_s
        sends = len(window.ends) * gateway.clients
        return {
            "ticks": len(window.ends),
            "hz": round(1000 / float(gaps.mean()), 3) if gaps.any() else 0.0,
            "tick_interval_ms_p50": round(float(np.percentile(gaps, 50)), 2),
            "tick_interval_ms_p99": round(float(np.percentile(gaps, 99)), 2),
            "tick_interval_ms_max": round(float(gaps.max()), 2),
            "clients": gateway.clients,
            "entities": self._shard.statistics().entities,
            "visible": round(self._visible(), 1),
            "inputs": gateway.inputs - window.inputs,
            "gateway_us_per_client_tick": round(1e6 * composed_s / max(1, sends), 2),
            "step_ms": round(node.cost_ms, 3),
            "dilation": node.dilation,
            "late": gateway.late,
            "dropped": gateway.dropped,
            "gaps": gateway.gaps,
        }

    def _visible(self) -> float:
        """How many entities are in a session's interest, on average."""
        shard = self._shard
        geometry = shard.config.geometry
        rows = shard.world.export(0)
        population = np.bincount(geometry.cells_of(rows.x, rows.y), minlength=geometry.cells)
        seen = [
            population[list(geometry.interest_cells(session.centre, session.radius_class))].sum()
            for session in shard.sessions
            if session.centre >= 0
        ]
        return float(np.mean(seen)) if seen else 0.0

    def _truth(self, tick: int, number: int) -> dict[str, Any]:
        """Everybody in the interest of a session, after `tick`, in wire integers."""
        shard = self._shard
        session = next(session for session in shard.sessions if session.id == number)
        geometry = shard.config.geometry
        rows = shard.world.export(0)
        cells = geometry.cells_of(rows.x, rows.y)
        seen = np.isin(cells, geometry.interest_cells(session.centre, session.radius_class))
        columns = [rows.ids, rows.x, rows.y, rows.fields["heading"], rows.fields["hp"]]
        return {"tick": tick, "rows": [column[seen].tolist() for column in columns]}


def main() -> None:
    """Run the server under test."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--roamers", type=int, required=True)
    parser.add_argument("--side", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=("courses", "positions"), default="courses")
    parser.add_argument("--crowd", action="store_true", help="everybody in one cell")
    budget = Settings().client_bytes_per_s
    parser.add_argument("--client-bytes-per-s", type=int, default=budget, help="a client's budget")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    trio.run(Server().run, options)


if __name__ == "__main__":
    main()
