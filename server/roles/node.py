"""`shoal node`: a process that runs whatever shards are placed on it, and may coordinate.

On SIGTERM it leaves the world in order: it is no member any more, so that its shards are placed
elsewhere, and gives each of them up after a tick, with a checkpoint.
"""

import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import structlog
import trio

from server.cluster.nats.settings import EngineSettings
from server.games import load_game
from server.making import ShardMaker
from server.net.health import Health
from server.net.probes import answer_probes
from server.observe.garbage import Garbage, few_collections
from server.observe.logs import configure_logs
from server.placement.coordinator import run_coordinator
from server.placement.reconciler import Reconciler
from server.process import GARBAGE_EVERY_TICKS
from server.roles.clock import keep_time, schedule_of
from server.roles.numbers import node_numbers, numbers_of
from server.roles.world import first_beacon, join_world, world_away
from server.settings import Settings
from server.shard.service import Node, run_node
from server.signals import run_until_signalled
from sim import Game

__all__ = ["RunningNode", "node_forever", "run_node_role"]

_log = structlog.get_logger(__name__)


@attrs.frozen(eq=False)
class RunningNode:
    """A node of a world, for those who watch it and those who end it."""

    name: str
    node: Node
    reconciler: Reconciler
    candidate: "_Candidate"

    async def shut_down(self, reason: str) -> None:
        """Hand everything over and leave."""
        _log.info("leaving", node=self.name, reason=reason, shards=sorted(self.node.shards))
        await self.reconciler.leave()
        self.node.stop()
        await self.node.wait_ended()
        await self.candidate.end()


class _Candidate:
    """Coordinates, or would, until it is ended; then another one may at once."""

    def __init__(self, coordinate: Callable[[], Awaitable[None]]) -> None:
        self._coordinate = coordinate
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

    async def run(self) -> None:
        """Stand by until ended."""
        try:
            with self._scope:
                await self._coordinate()
        finally:
            self._ended.set()

    async def end(self) -> None:
        """Stand by no more, and return when the lease is given back."""
        self._scope.cancel()
        await self._ended.wait()


async def run_node_role(
    game: Game,
    settings: Settings,
    engine_settings: EngineSettings,
    name: str,
    *,
    counting: bool = False,
    health_port: int | None = None,
    task_status: trio.TaskStatus[RunningNode] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Be the node `name` until shut down or cancelled; at `health_port` it says how it does.

    Error handling: EngineError without an engine, RecordError when it holds another world,
    ListenError when the port cannot be had.
    """
    health = Health()
    async with join_world(game, settings, engine_settings, name=f"node {name}") as member:
        engine, world = member.engine, settings.world
        garbage = Garbage()

        def ticked(tick: int) -> None:
            if tick % GARBAGE_EVERY_TICKS == 0:
                garbage.consider(ended=0, open_=0)

        with few_collections():
            async with trio.open_nursery() as nursery:
                if health_port is not None:
                    probes = partial(answer_probes, health, host=settings.host, port=health_port)
                    await nursery.start(probes)
                coordinate = partial(
                    run_coordinator,
                    name,
                    member.founding,
                    world=world,
                    bus=engine.bus,
                    directory=engine.directory,
                    journal=engine.journal,
                    wall=time.time,
                )
                candidate = _Candidate(coordinate)
                nursery.start_soon(candidate.run)
                beacon = await first_beacon(member, settings)
                schedule = schedule_of(beacon, member.listener.heard_at)
                nursery.start_soon(keep_time, member.listener, schedule)
                node = await nursery.start(
                    partial(
                        run_node,
                        (),
                        journal=engine.journal,
                        schedule=schedule,
                        on_tick=ticked,
                        effort=time.thread_time,  # others may be busy on this machine, too
                    )
                )
                maker = ShardMaker(
                    game=game,
                    schema=member.schema,
                    geometry=member.founding.space,
                    bus=engine.bus,
                    settings=settings,
                    kept=True,
                    counting=counting,
                )
                reconciler = Reconciler(
                    node,
                    name,
                    maker.of,
                    world=world,
                    listener=member.listener,
                    bus=engine.bus,
                    directory=engine.directory,
                    journal=engine.journal,
                    cut_anew=maker.cut_anew,
                    least_cells=settings.shard_cells_min,
                )
                nursery.start_soon(reconciler.run)
                health.measure(numbers_of(partial(node_numbers, node)))
                health.watch(partial(_apart, reconciler), partial(world_away, member))
                _log.info("node", name=name, world=world, game=game.name, hz=beacon.hz)
                task_status.started(RunningNode(name, node, reconciler, candidate))
                await node.wait_ended()
                nursery.cancel_scope.cancel()


def _apart(reconciler: Reconciler) -> str | None:
    """Why nothing can be placed here, None when it can."""
    return None if reconciler.member else "not a member of the world"


def node_forever(
    game_name: str,
    settings: Settings,
    engine_settings: EngineSettings,
    name: str,
    *,
    counting: bool = False,
    health_port: int | None = None,
) -> None:
    """Be a node until a signal ends it; without a `name` it gets one of its own."""
    configure_logs(settings.log_level, settings.log_format)
    role = partial(
        run_node_role,
        load_game(game_name),
        settings,
        engine_settings,
        name or f"{socket.gethostname()}-{secrets.token_hex(3)}",
        counting=counting,
        health_port=health_port,
    )
    trio.run(run_until_signalled, role)
