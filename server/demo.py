"""`shoal demo`: a living world in one command.

The server runs in this process, the bots in one of their own, as any other clients over real
WebSockets. A browser gets a page from it, which is opened where there is a display. On a terminal a
third process draws the live map; without one, a line a second says how it goes; with `--json` there
is only one line at the end, of measurements.

The client package is started, never imported.
"""

import json
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import attrs
import structlog
import trio

from server.browser import has_display, open_in_browser
from server.crowd import BOTS_ACTION, Crowd
from server.games import load_game
from server.net.pages import Pages, PagesError
from server.observe.census import WorldCensus
from server.observe.logs import configure_logs
from server.page import load_pages
from server.process import Process, run_process
from server.settings import Settings
from sim import Game

__all__ = ["run_demo"]

_log = structlog.get_logger(__name__)


@attrs.frozen(kw_only=True)
class _Plan:
    bots: int
    bots_max: int
    seconds: float | None
    json_line: bool
    show_map: bool
    open_page: bool


def run_demo(
    game_name: str,
    settings: Settings,
    *,
    bots: int,
    bots_max: int,
    seconds: float | None,
    json_line: bool,
    open_page: bool,
) -> None:
    """Run the demo until its time is up or Ctrl-C.

    Error handling: raises GameNotFoundError, SettingsError, ListenError and PagesError as `shoal
    serve` does; but without an installed page it runs, if nobody has asked for one.
    """
    show_map = not json_line and sys.stdout.isatty()
    # A map is drawn on the whole terminal, and a measurement wants standard error quiet.
    level = "error" if show_map or json_line else settings.log_level
    configure_logs(level, settings.log_format)
    game = load_game(game_name)
    plan = _Plan(
        bots=bots,
        bots_max=bots_max,
        seconds=seconds,
        json_line=json_line,
        show_map=show_map,
        open_page=open_page and not json_line and has_display(),
    )
    trio.run(_demo, game, attrs.evolve(settings, reveal=True), plan)


async def _demo(game: Game, settings: Settings, plan: _Plan) -> None:
    census, crowd = WorldCensus(), Crowd(plan.bots, plan.bots_max)
    pages = _pages(settings, crowd)
    process: Process | None = None

    def on_tick(_: int) -> None:
        if process is not None:
            census.check(process.node.shards.values())

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            process = await nursery.start(
                partial(run_process, game, settings, counting=True, on_tick=on_tick, pages=pages)
            )
            assert process is not None
            demo = _Demo(process, plan, census, crowd)
            await demo.run(signals)
            await process.shut_down("the demo is over")
            nursery.cancel_scope.cancel()
    demo.conclude()


def _pages(settings: Settings, crowd: Crowd) -> Pages | None:
    if settings.page is False:
        return None
    try:
        return load_pages(settings, {BOTS_ACTION: crowd.action})
    except PagesError as error:
        if settings.page:
            raise
        _log.warning("no page is shown", reason=str(error))
        return None


class _Demo:
    """One run: the bots, what shows it, and the numbers at the end."""

    def __init__(self, process: Process, plan: _Plan, census: WorldCensus, crowd: Crowd) -> None:
        self._process = process
        self._plan = plan
        self._census = census
        self._crowd = crowd
        self._result: dict[str, Any] = {}

    async def run(self, signals: AsyncIterator[int]) -> None:
        """Play until the time is up, a signal comes or the map is closed."""
        with trio.move_on_after(self._plan.seconds or float("inf")):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._crowd.run, self._process.url)
                nursery.start_soon(self._show, nursery.cancel_scope)
                if self._process.page_url is not None and self._plan.open_page:
                    nursery.start_soon(open_in_browser, self._process.page_url)
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

    # --- what is seen of it -----------------------------------------------------------------------

    async def _show(self, everything: trio.CancelScope) -> None:
        page = self._process.page_url
        if page is not None and not self._plan.json_line:
            print(f"Play in a browser: {page}", flush=True)
        if self._plan.show_map:
            command = [sys.executable, "-m", "client_demo", "watch", "--url", self._process.url]
            command += ["--page", page] if page else []
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
            f"  entities {alive}  bots {self._crowd.numbers.get('connected', 0)}"
            f"  crossings {crossings}"
            f"  bytes/bot/s {self._crowd.numbers.get('bytes_per_client_s', 0)}"
        )

    def _measure(self) -> None:
        process = self._process
        tally = self._census.close(process.node.shards.values())
        intervals = process.intervals.statistics()
        self._result = {
            "ticks": process.node.tick,
            "tick_interval_ms_p50": round(intervals.p50_ms, 2),
            "tick_interval_ms_p99": round(intervals.p99_ms, 2),
            "clients": self._crowd.numbers.get("clients", 0),
            "crossings": tally.crossings,
            "entities_created": tally.created,
            "entities_destroyed": tally.destroyed,
            "entities_alive": tally.alive,
            "entities_lost": len(tally.lost),
            "entities_duplicated": len(tally.duplicated),
            "bytes_per_client_s": self._crowd.numbers.get("bytes_per_client_s", 0),
            "replica_checks": self._crowd.numbers.get("replica_checks", 0),
            "replica_mismatches": self._crowd.numbers.get("replica_mismatches", 0),
            "disconnects": self._crowd.numbers.get("disconnects", 0),
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
