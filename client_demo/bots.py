"""A crowd of bots in one process: each a whole client that plays over its own WebSocket.

Their replicas check every part's CRC against the server's, so a crowd is also a test: the report
counts checks and mismatches.

Must not know: trio-websocket, the wire, how brains decide.
"""

import random
import signal
from collections import deque
from collections.abc import Callable
from typing import Any

import attrs
import trio

from client_demo import limits
from client_demo.brains import brain_for
from client_demo.connection import (
    Connection,
    ConnectionEndedError,
    LinkOptions,
    unwrapped,
)
from client_demo.eyes import perceive
from client_demo.senses import Brain
from client_demo.tally import Tally
from protocol.client import Client
from protocol.link import find_profile

__all__ = ["BotOptions", "Report", "run_bots"]

Report = Callable[[dict[str, Any]], None]


@attrs.frozen(kw_only=True)
class BotOptions:
    """A crowd. `think_hz`: decisions a second of each. `seconds`: then they leave; None never.

    `more_urls`: of further gateways; bots begin at one after another, and change when links break.

    `link`: the preset of the bad link that each plays over, with a chance of its own by
    `link_seed`; None for the link as it is.
    """

    url: str
    count: int = 50
    seconds: float | None = None
    joins_per_s: float = limits.JOINS_PER_S
    think_hz: float = 3.0
    seed: int = 1
    name: str = "bot"
    token: str | None = None
    link: str | None = None
    link_seed: int = 1
    more_urls: tuple[str, ...] = ()


async def run_bots(
    options: BotOptions, report: Report, more: trio.abc.ReceiveStream | None = None
) -> dict[str, Any]:
    """Let the bots play until the time is up, or SIGINT or SIGTERM; the final report is returned.

    `report` is given the numbers once a second. Each line of `more` is how many bots join later,
    and as long as it has not ended, some may. Error handling: a bot that cannot stay counts as
    gone and the others play on; raises ConnectionEndedError when none is left, and ValueError for a
    link that is not among the presets.
    """
    crowd = _Crowd(options)
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.join_all, more, nursery.cancel_scope)
            reporting = await nursery.start(crowd.report_every_second, report)
            with trio.move_on_after(options.seconds or float("inf")):
                async for _ in signals:
                    break
            reporting.cancel()  # the final report is the last
            await crowd.leave_all()
            nursery.cancel_scope.cancel()
    if crowd.error is not None and crowd.deserted:
        raise crowd.error
    return crowd.tally.final()


class _Crowd:
    """All bots of one process."""

    def __init__(self, options: BotOptions) -> None:
        self.bots: set[_Bot] = set()
        self.error: ConnectionEndedError | None = None
        self.deserted = False
        self.tally = Tally(options.link)
        self._options = options
        self._joined = 0

    async def join_all(
        self, more: trio.abc.ReceiveStream | None, everything: trio.CancelScope
    ) -> None:
        async with trio.open_nursery() as nursery:
            await self._join(self._options.count, nursery)
            if more is not None:
                await self._join_later(more, nursery)
        self.deserted = True
        everything.cancel()  # the last one has gone

    async def _join_later(self, more: trio.abc.ReceiveStream, nursery: trio.Nursery) -> None:
        rest = b""
        async for chunk in more:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in filter(bytes.isdigit, lines):
                await self._join(int(line), nursery)

    async def _join(self, count: int, nursery: trio.Nursery) -> None:
        for _ in range(min(count, limits.BOTS_MAX - self._joined)):
            nursery.start_soon(self._run, _Bot(self._joined, self._options))
            self._joined += 1
            await trio.sleep(1 / self._options.joins_per_s)

    async def _run(self, bot: "_Bot") -> None:
        self.bots.add(bot)
        self.tally.add(bot.connection)
        try:
            await bot.run()
        except ConnectionEndedError as error:
            self.error = error
            self.tally.note_end(str(error))
        finally:
            self.bots.discard(bot)
            self.tally.remove(bot.connection)

    async def report_every_second(
        self,
        report: Report,
        task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        with trio.CancelScope() as scope:
            task_status.started(scope)
            while True:
                await trio.sleep(1)
                report(self.tally.second(trio.current_time()))

    async def leave_all(self) -> None:
        self.tally.settle(trio.current_time())
        with trio.move_on_after(limits.LEAVE_S):
            async with trio.open_nursery() as nursery:
                for bot in self.bots:
                    nursery.start_soon(bot.connection.leave)


class _Bot:
    """One player."""

    def __init__(self, number: int, options: BotOptions) -> None:
        name, token = f"{options.name}{number}", options.token
        urls = deque((options.url, *options.more_urls))
        urls.rotate(-number)
        first, *others = urls
        self.connection = Connection(
            first,
            lambda: Client(name, token=token.encode() if token else None, playback=False),
            LinkOptions(
                tick_hz=8.0,  # inputs are sent by thought; this is for acks and pings
                profile=find_profile(options.link) if options.link is not None else None,
                link_seed=options.link_seed * limits.BOTS_MAX + number,
                more_urls=tuple(others),
            ),
        )
        self._chance = random.Random(f"{options.seed}/{number}")  # noqa: S311 - to be repeated
        self._think_hz = options.think_hz
        self._brain: Brain | None = None
        self._client: Client | None = None

    async def run(self) -> None:
        """Play until the connection has ended."""
        with unwrapped():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._live)
                await self.connection.run()
                nursery.cancel_scope.cancel()

    async def _live(self) -> None:
        await self.connection.wait_welcomed()
        while True:
            pause_s = self._chance.uniform(0.7, 1.3) / self._think_hz
            await trio.sleep(pause_s)
            if self.connection.open and self.connection.client.ready:
                self._think(self.connection.client, trio.current_time())

    def _think(self, client: Client, now: float) -> None:
        assert client.schema is not None, "the welcome was here"
        if self._brain is None or client is not self._client:  # a new session knows no intents
            self._brain, self._client = brain_for(client.schema, self._chance), client
        senses = perceive(client, now)
        if senses is None:
            return
        for act in self._brain.think(senses):
            client.send_input(act.input, dict(act.values), now)
