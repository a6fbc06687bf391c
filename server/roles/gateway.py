"""`shoal gateway`: a process that holds client links and simulates nothing.

On SIGTERM `/readyz` says at once that no new clients should come, some time later none can, and its
clients are sent elsewhere a few at a time, so that they do not all come at once. The port of the
game answers `/healthz` and `/readyz`, since balancers ask there; what monitoring wants to know is
told on a port of its own, which nobody outside needs.
"""

import secrets
from functools import partial

import attrs
import structlog
import trio

from protocol.geometry import Geometry
from server.cluster.nats.settings import EngineSettings
from server.crowd import BOTS_ACTION, NO_BOTS
from server.games import load_game
from server.gateway.service import RunningGateway, run_gateway
from server.making import gateway_config, listen_config
from server.net.binding import authority
from server.net.health import Health
from server.net.listen import listen
from server.net.pages import Pages
from server.net.probes import answer_probes
from server.observe.garbage import few_collections
from server.observe.logs import configure_logs
from server.page import load_pages
from server.roles.clock import keep_time, schedule_of
from server.roles.numbers import gateway_numbers, numbers_of
from server.roles.told import tell_links
from server.roles.world import first_beacon, follow_cuts, join_world, world_away
from server.settings import Settings
from server.signals import run_until_signalled
from sim import Game

__all__ = ["GatewayRole", "gateway_forever", "run_gateway_role"]

_log = structlog.get_logger(__name__)


@attrs.frozen(eq=False)
class GatewayRole:
    """A gateway of a world, for those who watch it and those who end it."""

    gateway: RunningGateway
    url: str
    drain_s: float
    drain_wait_s: float

    async def shut_down(self, reason: str) -> None:
        """After `drain_wait_s` send everybody elsewhere within `drain_s`, and end."""
        await self.gateway.move_out(
            grace_s=self.drain_wait_s, deadline_s=self.drain_s, reason=reason
        )


async def run_gateway_role(
    game: Game,
    settings: Settings,
    engine_settings: EngineSettings,
    *,
    pages: Pages | None = None,
    health_port: int | None = None,
    task_status: trio.TaskStatus[GatewayRole] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Be a gateway until shut down or cancelled; at `health_port` it says how it does, in numbers.

    Error handling: EngineError without an engine, NoWorldError when nobody runs the world on it,
    RecordError when it holds another one, ListenError when the address cannot be had.
    """
    name = f"gateway-{secrets.token_hex(4)}"
    async with join_world(game, settings, engine_settings, name=name) as member:
        beacon = await first_beacon(member, settings)
        schedule = schedule_of(beacon, member.listener.heard_at)
        geometry = Geometry.from_data(beacon.geometry)
        config = gateway_config(name, member.schema, geometry, settings)
        health, private = Health(), Health()
        entrance = partial(
            listen,
            host=settings.host,
            port=settings.port,
            config=listen_config(settings, pages, health),
        )
        with few_collections():
            async with trio.open_nursery() as nursery:
                if health_port is not None:
                    probes = partial(answer_probes, private, host=settings.host, port=health_port)
                    await nursery.start(probes)
                gateway = await nursery.start(
                    partial(
                        run_gateway,
                        config,
                        bus=member.engine.bus,
                        schedule=schedule,
                        listen=entrance,
                    )
                )
                nursery.start_soon(keep_time, member.listener, schedule)
                url = f"ws://{authority(settings.host, gateway.port)}"
                nursery.start_soon(tell_links, member.engine.bus, settings.world, name, gateway)
                nursery.start_soon(follow_cuts, member.listener, gateway.cut_anew)
                for each in (health, private):
                    each.watch(gateway.unready, partial(world_away, member))
                private.measure(
                    numbers_of(lambda: gateway_numbers(gateway.statistics(), settings.clients_max))
                )
                _log.info("gateway", name=name, world=settings.world, url=url)
                role = GatewayRole(gateway, url, settings.drain_s, settings.drain_wait_s)
                task_status.started(role)
                await gateway.wait_stopped()
                nursery.cancel_scope.cancel()


def gateway_forever(
    game_name: str,
    settings: Settings,
    engine_settings: EngineSettings,
    *,
    health_port: int | None = None,
) -> None:
    """Be a gateway until a signal ends it."""
    configure_logs(settings.log_level, settings.log_format)
    pages = load_pages(settings, {BOTS_ACTION: NO_BOTS}) if settings.page else None
    role = partial(
        run_gateway_role,
        load_game(game_name),
        settings,
        engine_settings,
        pages=pages,
        health_port=health_port,
    )
    trio.run(run_until_signalled, role)
