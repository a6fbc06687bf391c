"""`shoal demo` in many processes: the fleet that it plays on, and what an onlooker measures.

The onlooker hears the bus and reads the journals; it asks no node what it believes.
"""

import random
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import attrs
import numpy as np
import structlog
import trio

from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.nats.engine import Engine
from server.cluster.nats.settings import EngineSettings
from server.fleet.audit import audit
from server.fleet.chaos import Chaos
from server.fleet.fleet import Fleet, FleetPlan, run_fleet
from server.fleet.sight import Sight
from server.fleet.spectator import Spectator
from server.fleet.up import sighted
from server.making import ShardMaker, cut_world
from server.page import page_url
from server.settings import Settings
from server.shard.census import Tally
from sim import Game

__all__ = ["FleetStage", "run_fleet_stage"]

_log = structlog.get_logger(__name__)

READY_S: Final = 60.0  # for every member to run, on a machine that is busy with something else


async def run_fleet_stage(
    game: Game,
    settings: Settings,
    engine_settings: EngineSettings,
    plan: FleetPlan,
    *,
    chaos_seed: int | None,
    seconds: float,
    task_status: trio.TaskStatus["FleetStage"],
) -> None:
    """Run a fleet and look on. With a `chaos_seed` it is struck, and let be before `seconds`."""
    schema = Schema.from_data(game.describe())
    geometry = cut_world(schema, settings)
    maker = ShardMaker(
        game=game,
        schema=schema,
        geometry=geometry,
        bus=MemoryBus(),  # for shards that are only read
        settings=settings,
        kept=True,
        counting=True,
    )
    async with trio.open_nursery() as nursery:
        fleet: Fleet = await nursery.start(partial(run_fleet, plan, settings, engine_settings))
        async with sighted(fleet) as (engine, sight):
            spectator = Spectator(schema, geometry, settings.world)
            nursery.start_soon(spectator.run, engine.bus, engine.directory, sight.listener)
            with trio.fail_after(READY_S):
                await fleet.wait_running()
            chaos = None
            if chaos_seed is not None:
                chance = random.Random(chaos_seed)  # noqa: S311 - to be repeated
                chaos = Chaos(fleet, spectator.owners, chance, _tell)
                nursery.start_soon(chaos.run, trio.current_time() + seconds)
            stage = FleetStage(fleet, engine, sight, spectator, maker, chaos)
            task_status.started(stage)
            await stage.finished.wait()
        await fleet.stop_engine()
        stage.ended.set()
        nursery.cancel_scope.cancel()


def _tell(what: str) -> None:
    _log.warning("chaos", what=what)


@attrs.frozen(eq=False)
class FleetStage:
    """A world in many processes, and who looks on."""

    fleet: Fleet
    engine: Engine
    sight: Sight
    spectator: Spectator
    maker: ShardMaker
    chaos: Chaos | None
    finished: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)

    @property
    def urls(self) -> Sequence[str]:
        """Where clients connect."""
        return self.fleet.urls

    @property
    def page_url(self) -> str | None:
        """For browsers, None if there is no page."""
        settings = self.fleet.settings
        port = int(self.urls[0].rpartition(":")[2])
        return page_url(settings.host, port) if settings.page else None

    def progress(self, bots: dict[str, Any]) -> str:
        """How it goes, in a line."""
        members = "  ".join(f"{member.name} {member.state.value}" for member in self.fleet)
        owners = self.spectator.owners
        return (
            f"tick {self.sight.tick}  bots {bots.get('connected', 0)}"
            f"  crossings {len(self.spectator.transit.limbo_ticks)}"
            f"  takeovers {len(owners.takeovers_s)}  migrations {len(owners.migrations_s)}"
            f"  {members}"
        )

    async def finish(self, bots: dict[str, Any], wanted: int) -> dict[str, Any]:
        """Stop nodes and gateways, count what is in the journals, and end."""
        tick = self.sight.tick
        seen = self.spectator.owners.numbers()  # before everybody leaves
        limbo = self._limbo()
        await self.fleet.stop_roles()
        counted = await audit(self.maker, self.engine.journal)
        self.finished.set()
        await self.ended.wait()
        return {
            "ticks": tick,
            "kills": 0 if self.chaos is None else self.chaos.kills,
            "cuts": max(0, self.sight.version - 1),
            **seen,
            **limbo,
            **_counts(counted),
            **_bots(bots, wanted),
        }

    def _limbo(self) -> dict[str, Any]:
        ticks = np.array(self.spectator.transit.limbo_ticks or [0])
        tick_ms = 1000 / self.maker.schema.hz
        return {
            "handoff_limbo_ms_p99": round(float(np.percentile(ticks, 99)) * tick_ms),
            "handoff_limbo_ms_max": round(float(ticks.max()) * tick_ms),
        }


def _counts(counted: Tally) -> dict[str, Any]:
    return {
        "crossings": counted.crossings,
        "entities_created": counted.created,
        "entities_destroyed": counted.destroyed,
        "entities_alive": counted.alive,
        "entities_in_transit": counted.in_transit,
        "entities_lost": len(counted.lost),
        "entities_duplicated": len(counted.duplicated),
    }


def _bots(bots: dict[str, Any], wanted: int) -> dict[str, Any]:
    """What the bots say. Whoever is away, or had to begin a new session, did not recover."""
    if not bots.get("final"):
        bots = {}  # they did not live to tell, and what they said before does not count
    playing, rejoins = bots.get("connected", 0), bots.get("rejoins", 0)
    return {
        "clients": bots.get("clients", 0),
        "bots_playing": playing,
        "bytes_per_client_s": bots.get("bytes_per_client_s", 0),
        "replica_checks": bots.get("replica_checks", 0),
        "replica_mismatches": bots.get("replica_mismatches", 0),
        "disconnects": bots.get("disconnects", 0),
        "resumes": bots.get("resumes", 0),
        "rejoins": rejoins,
        "bots_ended": bots.get("ended", {}),
        "disconnects_unrecovered": max(0, wanted - playing) + rejoins,
    }
