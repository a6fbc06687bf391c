"""The players: real clients over real WebSockets, each a witness of all that it was told.

Each bot steers about at random, asks for pearls, and keeps every event that its client hands out.
It is back after a crash when a pearl that it asked for since then was laid, made durable and told.

The first line comes when everybody plays. Commands: `killed` is answered with the newest tick that
anybody had seen; everybody has to come back then. `back` is answered when all are, or too late;
`told` with what was told since the last time; `rest` stops all asking, `open` is answered when all
links are.

    python -m benchmarks.crash.bots --port 8642 --end 100
"""

import argparse
import random
import time
from typing import Any, Final

import attrs
import trio

from benchmarks.interest.control import commands, say
from client_demo.connection import Connection, ConnectionEndedError, LinkOptions
from protocol.client import Client

__all__ = ["main"]

BACK_PATIENCE_S: Final = 30.0
BACKOFF_S_MAX: Final = 0.5  # so that the server's return is measured, and not the bots' patience
_JOIN_PAUSE_S: Final = 0.02
_LOOK_S: Final = 0.2
_ASK_AGAIN_S: Final = 0.5  # a bot that wants to be back asks so often
_STEER_S: Final = (2.0, 8.0)
_LAY_S: Final = (2.0, 8.0)


class Bot:
    """One player and what it witnessed. `back_at` is None until it is back, in monotonic time."""

    def __init__(self, number: int, url: str, seed: int) -> None:
        self.number = number
        self.connection = Connection(
            url,
            lambda: Client(f"bot{number}", playback=False),
            LinkOptions(tick_hz=4.0, attempts_max=100, backoff_s_max=BACKOFF_S_MAX),
        )
        self.told: list[list[Any]] = []
        self.resting = False
        self.identity: tuple[int, int] | None = None
        self.changed_identity = 0
        self.joined_tick = 0
        self.back_at: float | None = None
        self.ended: str | None = None
        self._chance = random.Random(f"{seed}/{number}")  # noqa: S311 - to be repeated
        self._nonce = 0
        self._needed = 1  # the nonce that shows that it is back
        self._steer_at = self._lay_at = 0.0

    def lost(self) -> None:
        """The server was killed: what was asked for before proves nothing."""
        self.back_at = None
        self._needed = self._nonce + 1
        self._lay_at = 0.0

    def condition(self) -> dict[str, Any]:
        """What to know about a bot that is not back."""
        client = self.connection.client
        return {
            "player": self.number,
            "open": self.connection.open,
            "ready": client.ready,
            "session": client.welcome and client.welcome.session,
            "entity": client.entity,
            "asked": self._nonce - self._needed + 1,
            "goodbye": client.goodbye and client.goodbye.reason,
            "events": self.told[-3:],
            **attrs.asdict(self.connection.statistics()),
        }

    async def run(self) -> None:
        """Play for good."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._live)
            try:
                await self.connection.run()
            except* ConnectionEndedError as group:
                self.ended = str(group.exceptions[0])
            nursery.cancel_scope.cancel()

    async def _live(self) -> None:
        await self.connection.wait_welcomed()
        while True:
            await trio.sleep(_LOOK_S * self._chance.uniform(0.8, 1.2))
            client = self.connection.client
            self._look(client)
            if self.connection.open and client.ready:
                self._act(client, trio.current_time())

    def _look(self, client: Client) -> None:
        welcome = client.welcome
        if welcome is not None and client.entity:
            identity = (welcome.session, client.entity)
            if self.identity is None:
                assert client.replica is not None, "a welcome is here"
                self.joined_tick = client.replica.tick
            elif identity != self.identity:
                self.changed_identity += 1
            self.identity = identity
        while client.events:
            event = client.events.popleft()
            values = [int(value) for value in event.values.values()]
            self.told.append([event.name, event.shard, event.tick, values])
            if event.name == "Laid" and values[2] >= self._needed and self.back_at is None:
                self.back_at = time.monotonic()

    def _act(self, client: Client, now: float) -> None:
        if now >= self._steer_at:
            self._steer_at = now + self._chance.uniform(*_STEER_S)
            dx, dy = self._chance.uniform(-1, 1), self._chance.uniform(-1, 1)
            client.send_input("Steer", {"dx": dx, "dy": dy}, now)
        if now >= self._lay_at and not self.resting:
            pause = _LAY_S if self.back_at is not None else (_ASK_AGAIN_S, _ASK_AGAIN_S)
            self._lay_at = now + self._chance.uniform(*pause)
            self._nonce += 1
            client.send_input("Lay", {"nonce": self._nonce}, now)


class Crowd:
    """The bots of this process."""

    def __init__(self, numbers: range, port: int, seed: int) -> None:
        self._bots = [Bot(number, f"ws://127.0.0.1:{port}", seed) for number in numbers]

    async def run(self) -> None:
        """Play until stdin is closed."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._join, nursery)
            say({"ready": True} | await self._wait_back())
            async for command in commands():
                match command:
                    case "killed":
                        say({"newest_tick": self._newest_tick()})
                        for bot in self._bots:
                            bot.lost()
                    case "back":
                        say(await self._wait_back())
                    case "told":
                        say({"bots": [self._witness(bot) for bot in self._bots]})
                    case "rest":
                        for bot in self._bots:
                            bot.resting = True
                    case "open":
                        say(await self._wait_open())
            nursery.cancel_scope.cancel()

    async def _join(self, nursery: trio.Nursery) -> None:
        for bot in self._bots:
            nursery.start_soon(bot.run)
            await trio.sleep(_JOIN_PAUSE_S)

    async def _wait_back(self) -> dict[str, Any]:
        with trio.move_on_after(BACK_PATIENCE_S):
            while any(bot.back_at is None for bot in self._bots):  # noqa: ASYNC110 - many events
                await trio.sleep(0.02)
        at = [bot.back_at for bot in self._bots if bot.back_at is not None]
        return {
            "missing": [bot.condition() for bot in self._bots if bot.back_at is None],
            "ended": {bot.number: bot.ended for bot in self._bots if bot.ended},
            "at": sorted(at),
        }

    async def _wait_open(self) -> dict[str, Any]:
        with trio.move_on_after(BACK_PATIENCE_S):
            while not all(bot.connection.open for bot in self._bots):  # noqa: ASYNC110 - as above
                await trio.sleep(0.02)
        return {"open": sum(bot.connection.open for bot in self._bots)}

    def _newest_tick(self) -> int:
        replicas = [bot.connection.client.replica for bot in self._bots]
        return max((replica.tick for replica in replicas if replica is not None), default=0)

    @staticmethod
    def _witness(bot: Bot) -> dict[str, Any]:
        told, bot.told = bot.told, []
        statistics = bot.connection.statistics()
        session, entity = bot.identity or (0, 0)
        return {
            "player": bot.number,
            "session": session,
            "entity": entity,
            "changed_identity": bot.changed_identity,
            "joined_tick": bot.joined_tick,
            "told": told,
            "mismatches": statistics.mismatches,
            "crc_checks": statistics.crc_checks,
            "rejoins": statistics.rejoins,
            "resumes": statistics.resumes,
        }


def main() -> None:
    """Run a crowd."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--first", type=int, default=0, help="the first one's number (0)")
    parser.add_argument("--end", type=int, required=True, help="the last one's, and one more")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    trio.run(Crowd(range(options.first, options.end), options.port, options.seed).run)


if __name__ == "__main__":
    main()
