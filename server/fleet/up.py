"""`shoal up`: a world in many processes on one machine, in one command.

On a terminal their state is shown live, elsewhere in a line a second. Ctrl-C stops everything in
order, a second one at once.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import attrs
import trio
from rich.console import Console
from rich.live import Live

from server.cluster.nats.engine import Engine, open_engine
from server.cluster.nats.settings import EngineSettings
from server.fleet.fleet import Fleet, FleetPlan, run_fleet
from server.fleet.sight import Sight
from server.fleet.view import Picture
from server.games import load_game
from server.observe.logs import configure_logs
from server.placement.reconciler import Listener
from server.settings import Settings
from server.signals import run_until_signalled

__all__ = ["run_up", "sighted"]

PICTURES_PER_S: Final = 4
HINT: Final = "Ctrl-C stops it in order, twice at once"
STOPPING: Final = "stopping: gateways, then nodes, then the engine; Ctrl-C ends it at once"


def run_up(settings: Settings, engine_settings: EngineSettings, plan: FleetPlan) -> None:
    """Run a fleet until Ctrl-C.

    Error handling: as `run_fleet`, GameNotFoundError, and EngineError where an engine was named
    that is not there.
    """
    live = sys.stdout.isatty()
    configure_logs("error" if live else settings.log_level, settings.log_format)
    load_game(plan.game)  # a mistake is told once, not by each process
    trio.run(run_until_signalled, partial(_up, settings, engine_settings, plan, live=live))


@asynccontextmanager
async def sighted(fleet: Fleet) -> AsyncIterator[tuple[Engine, Sight]]:
    """A link to the fleet's engine, and what is seen of the world over it."""
    world = fleet.settings.world
    async with (
        open_engine(fleet.engine_settings, world, name="up") as engine,
        trio.open_nursery() as nursery,
    ):
        sight = Sight(Listener(engine.bus, world))
        nursery.start_soon(sight.run, engine.bus, world)
        yield engine, sight
        nursery.cancel_scope.cancel()


@attrs.define(eq=False)
class _Up:
    """What is stopped when somebody asks."""

    fleet: Fleet
    asked: trio.Event = attrs.field(factory=trio.Event)

    @property
    def note(self) -> str:
        """What a person should know now."""
        return STOPPING if self.asked.is_set() else HINT

    async def shut_down(self, reason: str) -> None:  # noqa: ARG002 - clients hear the gateways' own
        """Have the fleet stopped in order, and wait until it is."""
        self.asked.set()
        await self.fleet.wait_ended()


async def _up(
    settings: Settings,
    engine_settings: EngineSettings,
    plan: FleetPlan,
    *,
    live: bool,
    task_status: trio.TaskStatus[_Up],
) -> None:
    async with trio.open_nursery() as nursery:
        fleet = await nursery.start(partial(run_fleet, plan, settings, engine_settings))
        up = _Up(fleet)
        task_status.started(up)
        async with sighted(fleet) as (_, sight):
            picture = Picture(fleet, sight, settings.world)
            nursery.start_soon(_paint if live else _print, picture, up)
            await up.asked.wait()
            await fleet.stop_roles()
        await fleet.stop_engine()
        nursery.cancel_scope.cancel()


async def _paint(picture: Picture, up: _Up) -> None:
    with Live(picture.table(up.note), console=Console(), auto_refresh=False) as live:
        while True:
            live.update(picture.table(up.note), refresh=True)
            await trio.sleep(1 / PICTURES_PER_S)


async def _print(picture: Picture, up: _Up) -> None:
    while True:
        print(picture.line() + ("  stopping" if up.asked.is_set() else ""), flush=True)
        await trio.sleep(1)
