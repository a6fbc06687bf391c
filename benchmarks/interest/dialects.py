"""What the bots say to each kind of server, and the little that they must understand of it.

Must not know: sockets, how bots are driven.
"""

import base64
import http.client
import json
import os
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from benchmarks.interest import rules
from protocol import cbor, limits, messages

if TYPE_CHECKING:
    from benchmarks.interest.bots import Bot

__all__ = ["DIALECTS", "Dialect"]


def _upgrade(port: int, path: str, subprotocol: str = "") -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


class Dialect(ABC):
    """How to speak to one kind of server. `joined` is called when a bot plays."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.chance = random.Random(777)  # noqa: S311 - for headings
        self.joined: Callable[[Bot], None] = lambda _: None

    @abstractmethod
    def request(self, number: int) -> bytes:
        """The opening request of a bot."""

    def opened(self, bot: "Bot") -> bool:
        """The link is up: say what must be said; whether the bot plays already."""
        del bot
        return False

    @abstractmethod
    def take(self, bot: "Bot", data: bytes, start: int, end: int) -> None:
        """A binary message, `data[start:end]`."""

    @abstractmethod
    def input(self, bot: "Bot") -> bytes:
        """A message that takes a new heading."""


class Shoal(Dialect):
    """The Shoal protocol."""

    def request(self, number: int) -> bytes:
        """The opening request of a bot."""
        del number
        return _upgrade(self.port, "/", limits.SUBPROTOCOL)

    def opened(self, bot: "Bot") -> bool:
        """Say hello; the welcome comes."""
        hello = messages.Hello(
            world=None, name=str(bot.number), token=None, resume=None, observe=False
        )
        bot.send(messages.encode(hello))
        return False

    def take(self, bot: "Bot", data: bytes, start: int, end: int) -> None:
        """Note a snapshot's tick, which is the second item; answer a ping; see the welcome."""
        kind = data[start + 1]
        if kind == _SNAPSHOT:
            first = data[start + 2]
            if first < 24:
                bot.tick = first
            else:
                bot.tick = int.from_bytes(data[start + 3 : start + 3 + (1 << first - 24)])
        elif kind == _PING:
            bot.send(b"\x82\x04" + data[start + 2 : end])
        elif kind == _WELCOME:
            self.joined(bot)
        elif kind == _GOODBYE:
            raise SystemExit(f"goodbye: {cbor.loads(data[start:end])}")

    def input(self, bot: "Bot") -> bytes:
        """An input for two ticks ahead that acknowledges, too."""
        bot.seq += 1
        tick = cbor.uint(bot.tick)
        return b"".join(
            (
                b"\x87\x01",
                cbor.uint(bot.seq),
                cbor.uint(bot.tick + 2),
                b"\x00",
                tick,
                b"\x00\x81",
                cbor.uint(self.chance.randrange(rules.HEADINGS)),
            )
        )


_SNAPSHOT: Final = 17
_PING: Final = 3
_WELCOME: Final = 16
_GOODBYE: Final = 20


class Colyseus(Dialect):
    """Colyseus 0.18: a seat by HTTP, then a WebSocket whose first message is acknowledged."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def request(self, number: int) -> bytes:
        """Reserve a seat, and ask for the link to it."""
        del number
        self._http.request(
            "POST",
            "/matchmake/joinOrCreate/bench",
            body="{}",
            headers={"content-type": "application/json"},
        )
        seat: dict[str, Any] = json.loads(self._http.getresponse().read())
        if "sessionId" not in seat:
            raise SystemExit(f"no seat: {seat}")
        path = f"/{seat['processId']}/{seat['roomId']}?sessionId={seat['sessionId']}"
        return _upgrade(self.port, path)

    def take(self, bot: "Bot", data: bytes, start: int, end: int) -> None:
        """Acknowledge the first message; state comes only then."""
        del data, start, end
        if not bot.playing:
            bot.send(b"\x0a")
            self.joined(bot)

    def input(self, bot: "Bot") -> bytes:
        """Message 0 with half the heading, which fits one byte."""
        del bot
        return bytes((13, 0, self.chance.randrange(rules.HEADINGS // 2)))


class Floor(Dialect):
    """A server that only sends bytes."""

    def request(self, number: int) -> bytes:
        """The opening request of a bot."""
        del number
        return _upgrade(self.port, "/")

    def opened(self, bot: "Bot") -> bool:
        """There is nothing to say."""
        del bot
        return True

    def take(self, bot: "Bot", data: bytes, start: int, end: int) -> None:
        """It means nothing."""

    def input(self, bot: "Bot") -> bytes:
        """As long as a heading."""
        del bot
        return b"\x0d\x00\x01"


DIALECTS: Final[dict[str, type[Dialect]]] = {
    "shoal": Shoal,
    "colyseus": Colyseus,
    "floor": Floor,
}
