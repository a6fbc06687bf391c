"""A recording that plays, and a gateway to watch it through.

Frames are published at the slots of a schedule that goes on for ever, at the world's own rate: how
many recorded ticks lie between two of them is the speed, and while it is paused there are none. So
clients keep their clocks, whatever is done to the recording; they see a world whose shards do more
steps in a tick, or fewer. The ticks that frames name therefore follow the slots, and are those of
the recording only until it is first paused or sped up.

Resource handling: `run_player` owns its nursery and the gateway. `Player.shut_down` says goodbye to
those who watch, and lets it return; cancelling ends it at once.

Error handling: DivergedError and RecordingError when the recording does not lead on, ListenError
for an address that cannot be had.
"""

import secrets
from collections.abc import Callable
from functools import partial
from typing import Final

import attrs
import trio

from protocol.errors import CloseCode
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.seams import Bus, Subscription
from server.gateway.service import RunningGateway, run_gateway
from server.making import gateway_config, listen_config
from server.net.binding import authority
from server.net.listen import listen
from server.net.pages import Pages
from server.page import page_url
from server.recording.recording import Recording
from server.recording.replayer import Replayer
from server.replay.deck import Deck
from server.settings import Settings
from server.shard.mail import (
    Join,
    Mail,
    MailError,
    Refused,
    Resync,
    gateway_subject,
    inbox_subject,
    shard_sender,
)
from server.shard.schedule import Schedule, Ticker
from sim.game import Game

__all__ = ["Player", "run_player", "wind"]

FIRST_AFTER_S: Final = 0.2  # everything listens by then
BUSY: Final = 0.7  # of a slot's time for steps; what is not done by then is played later
WIND_TICKS: Final = 16  # taken in one go where nobody watches
MAIL_BUFFERED: Final = 1024
# At a high speed nearly everything changes between two frames, and who watches is nearby.
CLIENT_BYTES_PER_S: Final = 4 * 1024 * 1024


async def wind(replayer: Replayer, tick: int, report: Callable[[int], None]) -> None:
    """Step up to `tick` as fast as it goes; `report` is told the present tick now and then."""
    while replayer.tick < tick:
        replayer.advance(min(replayer.tick + WIND_TICKS, tick))
        report(replayer.tick)
        await trio.lowlevel.checkpoint()


@attrs.frozen(eq=False)
class Player:
    """A recording that plays. `page_url` is for browsers, None if there is no page."""

    deck: Deck
    gateway: RunningGateway
    url: str
    page_url: str | None
    drain_s: float

    async def wait_ended(self) -> None:
        """Wait until the last tick has been played, and seen."""
        while not self.deck.ended:  # noqa: ASYNC110 - it takes minutes, and nobody is in a hurry
            await trio.sleep(0.1)
        await trio.sleep(1.0)

    async def shut_down(self) -> None:
        """Say goodbye to those who watch."""
        await self.gateway.shut_down(
            deadline_s=self.drain_s, code=CloseCode.RESTART, reason="the recording is put away"
        )


async def run_player(
    game: Game,
    replayer: Replayer,
    deck: Deck,
    settings: Settings,
    *,
    bus: MemoryBus,
    recording: Recording,
    pages: Pages | None = None,
    task_status: trio.TaskStatus[Player] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Play what comes after `replayer`'s tick until shut down or cancelled; see this module.

    `replayer` publishes on `bus`.
    """
    schema, about = Schema.from_data(game.describe()), recording.about
    began_s = trio.current_time() + FIRST_AFTER_S
    schedule = Schedule(began_s - replayer.tick / schema.hz, schema.hz)
    replayer.be_shown()
    name = f"gateway-{secrets.token_hex(4)}"
    config = attrs.evolve(
        gateway_config(name, schema, about.geometry, settings),
        world=about.world,
        client_bytes_per_s=CLIENT_BYTES_PER_S,
        reveal=True,
    )
    desk = _Desk(bus, about.world, tuple(replayer.shards))
    async with trio.open_nursery() as nursery:
        gateway = await nursery.start(
            partial(
                run_gateway,
                config,
                bus=bus,
                schedule=schedule,
                listen=partial(
                    listen,
                    host=settings.host,
                    port=settings.port,
                    config=listen_config(settings, pages),
                ),
                owners={number: shard.table for number, shard in replayer.shards.items()},
            )
        )
        nursery.start_soon(_play, replayer, deck, schedule, desk)
        url = f"ws://{authority(settings.host, gateway.port)}"
        page = None if pages is None else page_url(settings.host, gateway.port)
        task_status.started(Player(deck, gateway, url, page, settings.drain_s))
        await gateway.wait_stopped()
        nursery.cancel_scope.cancel()


async def _play(replayer: Replayer, deck: Deck, schedule: Schedule, desk: "_Desk") -> None:
    ticker = Ticker(schedule, last=replayer.tick)
    while True:
        slot = ticker.next_slot(trio.current_time())
        await trio.sleep_until(slot.begins_s)
        for _ in range(deck.due()):
            replayer.advance(deck.tick + 1)
            deck.tick += 1
            if trio.current_time() > slot.begins_s + BUSY / schedule.hz:
                break
        replayer.show(slot.tick, anew=desk.take())


class _Desk:
    """What is asked of the shards of a recording: to let somebody play, which they cannot, and to
    say again what was missed on the bus.
    """

    def __init__(self, bus: Bus, world: str, shards: tuple[int, ...]) -> None:
        self._bus = bus
        self._world = world
        self._inboxes: dict[int, Subscription] = {
            shard: bus.subscribe(inbox_subject(world, shard), buffer=MAIL_BUFFERED)
            for shard in shards
        }

    def take(self) -> list[int]:
        """Refuse who wants to play; the shards of which something was missed."""
        missed = []
        for shard, inbox in self._inboxes.items():
            for message in inbox.take_nowait():
                try:
                    mail = Mail.decode(message.data)
                except MailError:
                    continue
                self._refuse(shard, mail)
                if any(isinstance(item, Resync) for item in mail.items):
                    missed.append(shard)
        return missed

    def _refuse(self, shard: int, mail: Mail) -> None:
        reason = "this is a recording: one can look on, not play"
        refused = tuple(
            Refused(item.session, CloseCode.POLICY, reason)
            for item in mail.items
            if isinstance(item, Join)
        )
        if refused:
            subject = gateway_subject(self._world, mail.sender)
            self._bus.publish(subject, Mail(shard_sender(shard), refused).encode())
