"""One process that is a whole world: all shards, one gateway, a bus in memory, and a journal, which
is in memory or in a folder. With a folder, a restart goes on where the last process ended.

Past one process the same services run on an engine; here they are only wired together and ended in
order. SIGINT and SIGTERM drain: nobody joins any more, everybody is told goodbye with a reason, and
the process ends within a deadline. A second signal ends it at once.

Must not know: what services do inside.
"""

import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import structlog
import trio

from protocol.errors import CloseCode
from protocol.geometry import Geometry
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.directory import MemoryDirectory
from server.cluster.journal import MemoryJournal
from server.cluster.seams import Journal
from server.games import load_game
from server.gateway.core import GatewayConfig
from server.gateway.service import RunningGateway, run_gateway
from server.net.binding import authority
from server.net.listen import ListenConfig, listen
from server.net.pages import Pages
from server.observe.garbage import Garbage, few_collections
from server.observe.intervals import Intervals
from server.observe.logs import configure_logs
from server.page import load_pages, page_url
from server.settings import Settings, SettingsError
from server.shard.host import Shard, ShardConfig
from server.shard.schedule import Schedule
from server.shard.service import Node, OwnedShard, own_shard, run_node
from server.store.folder import open_store
from sim import Game

__all__ = ["Process", "run_process", "serve_forever"]

_log = structlog.get_logger(__name__)

GARBAGE_EVERY_TICKS = 256  # how often it is considered
FIRST_TICK_AFTER_S = 0.2  # everything listens by then


@attrs.frozen(eq=False)
class Process:
    """A world that runs in this process. `page_url` is for browsers, None if there is no page."""

    node: Node
    gateway: RunningGateway
    intervals: Intervals
    url: str
    page_url: str | None
    drain_s: float

    async def shut_down(self, reason: str) -> None:
        """Let nobody in, say goodbye to everybody within `drain_s`, and keep the newest tick."""
        self.node.drain()
        await self.gateway.shut_down(deadline_s=self.drain_s, code=CloseCode.RESTART, reason=reason)
        self.node.stop()
        await self.node.wait_ended()


async def run_process(
    game: Game,
    settings: Settings,
    *,
    counting: bool = False,
    on_tick: Callable[[int], None] = lambda _: None,
    pages: Pages | None = None,
    task_status: trio.TaskStatus[Process] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run `game` as `settings` say until it is shut down or cancelled.

    `counting` keeps every entity's id for a census. `on_tick` is called after all shards stepped.
    `pages` are what browsers get on the same port.
    Error handling: raises SettingsError when the world cannot be cut so, ListenError when the
    address cannot be had, JournalError when the store cannot be used, DivergenceError when it does
    not lead where it did.
    """
    schema = Schema.from_data(game.describe())
    geometry = _geometry(schema, settings)
    async with _open_journal(game, geometry, settings) as (journal, directory):
        bus = MemoryBus()
        owned = await _own_all(
            partial(_make_shard, game, schema, geometry, bus, settings, counting),
            geometry,
            settings,
            directory,
            journal,
        )
        world = _World(game, schema, geometry, bus, journal, owned)
        await _run_services(world, settings, on_tick, pages, task_status)


@attrs.frozen
class _World:
    """What the services of one process share."""

    game: Game
    schema: Schema
    geometry: Geometry
    bus: MemoryBus
    journal: Journal
    owned: list[OwnedShard]


async def _run_services(
    world: _World,
    settings: Settings,
    on_tick: Callable[[int], None],
    pages: Pages | None,
    task_status: trio.TaskStatus[Process],
) -> None:
    game, schema, geometry, owned = world.game, world.schema, world.geometry, world.owned
    last_tick = max(each.shard.world.tick for each in owned)
    first_s = trio.current_time() + FIRST_TICK_AFTER_S
    schedule = Schedule(first_s - last_tick / schema.hz, schema.hz)
    intervals = Intervals()

    garbage = Garbage()

    def ticked(tick: int) -> None:
        intervals.mark(trio.current_time())
        if tick % GARBAGE_EVERY_TICKS == 0:
            links = gateway.statistics()
            garbage.consider(ended=links.ended, open_=links.links)
        on_tick(tick)

    with few_collections():
        async with trio.open_nursery() as nursery:
            gateway = await nursery.start(
                partial(
                    run_gateway,
                    _gateway_config(schema, geometry, settings),
                    bus=world.bus,
                    schedule=schedule,
                    listen=partial(
                        listen,
                        host=settings.host,
                        port=settings.port,
                        config=_listen_config(settings, pages),
                    ),
                    owners={each.shard.id: each.shard.table for each in owned},
                )
            )
            node = await nursery.start(
                partial(
                    run_node,
                    owned,
                    journal=world.journal,
                    schedule=schedule,
                    last_tick=last_tick,
                    on_tick=ticked,
                )
            )
            url = f"ws://{authority(settings.host, gateway.port)}"
            page = None if pages is None else page_url(settings.host, gateway.port)
            shown = {} if page is None else {"page": page}
            _log.info("serving", game=game.name, url=url, **shown, shards=len(owned), hz=schema.hz)
            task_status.started(Process(node, gateway, intervals, url, page, settings.drain_s))


def serve_forever(game_name: str, settings: Settings) -> None:
    """Run the game of that name until a signal ends it."""
    configure_logs(settings.log_level, settings.log_format)
    pages = load_pages(settings) if settings.page else None
    trio.run(_serve, load_game(game_name), settings, pages)


async def _serve(game: Game, settings: Settings, pages: Pages | None) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            process = await nursery.start(partial(run_process, game, settings, pages=pages))
            nursery.start_soon(_end_on_signal, signals, process, nursery.cancel_scope)


async def _end_on_signal(
    signals: AsyncIterator[int], process: Process, scope: trio.CancelScope
) -> None:
    asked = False
    async with trio.open_nursery() as nursery:
        async for number in signals:
            name = signal.Signals(number).name
            if asked:
                _log.warning("ending at once", signal=name)
                scope.cancel()
                return
            asked = True
            _log.info("draining", signal=name, deadline_s=process.drain_s)
            nursery.start_soon(_drain, process, scope)


async def _drain(process: Process, scope: trio.CancelScope) -> None:
    await process.shut_down("the server is shutting down")
    _log.info("ended")
    scope.cancel()


def _geometry(schema: Schema, settings: Settings) -> Geometry:
    try:
        return Geometry.grid(*schema.size, schema.cell, schema.interest, settings.shard_grid)
    except ValueError as error:
        raise SettingsError(f"shards: {error}") from None


@asynccontextmanager
async def _open_journal(
    game: Game, geometry: Geometry, settings: Settings
) -> AsyncIterator[tuple[Journal, MemoryDirectory]]:
    """The journal that the settings ask for, and a directory whose epochs are newer than its."""
    if not settings.store:
        yield MemoryJournal(), MemoryDirectory(trio.current_time)
        return
    identity = {
        "world": settings.world,
        "game": game.name,
        "seed": settings.seed,
        "hz": game.hz,
        "shards": settings.shards,
        "geometry": geometry.to_data(),
    }

    def report(what: str) -> None:
        _log.warning("store", report=what)

    durable = settings.store_sync == "disk"
    async with open_store(Path(settings.store), identity, report, durable=durable) as journal:
        epoch = max((journal.epoch(shard) for shard in journal.shards), default=0)
        yield journal, MemoryDirectory(trio.current_time, epoch)


def _gateway_config(schema: Schema, geometry: Geometry, settings: Settings) -> GatewayConfig:
    return GatewayConfig(
        name=f"gateway-{secrets.token_hex(4)}",  # sessions of one that is gone are not mistaken
        world=settings.world,
        schema=schema,
        geometry=geometry,
        clients_max=settings.clients_max,
        client_bytes_per_s=settings.client_bytes_per_s,
        reveal=settings.reveal,
    )


def _listen_config(settings: Settings, pages: Pages | None) -> ListenConfig:
    return ListenConfig(
        origins=settings.origins,
        clients_max=settings.clients_max,
        clients_per_address_max=settings.clients_per_address_max,
        pages=pages,
    )


def _make_shard(
    game: Game,
    schema: Schema,
    geometry: Geometry,
    bus: MemoryBus,
    settings: Settings,
    counting: bool,  # noqa: FBT001 - bound by keyword below
    shard: int,
    epoch: int,
    saved: bytes | None,
) -> Shard:
    kept = bool(settings.store)
    config = ShardConfig(
        world=settings.world,
        shard=shard,
        epoch=epoch,
        seed=settings.seed,
        geometry=geometry,
        grace_ticks=round(settings.resume_grace_s * schema.hz),
        counting=counting,
        digests_every=1 if kept else 0,
        checkpoint_every=round(settings.checkpoint_every_s * schema.hz) if kept else 0,
    )
    return Shard(game, schema, bus, config, saved)


async def _own_all(
    make: Callable[[int, int, bytes | None], Shard],
    geometry: Geometry,
    settings: Settings,
    directory: MemoryDirectory,
    journal: Journal,
) -> list[OwnedShard]:
    owned = []
    for shard in geometry.shards:
        one = await own_shard(
            partial(make, shard),
            shard,
            world=settings.world,
            directory=directory,
            journal=journal,
        )
        assert one is not None, "nobody contends within one process"
        owned.append(one)
    return owned
