"""`shoal demo`: a living world in one command.

The server runs in this process, or with `--nodes` in many (`server.fleet`); the bots run in one of
their own, as any other clients over real WebSockets. A browser gets a page, which is opened where
there is a display. On a terminal another process draws the live map; without one, a line a second
says how it goes; with `--json` there is only one line at the end, of measurements.

The client package is started, never imported.
"""

import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import structlog
import trio

from server.browser import has_display, open_in_browser
from server.cluster.nats.settings import EngineSettings
from server.crowd import BOTS_ACTION, Crowd
from server.games import load_game
from server.net.pages import Pages, PagesError
from server.observe.census import WorldCensus
from server.observe.logs import configure_logs
from server.page import load_pages
from server.process import Process, run_process
from server.settings import Settings
from sim import Game

if TYPE_CHECKING:
    from server.fleet.fleet import FleetPlan  # needs an extra, which is not always there

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


class _Stage(Protocol):
    """A world that runs, in one process or in many."""

    @property
    def urls(self) -> Sequence[str]:
        """Where clients connect."""

    @property
    def page_url(self) -> str | None:
        """For browsers, None if there is no page."""

    def progress(self, bots: dict[str, Any]) -> str:
        """How it goes, in a line; `bots` is what they said last."""

    async def finish(self, bots: dict[str, Any], wanted: int) -> dict[str, Any]:
        """End it, and say how it went; `wanted` bots should have been there at the end."""


_RunStage = Callable[..., Awaitable[object]]  # with `task_status`, which gets the stage


def run_demo(
    game_name: str,
    settings: Settings,
    *,
    bots: int,
    bots_max: int,
    seconds: float | None,
    json_line: bool,
    open_page: bool,
    fleet: "FleetPlan | None" = None,
    engine: EngineSettings | None = None,
    chaos_seed: int | None = None,
) -> None:
    """Run the demo until its time is up or Ctrl-C; in one process unless a `fleet` is planned.

    With a `chaos_seed`, its members are struck.

    Error handling: raises GameNotFoundError, SettingsError, ListenError and PagesError as `shoal
    serve` does, and what `run_fleet` raises; but without an installed page it runs, if nobody has
    asked for one.
    """
    show_map = not json_line and sys.stdout.isatty()
    # A map is drawn on the whole terminal, and a measurement wants standard error quiet.
    level = "error" if show_map or json_line else settings.log_level
    configure_logs(level, settings.log_format)
    game = load_game(game_name)
    settings = attrs.evolve(settings, reveal=True)
    plan = _Plan(
        bots=bots,
        bots_max=bots_max,
        seconds=seconds,
        json_line=json_line,
        show_map=show_map,
        open_page=open_page and not json_line and has_display(),
    )
    crowd = Crowd(plan.bots, plan.bots_max)
    pages = _pages(settings, crowd)
    stage: _RunStage
    if fleet is None:
        stage = partial(_run_here, game, settings, pages)
    else:
        from server.fleet.stage import run_fleet_stage  # noqa: PLC0415 - needs an extra

        settings = attrs.evolve(settings, page=pages is not None)
        stage = partial(
            run_fleet_stage,
            game,
            settings,
            engine or EngineSettings(),
            fleet,
            chaos_seed=chaos_seed,
            seconds=seconds or float("inf"),
        )
    result = trio.run(_demo, stage, plan, crowd)
    if result:
        print(json.dumps(result) if plan.json_line else _sentence(result))


async def _demo(run_stage: _RunStage, plan: _Plan, crowd: Crowd) -> dict[str, Any]:
    """How it went; nothing if it was ended at once."""
    asked = trio.Event()
    result: dict[str, Any] = {}
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_hear, signals, asked, nursery.cancel_scope)
            stage: _Stage = await nursery.start(run_stage)
            await _Demo(stage, plan, crowd).run(asked)
            result = await stage.finish(crowd.numbers, crowd.count)
            nursery.cancel_scope.cancel()
    return result


async def _hear(
    signals: AsyncIterator[int], asked: trio.Event, everything: trio.CancelScope
) -> None:
    """The first signal ends the demo in order, the second at once."""
    async for _ in signals:
        if asked.is_set():
            everything.cancel()
        asked.set()


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
    """One run: the bots, and what shows it."""

    def __init__(self, stage: _Stage, plan: _Plan, crowd: Crowd) -> None:
        self._stage = stage
        self._plan = plan
        self._crowd = crowd

    async def run(self, asked: trio.Event) -> None:
        """Play until the time is up, somebody asks for the end or the map is closed."""
        stage = self._stage
        with trio.move_on_after(self._plan.seconds or float("inf")):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._crowd.run, stage.urls)
                nursery.start_soon(self._show, nursery.cancel_scope)
                if stage.page_url is not None and self._plan.open_page:
                    nursery.start_soon(open_in_browser, stage.page_url)
                await asked.wait()
                nursery.cancel_scope.cancel()

    async def _show(self, everything: trio.CancelScope) -> None:
        page, urls = self._stage.page_url, self._stage.urls
        if page is not None and not self._plan.json_line:
            print(f"Play in a browser: {page}", flush=True)
        if self._plan.show_map:
            command = [sys.executable, "-m", "client_demo", "watch"]
            for url in urls:
                command += ["--url", url]
            command += ["--page", page] if page else []
            await trio.run_process(command, check=False, stdin=None)  # its keys are ours
            everything.cancel()
        elif not self._plan.json_line:
            print(f"Watch it live: shoal watch --url {urls[0]}", flush=True)
            while True:
                await trio.sleep(1)
                print(self._stage.progress(self._crowd.numbers), flush=True)


# --- the world in this very process --------------------------------------------------------------


async def _run_here(
    game: Game,
    settings: Settings,
    pages: Pages | None,
    *,
    task_status: trio.TaskStatus[_Stage],
) -> None:
    census = WorldCensus()
    process: Process | None = None

    def on_tick(_: int) -> None:
        if process is not None:
            census.check(process.node.shards.values())

    async with trio.open_nursery() as nursery:
        process = await nursery.start(
            partial(run_process, game, settings, counting=True, on_tick=on_tick, pages=pages)
        )
        assert process is not None
        task_status.started(_Here(process, census))


@attrs.frozen
class _Here:
    """A world in this process; a census sees all of its shards after each tick."""

    process: Process
    census: WorldCensus

    @property
    def urls(self) -> Sequence[str]:
        """Where clients connect."""
        return [self.process.url]

    @property
    def page_url(self) -> str | None:
        """For browsers, None if there is no page."""
        return self.process.page_url

    def progress(self, bots: dict[str, Any]) -> str:
        """How it goes, in a line."""
        node = self.process.node
        alive = sum(len(shard.world.owned_ids()) for shard in node.shards.values())
        intervals = self.process.intervals.statistics()
        crossings = sum(shard.statistics().crossings for shard in node.shards.values())
        return (
            f"tick {node.tick}  every {intervals.p50_ms:.1f} ms (p99 {intervals.p99_ms:.1f})"
            f"  entities {alive}  bots {bots.get('connected', 0)}"
            f"  crossings {crossings}"
            f"  bytes/bot/s {bots.get('bytes_per_client_s', 0)}"
        )

    async def finish(self, bots: dict[str, Any], wanted: int) -> dict[str, Any]:  # noqa: ARG002
        """Measure and end."""
        node = self.process.node
        tally = self.census.close(node.shards.values())
        intervals = self.process.intervals.statistics()
        result = {
            "ticks": node.tick,
            "tick_interval_ms_p50": round(intervals.p50_ms, 2),
            "tick_interval_ms_p99": round(intervals.p99_ms, 2),
            "clients": bots.get("clients", 0),
            "crossings": tally.crossings,
            "entities_created": tally.created,
            "entities_destroyed": tally.destroyed,
            "entities_alive": tally.alive,
            "entities_lost": len(tally.lost),
            "entities_duplicated": len(tally.duplicated),
            "bytes_per_client_s": bots.get("bytes_per_client_s", 0),
            "replica_checks": bots.get("replica_checks", 0),
            "replica_mismatches": bots.get("replica_mismatches", 0),
            "disconnects": bots.get("disconnects", 0),
        }
        await self.process.shut_down("the demo is over")
        return result


def _sentence(result: dict[str, Any]) -> str:
    pace = (
        f", {result['tick_interval_ms_p50']} ms apart"
        f" (99th percentile {result['tick_interval_ms_p99']})"
        if "tick_interval_ms_p50" in result
        else f"; {result['kills']} kills, {result['takeovers']} takeovers"
        f" ({result['takeover_s_max'] or 0} s at most), {result['migrations']} migrations"
    )
    return (
        f"{result['ticks']} ticks{pace};"
        f" {result['clients']} bots at {result['bytes_per_client_s']} bytes a second each;"
        f" {result['crossings']} border crossings, {result['entities_lost']} entities lost,"
        f" {result['entities_duplicated']} doubled;"
        f" {result['replica_checks']} replica checks, {result['replica_mismatches']} mismatches;"
        f" {result['disconnects']} disconnects."
    )
