"""`shoal demo`: a living world in one command.

The server runs in this process, the bots in one of their own, as any other clients over real
WebSockets. On a terminal a third process draws the live map; without one, a line a second says how
it goes; with `--json` there is only one line at the end, of measurements.

The client package is started, never imported.
"""

import json
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from subprocess import PIPE
from typing import Any

import attrs
import structlog
import trio

from server.games import load_game
from server.observe.census import WorldCensus
from server.observe.logs import configure_logs
from server.process import Process, run_process
from server.settings import Settings
from sim import Game

__all__ = ["run_demo"]

_log = structlog.get_logger(__name__)

BOTS_END_S = 5.0  # how long the bots may take to say goodbye


@attrs.frozen(kw_only=True)
class _Plan:
    bots: int
    seconds: float | None
    json_line: bool
    show_map: bool


def run_demo(
    game_name: str, settings: Settings, *, bots: int, seconds: float | None, json_line: bool
) -> None:
    """Run the demo until its time is up or Ctrl-C.

    Error handling: raises GameNotFoundError, SettingsError and ListenError as `shoal serve` does.
    """
    show_map = not json_line and sys.stdout.isatty()
    # A map is drawn on the whole terminal, and a measurement wants standard error quiet.
    level = "error" if show_map or json_line else settings.log_level
    configure_logs(level, settings.log_format)
    game = load_game(game_name)
    plan = _Plan(bots=bots, seconds=seconds, json_line=json_line, show_map=show_map)
    trio.run(_demo, game, attrs.evolve(settings, reveal=True), plan)


async def _demo(game: Game, settings: Settings, plan: _Plan) -> None:
    census = WorldCensus()
    process: Process | None = None

    def on_tick(_: int) -> None:
        if process is not None:
            census.check(process.node.shards.values())

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            process = await nursery.start(
                partial(run_process, game, settings, counting=True, on_tick=on_tick)
            )
            assert process is not None
            demo = _Demo(process, plan, census)
            await demo.run(signals)
            await process.shut_down("the demo is over")
            nursery.cancel_scope.cancel()
    demo.conclude()


class _Demo:
    """One run: the bots, what shows it, and the numbers at the end."""

    def __init__(self, process: Process, plan: _Plan, census: WorldCensus) -> None:
        self._process = process
        self._plan = plan
        self._census = census
        self._bots: dict[str, Any] = {}
        self._result: dict[str, Any] = {}

    async def run(self, signals: AsyncIterator[int]) -> None:
        """Play until the time is up, a signal comes or the map is closed."""
        with trio.move_on_after(self._plan.seconds or float("inf")):
            async with trio.open_nursery() as nursery:
                if self._plan.bots:
                    nursery.start_soon(self._run_bots)
                nursery.start_soon(self._show, nursery.cancel_scope)
                async for _ in signals:
                    break
                nursery.cancel_scope.cancel()
        self._measure()

    def conclude(self) -> None:
        """Say how it went."""
        if self._plan.json_line:
            print(json.dumps(self._result))
        else:
            print(_sentence(self._result))

    # --- processes beside this one ---------------------------------------------------------------

    async def _run_bots(self) -> None:
        command = [sys.executable, "-m", "client_demo", "bots", "--json"]
        command += ["--url", self._process.url, "--count", str(self._plan.bots)]
        async with trio.open_nursery() as nursery:
            bots = await nursery.start(partial(trio.run_process, command, stdout=PIPE))
            await self._read_bots(bots)

    async def _read_bots(self, bots: trio.Process) -> None:
        """Take the bots' numbers as they come; when cancelled, let them leave and say the last."""
        assert bots.stdout is not None
        try:
            await self._take_lines(bots.stdout)
        except trio.Cancelled:
            bots.send_signal(signal.SIGINT)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + BOTS_END_S):
                await self._take_lines(bots.stdout)
                await bots.wait()
            raise

    async def _take_lines(self, stream: trio.abc.ReceiveStream) -> None:
        rest = b""
        async for chunk in stream:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._bots = json.loads(line)

    async def _show(self, everything: trio.CancelScope) -> None:
        if self._plan.show_map:
            command = [sys.executable, "-m", "client_demo", "watch", "--url", self._process.url]
            await trio.run_process(command, check=False, stdin=None)  # its keys are ours
            everything.cancel()
        elif not self._plan.json_line:
            print(f"Watch it live: shoal watch --url {self._process.url}", flush=True)
            while True:
                await trio.sleep(1)
                print(self._progress(), flush=True)

    # --- numbers ---------------------------------------------------------------------------------

    def _progress(self) -> str:
        node = self._process.node
        alive = sum(len(shard.world.owned_ids()) for shard in node.shards.values())
        intervals = self._process.intervals.statistics()
        crossings = sum(shard.statistics().crossings for shard in node.shards.values())
        return (
            f"tick {node.tick}  every {intervals.p50_ms:.1f} ms (p99 {intervals.p99_ms:.1f})"
            f"  entities {alive}  bots {self._bots.get('connected', 0)}"
            f"  crossings {crossings}"
            f"  bytes/bot/s {self._bots.get('bytes_per_client_s', 0)}"
        )

    def _measure(self) -> None:
        process = self._process
        tally = self._census.close(process.node.shards.values())
        intervals = process.intervals.statistics()
        self._result = {
            "ticks": process.node.tick,
            "tick_interval_ms_p50": round(intervals.p50_ms, 2),
            "tick_interval_ms_p99": round(intervals.p99_ms, 2),
            "clients": self._bots.get("clients", 0),
            "crossings": tally.crossings,
            "entities_created": tally.created,
            "entities_destroyed": tally.destroyed,
            "entities_alive": tally.alive,
            "entities_lost": len(tally.lost),
            "entities_duplicated": len(tally.duplicated),
            "bytes_per_client_s": self._bots.get("bytes_per_client_s", 0),
            "replica_checks": self._bots.get("replica_checks", 0),
            "replica_mismatches": self._bots.get("replica_mismatches", 0),
            "disconnects": self._bots.get("disconnects", 0),
        }


def _sentence(result: dict[str, Any]) -> str:
    return (
        f"{result['ticks']} ticks, {result['tick_interval_ms_p50']} ms apart"
        f" (99th percentile {result['tick_interval_ms_p99']});"
        f" {result['clients']} bots at {result['bytes_per_client_s']} bytes a second each;"
        f" {result['crossings']} border crossings, {result['entities_lost']} entities lost,"
        f" {result['entities_duplicated']} doubled;"
        f" {result['replica_checks']} replica checks, {result['replica_mismatches']} mismatches;"
        f" {result['disconnects']} disconnects."
    )
