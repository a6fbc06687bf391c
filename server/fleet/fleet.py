"""A fleet: the engine, the nodes and the gateways of one world, as child processes of this one.

They are joined by nothing but the engine, as they would be on many machines; here somebody watches
over all of them. They end in order: gateways send their clients away, nodes keep what they have,
and the engine ends last. When we end otherwise, whatever the reason, they end with us.

Resource handling: `run_fleet` owns the processes and the private engine's folder, if that is a
temporary one. Cancelling it kills all at once.
Error handling: NoEngineError without any engine; MemberError when a member cannot be started.

Must not know: what is shown of it.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs
import trio

from server.cluster.nats.settings import EngineSettings
from server.fleet.environment import environment_of
from server.fleet.member import Member
from server.fleet.programs import NatsServer, Role
from server.fleet.rooms import Rooms
from server.settings import Settings, SettingsError

__all__ = ["Fleet", "FleetPlan", "run_fleet"]

NATS_PORT: Final = 4222  # where an address names none
MEMBERS_MAX: Final = 64  # of a kind; more are refused
ENGINE_S: Final = 15.0  # for the engine to be ready
DRAIN_GRACE_S: Final = 3.0  # beyond the time that gateways have for their clients
NODE_STOP_S: Final = 20.0  # for nodes to hand over, and to keep what they have
ENGINE_STOP_S: Final = 10.0


@attrs.frozen(kw_only=True)
class FleetPlan:
    """Which game, by how many. `counting`: nodes keep every entity's id for a census.

    `rooms`: that members live in, if they do.
    """

    game: str
    nodes: int
    gateways: int
    counting: bool = False
    rooms: Rooms | None = None

    def __attrs_post_init__(self) -> None:
        for name, count in (("nodes", self.nodes), ("gateways", self.gateways)):
            if not 1 <= count <= MEMBERS_MAX:
                raise SettingsError(f"{name}: {count} is not within 1 to {MEMBERS_MAX}")

    @property
    def node_names(self) -> list[str]:
        """What the nodes are called."""
        return [f"node-{number}" for number in range(1, self.nodes + 1)]

    @property
    def gateway_names(self) -> list[str]:
        """What the gateways are called."""
        return [f"gateway-{number}" for number in range(1, self.gateways + 1)]

    def door(self, name: str) -> Sequence[str]:
        """What stands before a member's command."""
        return () if self.rooms is None else self.rooms.by_member[name].door

    def host(self, name: str, otherwise: str) -> str:
        """Where a member listens."""
        return otherwise if self.rooms is None else self.rooms.by_member[name].address


class Fleet:
    """The members that run. `engine` is None where somebody else's is used."""

    def __init__(
        self,
        engine: Member | None,
        nodes: Sequence[Member],
        gateways: Sequence[Member],
        *,
        plan: FleetPlan,
        settings: Settings,
        engine_settings: EngineSettings,
    ) -> None:
        self.plan = plan
        self.engine = engine
        self.nodes = nodes
        self.gateways = gateways
        self.settings = settings
        self.engine_settings = engine_settings
        self._ended = trio.Event()

    def __iter__(self) -> Iterator[Member]:
        if self.engine is not None:
            yield self.engine
        yield from self.nodes
        yield from self.gateways

    @property
    def urls(self) -> tuple[str, ...]:
        """Where clients connect, for each gateway."""
        return tuple(gateway.url for gateway in self.gateways)

    @property
    def engine_port(self) -> int:
        """Where the engine listens."""
        return urlsplit(self.engine_settings.urls[0]).port or NATS_PORT

    async def wait_running(self) -> None:
        """Wait until every member runs."""
        for member in self:
            await member.wait_running()

    async def stop_roles(self) -> None:
        """Stop gateways and nodes in order; the engine goes on."""
        await _stop(
            self.gateways, self.settings.drain_wait_s + self.settings.drain_s + DRAIN_GRACE_S
        )
        await _stop(self.nodes, NODE_STOP_S)

    async def stop_engine(self) -> None:
        """Stop what is left, after the others."""
        if self.engine is not None:
            await _stop([self.engine], ENGINE_STOP_S)
        self._ended.set()

    async def wait_ended(self) -> None:
        """Wait until everything has been stopped."""
        await self._ended.wait()


async def _stop(members: Sequence[Member], patience_s: float) -> None:
    async with trio.open_nursery() as nursery:
        for member in members:
            nursery.start_soon(member.stop, patience_s)


async def run_fleet(
    plan: FleetPlan,
    settings: Settings,
    engine_settings: EngineSettings,
    *,
    task_status: trio.TaskStatus[Fleet] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a fleet until it is shut down or cancelled.

    It has started when there is an engine; `Fleet.wait_running` waits for the other members.
    Gateways listen on the settings' port and those behind it, or each on a free one.
    """
    with ExitStack() as folders:
        async with trio.open_nursery() as nursery:
            engine: Member | None = None
            if not engine_settings.given:
                engine = _private_engine(plan, settings, folders)
                nursery.start_soon(engine.run)
                with trio.fail_after(ENGINE_S):
                    await engine.wait_running()
                engine_settings = attrs.evolve(engine_settings, urls=(engine.url,))
            fleet = Fleet(
                engine,
                _nodes(plan, settings, engine_settings),
                _gateways(plan, settings, engine_settings),
                plan=plan,
                settings=settings,
                engine_settings=engine_settings,
            )
            for member in (*fleet.nodes, *fleet.gateways):
                nursery.start_soon(member.run)
            task_status.started(fleet)
            await fleet.wait_ended()
            nursery.cancel_scope.cancel()


def _private_engine(plan: FleetPlan, settings: Settings, folders: ExitStack) -> Member:
    folder = settings.store or folders.enter_context(
        tempfile.TemporaryDirectory(prefix="shoal-engine-", ignore_cleanup_errors=True)
    )
    address = "127.0.0.1" if plan.rooms is None else plan.rooms.address
    return Member("engine", "engine", NatsServer(Path(folder), address), environment_of())


def _nodes(plan: FleetPlan, settings: Settings, engine: EngineSettings) -> list[Member]:
    environment = environment_of(_for_children(settings), engine)
    options = ["--counting"] if plan.counting else []
    nodes = []
    for name in plan.node_names:
        role = Role("node", plan.game, "--name", name, *options, door=plan.door(name))
        nodes.append(Member(name, "node", role, environment))
    return nodes


def _gateways(plan: FleetPlan, settings: Settings, engine: EngineSettings) -> list[Member]:
    gateways = []
    for number, name in enumerate(plan.gateway_names):
        own = attrs.evolve(
            settings,
            host=plan.host(name, settings.host),
            port=settings.port + number if settings.port else 0,
        )
        role = Role("gateway", plan.game, door=plan.door(name))
        environment = environment_of(_for_children(own), engine)
        gateways.append(Member(name, "gateway", role, environment))
    return gateways


def _for_children(settings: Settings) -> Settings:
    """The settings of a child: what it logs is read by us, and JetStream is the only store."""
    level = "info" if settings.log_level in {"warning", "error"} else settings.log_level
    return attrs.evolve(settings, log_format="json", log_level=level, store="")
