"""The bots of `shoal demo`: a process of their own, told on its input when more should join.

The page may ask for more (`Crowd.action`), up to a bound and not too often.

The client package is started, never imported.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import attrs
import trio

from server.fleet.child import Child
from server.net.action import Action, Told
from server.net.budget import Budget

__all__ = ["BOTS_ACTION", "BOTS_AT_ONCE_MAX", "NO_BOTS", "Crowd"]

BOTS_ACTION: Final = "/demo/bots"  # where the page tells of them and asks for more
BOTS_AT_ONCE_MAX: Final = 100  # a wish for more is refused
WISHES_PER_S, WISHES_BURST = 1.0, 3.0  # more get 429
END_S: Final = 5.0  # how long the bots may take to say goodbye
NICE: Final = 10  # lower priority, as nice(1) counts it

# For servers without bots of their own: the page asks before it offers any, and browsers complain
# of an address that is not there.
NO_BOTS: Final = Action(
    tell=lambda: {"bots": 0, "bots_max": 0},
    act=lambda _: (404, {"error": "this server has no bots of its own"}),
)


@attrs.define
class Crowd:
    """`count` bots were asked for so far, of `count_max`. `numbers` is what they said last."""

    count: int
    count_max: int
    numbers: dict[str, Any] = attrs.field(factory=dict)
    _started: int = 0
    _news: trio.Event = attrs.field(factory=trio.Event)
    _budget: Budget = attrs.field(factory=lambda: Budget(WISHES_PER_S, WISHES_BURST))

    @property
    def action(self) -> Action:
        """For the page: GET tells how many there are, POST `{"count": n}` asks for more."""
        return Action(tell=self._tell, act=self.wish)

    def wish(self, wish: Told) -> tuple[int, Told]:
        """Let more bots join, as many as there is room for; HTTP's status and what to say."""
        count = wish.get("count")
        if type(count) is not int or not 1 <= count <= BOTS_AT_ONCE_MAX:
            return 400, {"error": f"count is a number from 1 to {BOTS_AT_ONCE_MAX}"}
        if not self._budget.afford(1, trio.current_time()):
            return 429, {"error": "not so often", **self._tell()}
        room = self.count_max - self.count
        if room <= 0:
            return 429, {
                "error": f"there are {self.count} bots, and no more may join",
                **self._tell(),
            }
        self.count += min(count, room)
        self._news.set()
        return 202, self._tell()

    async def run(self, urls: Sequence[str]) -> None:
        """Let them play at `urls`, those of one world's gateways, until cancelled.

        Where processors are few, the server and whoever looks at the world come first.
        """
        count = await self._wait_wanted()
        command = [sys.executable, "-m", "client_demo", "bots", "--json", "--more"]
        command += ["--count", str(count)]
        for url in urls:
            command += ["--url", url]
        bots = Child(command, talks=True)
        try:
            os.setpriority(os.PRIO_PROCESS, bots.pid, NICE)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, bots)
                await self._read(bots)
                nursery.cancel_scope.cancel()
        finally:
            bots.end()

    def _tell(self) -> Told:
        return {"bots": self.count, "bots_max": max(self.count_max, self.count)}

    async def _wait_wanted(self) -> int:
        """Wait until more bots are wanted than were started; how many more."""
        while self.count <= self._started:
            self._news = trio.Event()
            await self._news.wait()
        count, self._started = self.count - self._started, self.count
        return count

    async def _pass_on(self, bots: Child) -> None:
        with suppress(BrokenPipeError):  # they have ended, which is noticed elsewhere
            while True:
                count = await self._wait_wanted()
                await bots.send(b"%d\n" % count)

    async def _read(self, bots: Child) -> None:
        """Take the bots' numbers as they come; when cancelled, let them leave and say the last."""
        try:
            await self._take_lines(bots)
        except trio.Cancelled:
            bots.signal(signal.SIGINT)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + END_S):
                await self._take_lines(bots)
                await bots.wait()
            raise

    async def _take_lines(self, bots: Child) -> None:
        async for line in bots.lines:
            self.numbers = json.loads(line)
