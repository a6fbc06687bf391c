"""One process that is a whole world: all shards, one gateway, a bus in memory, and a journal, which
is in memory or in a folder. With a folder, a restart goes on where the last process ended.

Past one process the same services run on an engine; here they are only wired together and ended in
order. SIGINT and SIGTERM drain: nobody joins any more, everybody is told goodbye with a reason, and
the process ends within a deadline. A second signal ends it at once.

Must not know: what services do inside.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
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
from server.crowd import BOTS_ACTION, NO_BOTS
from server.games import load_game
from server.gateway.service import RunningGateway, run_gateway
from server.making import ShardMaker, cut_world, gateway_config, listen_config
from server.net.binding import authority
from server.net.health import Health
from server.net.listen import listen
from server.net.pages import Pages
from server.observe.garbage import Garbage, few_collections
from server.observe.intervals import Intervals
from server.observe.logs import configure_logs
from server.page import load_pages, page_url
from server.recording.pieces import RecordingError
from server.recording.recorder import RecordedJournal, Recorder, record_into
from server.recording.recording import About
from server.settings import Settings
from server.shard.schedule import Schedule
from server.shard.service import Node, OwnedShard, own_shard, run_node
from server.signals import run_until_signalled
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
    drain_wait_s: float

    async def shut_down(self, reason: str) -> None:
        """After `drain_wait_s` let nobody in, say goodbye to everybody within `drain_s`, and keep
        the newest tick.
        """
        await self.gateway.wait_shunned(self.drain_wait_s)
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
    recorder: tuple[Recorder, str] | None = None,
    task_status: trio.TaskStatus[Process] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run `game` as `settings` say until it is shut down or cancelled.

    `counting` keeps every entity's id for a census. `on_tick` is called after all shards stepped.
    `pages` are what browsers get on the same port. `recorder` is given what happens, and the name
    of the game's module.
    Error handling: raises SettingsError when the world cannot be cut so, ListenError when the
    address cannot be had, JournalError when the store cannot be used, DivergenceError when it does
    not lead where it did.
    """
    schema = Schema.from_data(game.describe())
    geometry = cut_world(schema, settings)
    identity = _identity(game, geometry, settings)
    async with _open_journal(identity, settings) as (kept, directory):
        journal = kept if recorder is None else RecordedJournal(kept, recorder[0])
        bus = MemoryBus()
        maker = ShardMaker(
            game=game,
            schema=schema,
            geometry=geometry,
            bus=bus,
            settings=settings,
            kept=bool(settings.store),
            recorded=recorder is not None,
            counting=counting,
        )
        owned = await _own_all(maker, directory, journal)
        if recorder is not None:
            _begin_recording(*recorder, game, identity, owned)
        world = _World(game, schema, geometry, bus, journal, owned)
        await _run_services(world, settings, on_tick, pages, task_status)


def _begin_recording(
    recorder: Recorder,
    module: str,
    game: Game,
    identity: Mapping[str, object],
    owned: Iterable[OwnedShard],
) -> None:
    """A world that a store has kept is recorded from its checkpoints on."""
    shards = [each.shard for each in owned]
    starts = {shard.id: shard.checkpoint() for shard in shards if shard.world.tick}
    recorder.begin(About(module, game.code, identity), starts)


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

    garbage, health = Garbage(), Health()

    def ticked(tick: int) -> None:
        intervals.mark(node.began_s)
        if tick % GARBAGE_EVERY_TICKS == 0:
            links = gateway.statistics()
            garbage.consider(ended=links.ended, open_=links.links)
        on_tick(tick)

    with few_collections():
        async with trio.open_nursery() as nursery:
            gateway = await nursery.start(
                partial(
                    run_gateway,
                    gateway_config(_gateway_name(), schema, geometry, settings),
                    bus=world.bus,
                    schedule=schedule,
                    listen=partial(
                        listen,
                        host=settings.host,
                        port=settings.port,
                        config=listen_config(settings, pages, health),
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
            health.watch(gateway.unready)
            drain = settings.drain_s, settings.drain_wait_s
            task_status.started(Process(node, gateway, intervals, url, page, *drain))


def serve_forever(game_name: str, settings: Settings, record: Path | None = None) -> None:
    """Run the game of that name until a signal ends it, and record it into a file, if one is named.

    Raises RecordingError when nothing can be written there; and at the end, when the recording
    ended before the world did.
    """
    configure_logs(settings.log_level, settings.log_format)
    pages = load_pages(settings, {BOTS_ACTION: NO_BOTS}) if settings.page else None
    run = partial(run_process, load_game(game_name), settings, pages=pages)
    if record is None:
        trio.run(run_until_signalled, run)
    else:
        trio.run(_serve_recorded, run, game_name, record)


async def _serve_recorded(
    run: Callable[..., Awaitable[None]], game_name: str, record: Path
) -> None:
    async with record_into(record) as recorder:
        await run_until_signalled(partial(run, recorder=(recorder, game_name)))
    if recorder.failure:
        raise RecordingError(f"{record.name} ends before the world did: {recorder.failure}")
    _log.info("recorded", file=str(record), ticks=recorder.last)


def _identity(game: Game, geometry: Geometry, settings: Settings) -> Mapping[str, object]:
    """What makes a kept world this one."""
    return {
        "world": settings.world,
        "game": game.name,
        "seed": settings.seed,
        "hz": game.hz,
        "shards": settings.shards,
        "geometry": geometry.to_data(),
    }


@asynccontextmanager
async def _open_journal(
    identity: Mapping[str, object], settings: Settings
) -> AsyncIterator[tuple[Journal, MemoryDirectory]]:
    """The journal that the settings ask for, and a directory whose epochs are newer than its."""
    if not settings.store:
        yield MemoryJournal(), MemoryDirectory(trio.current_time)
        return

    def report(what: str) -> None:
        _log.warning("store", report=what)

    durable = settings.store_sync == "disk"
    async with open_store(Path(settings.store), identity, report, durable=durable) as journal:
        epoch = max((journal.epoch(shard) for shard in journal.shards), default=0)
        yield journal, MemoryDirectory(trio.current_time, epoch)


def _gateway_name() -> str:
    """Of this very run: sessions of one that is gone must not be mistaken for ours."""
    return f"gateway-{secrets.token_hex(4)}"


async def _own_all(
    maker: ShardMaker, directory: MemoryDirectory, journal: Journal
) -> list[OwnedShard]:
    owned = []
    for shard in maker.geometry.shards:
        one = await own_shard(
            maker.of(shard),
            shard,
            world=maker.settings.world,
            directory=directory,
            journal=journal,
        )
        assert one is not None, "nobody contends within one process"
        owned.append(one)
    return owned
