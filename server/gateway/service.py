"""The gateway as a trio service: links from the network, frames and mail from the bus, and time.

One task composes. It polls the links shortly before each slot, so that inputs reach their shard in
time, and once more in the middle, in the midst of composing if that takes so long; it composes as
soon as every expected frame has arrived, or `COMPOSE_WAIT_S` after the slot began with whatever is
there: it waits for nobody.

Where links come from is the caller's choice (`Listen`): sockets, or the memory of a simulation.

Resource handling: `run_gateway` owns its nursery, its subscriptions and the listening. The bus
belongs to the caller. `RunningGateway.shut_down` and `move_out` are not ready for new clients at
once, admit nobody any more after a grace, say goodbye with a reason (to all at once, or a few at a
time), wait for the links to end, and then let `run_gateway` return; cancelling it ends every link
at once.

Error handling: nothing that a client or a shard sends raises. What listening raises (ListenError
for a taken port) goes through.
"""

from collections.abc import Callable, Iterator, Mapping
from math import inf
from time import perf_counter
from typing import Final, Protocol

import structlog
import trio

from protocol.errors import CloseCode
from protocol.parts import PartTable
from server.cluster.seams import Bus
from server.gateway.core import NO_OWNERS, Gateway, GatewayConfig, GatewayStatistics
from server.gateway.hearing import Hearing
from server.net.link import Link
from server.shard.schedule import Schedule
from server.shard.space import Partition

__all__ = ["Entrance", "Listen", "RunningGateway", "run_gateway"]

_log = structlog.get_logger(__name__)

COMPOSE_WAIT_S: Final = 0.015  # a shard's step and a local bus take far less; the rest is late
POLL_AHEAD_S: Final = 0.004  # what was polled must be at the shard when its slot begins
_DONE: Final = object()
RETRY_S: Final = 1.0  # when clients of a server that restarts should come back
CLOSING_S: Final = 2.5  # kept of a deadline for the last ones' closing handshakes


class Entrance(Protocol):
    """Where links come in, and the way to end it in order."""

    @property
    def port(self) -> int:
        """The TCP port that clients connect to."""

    def stop_accepting(self) -> None:
        """Let nobody in any more; links go on."""

    async def wait_closed(self) -> None:
        """Wait until no link is left after `stop_accepting`."""


class Listen(Protocol):
    """Lets clients in until cancelled, and calls `on_link` with the link of each."""

    async def __call__(
        self, on_link: Callable[[Link], None], *, task_status: trio.TaskStatus[Entrance]
    ) -> None:
        """Listen; started when links can come."""


class RunningGateway:
    """A gateway that runs: for those who watch it and those who end it.

    `composed_s` is the time that writing snapshots has taken so far, in all.
    """

    def __init__(
        self,
        gateway: Gateway,
        entrance: Entrance,
        schedule: Schedule,
        hearing: Hearing,
    ) -> None:
        self.composed_s = 0.0
        self._gateway = gateway
        self._entrance = entrance
        self._schedule = schedule
        self._hearing = hearing
        self._polled_at = -inf
        self._leaving = False
        self._news = trio.Event()
        self._stopped = trio.Event()

    @property
    def port(self) -> int:
        """The TCP port that clients connect to."""
        return self._entrance.port

    def statistics(self) -> GatewayStatistics:
        """How the gateway does."""
        return self._gateway.statistics()

    def unready(self) -> str | None:
        """Why no new client should be sent here, None when it may be."""
        return "draining" if self._leaving else self._gateway.unready(trio.current_time())

    async def wait_shunned(self, grace_s: float) -> None:
        """Be not ready from now on, and give those who watch that `grace_s` to notice."""
        self._leaving = True
        await trio.sleep(grace_s)

    async def shut_down(
        self,
        *,
        deadline_s: float,
        code: CloseCode = CloseCode.RESTART,
        reason: str = "the server is shutting down",
    ) -> None:
        """Admit nobody, say goodbye to everybody, and end when all have gone or time is up."""
        self._leaving = True
        self._gateway.drain()
        self._entrance.stop_accepting()
        self._gateway.goodbye(code, reason, RETRY_S)
        await self._end(deadline_s)

    async def move_out(self, *, grace_s: float, deadline_s: float, reason: str) -> None:
        """After `grace_s` admit nobody, send everybody elsewhere within `deadline_s`, and end.

        Clients are told to come back at once, somewhere else, a few after each tick.
        """
        await self.wait_shunned(grace_s)
        now = trio.current_time()
        spread_s = max(deadline_s - CLOSING_S, 0.0)
        self._entrance.stop_accepting()
        self._gateway.depart(reason, now, now + spread_s)
        with trio.move_on_after(spread_s):
            await self._entrance.wait_closed()
        self._gateway.goodbye(CloseCode.RESTART, reason)  # should composing have come too late
        await self._end(deadline_s - spread_s)

    async def _end(self, deadline_s: float) -> None:
        with trio.move_on_after(deadline_s) as scope:
            await self._entrance.wait_closed()
        if scope.cancelled_caught:
            _log.warning("links were still open at the deadline", links=len(self._gateway))
        self._stopped.set()

    def cut_anew(self, partition: Partition) -> None:
        """The world is cut so from its tick on."""
        self._gateway.cut_anew(partition)

    # --- the tasks -------------------------------------------------------------------------------

    async def wait_stopped(self) -> None:
        """Wait until `shut_down` is done."""
        await self._stopped.wait()

    async def hear(self) -> None:
        """Hand over what the bus brings, as it comes."""
        gateway = self._gateway

        def frame(data: bytes) -> None:
            gateway.frame(data, trio.current_time())
            self._news.set()

        await self._hearing.run(
            frame=frame,
            bulletin=lambda data: gateway.bulletin(data, trio.current_time()),
            mail=lambda data: gateway.mail(data, trio.current_time()),
        )

    async def compose(self) -> None:
        """Poll and compose at every slot of the schedule."""
        schedule = self._schedule
        tick = schedule.tick_at(trio.current_time())
        while True:
            tick = max(tick + 1, schedule.tick_at(trio.current_time()))
            begins = schedule.begins_s(tick)
            await self._poll_at(begins - POLL_AHEAD_S)
            with trio.move_on_at(begins + COMPOSE_WAIT_S):
                await self._wait_frames(tick)
            # Shards of this very process may have kept the others from running until it was time.
            self._hearing.take_nowait()
            steps = self._gateway.compose_steps(tick, trio.current_time())
            middle, ahead = begins + 0.5 / schedule.hz, begins + 1 / schedule.hz - POLL_AHEAD_S
            while self._compose_some(steps):
                await trio.lowlevel.checkpoint()
                self._poll_if_due(middle)
                self._poll_if_due(ahead)
            self._gateway.part(trio.current_time())
            await self._poll_at(middle)

    async def _poll_at(self, due: float) -> None:
        await trio.sleep_until(due)
        self._poll_if_due(due)

    def _poll_if_due(self, due: float) -> None:
        """Poll if it is time to, and nobody has since it was."""
        now = trio.current_time()
        if self._polled_at < due <= now:
            self._polled_at = now
            self._gateway.poll(now)

    def _compose_some(self, steps: Iterator[None]) -> bool:
        """Take one step; whether there may be more."""
        began = perf_counter()
        more = next(steps, _DONE) is not _DONE
        self.composed_s += perf_counter() - began
        return more

    async def _wait_frames(self, tick: int) -> None:
        while self._gateway.awaits_frames(tick):
            self._news = trio.Event()
            await self._news.wait()


async def run_gateway(
    config: GatewayConfig,
    *,
    bus: Bus,
    schedule: Schedule,
    listen: Listen,
    owners: Mapping[int, PartTable] = NO_OWNERS,
    task_status: trio.TaskStatus[RunningGateway] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve whom `listen` lets in until shut down or cancelled. `schedule` is in trio's time.

    `owners` are the tables of the shards that live in this process: then those are all shards. In a
    process without any, only the frames of those are heard that clients need.
    """
    hearing = Hearing(bus, config.world, config.name)
    if owners:
        gateway = Gateway(config, bus.publish, owners)
        hearing.follow_all()
    else:
        gateway = Gateway(config, bus.publish, follow=hearing.follow)

    def take_link(link: Link) -> None:
        gateway.connect(link, trio.current_time())

    try:
        async with trio.open_nursery() as nursery:
            entrance: Entrance = await nursery.start(listen, take_link)
            running = RunningGateway(gateway, entrance, schedule, hearing)
            nursery.start_soon(running.hear)
            nursery.start_soon(running.compose)
            task_status.started(running)
            await running.wait_stopped()
            nursery.cancel_scope.cancel()
    finally:
        hearing.close()
