"""Many cheap clients in one process: raw sockets that count what they are sent.

A bot does what a server needs of a client (handshake, answering pings, acknowledging, inputs at a
steady rate) and looks at nothing else, so that one core can hold thousands. What each server wants
to hear is in `dialects`.

Commands: `start`, `stop`. The first line comes when everybody plays.

    python -m benchmarks.interest.bots --dialect shoal --port 8642 --clients 100
"""

import argparse
import gc
import os
import resource
import select
import socket
import sys
import time
from collections import deque
from typing import Any, Final

from benchmarks.interest.control import say
from benchmarks.interest.dialects import DIALECTS, Dialect

__all__ = ["main"]

_JOINING_MAX: Final = 64  # at once
_CADENCE_S: Final = 0.02  # sockets are looked at so often: several are ready by then
_INPUT_EVERY_S: Final = 0.01  # a share of the bots speaks so often
_RECEIVE_BYTES: Final = 1 << 16
_BINARY, _CLOSE, _PING = 0x82, 0x88, 0x89
_PONG_FRAME: Final = b"\x8a\x80\x00\x00\x00\x00"
_CONNECT_PATIENCE_S: Final = 60.0


class Bot:
    """One client: its socket, what it has of an unfinished frame, and what it counted."""

    __slots__ = (
        "bytes", "closed", "held", "messages", "number", "playing", "seq", "sock", "tick",
        "upgraded",
    )  # fmt: skip

    def __init__(self, number: int, sock: socket.socket) -> None:
        self.number = number
        self.sock = sock
        self.held = b""
        self.upgraded = False
        self.playing = False
        self.closed = False
        self.bytes = 0
        self.messages = 0
        self.tick = 0
        self.seq = 0

    def send(self, payload: bytes) -> None:
        """One binary message with a mask of zeros."""
        length = len(payload)
        head = bytes((_BINARY, 0x80 | length)) if length < 126 else b"\x82\xfe" + length.to_bytes(2)
        self.write(head + b"\0\0\0\0" + payload)

    def write(self, data: bytes) -> None:
        """Bytes as they are; a bot whose server does not read is lost."""
        try:
            if self.sock.send(data) != len(data):
                self.closed = True
        except OSError:
            self.closed = True


class Crowd:
    """All bots of one process."""

    def __init__(self, dialect: Dialect, port: int, clients: int, input_hz: float) -> None:
        self._dialect = dialect
        self._port = port
        self._wanted = clients
        self._input_hz = input_hz
        self._poll = select.epoll()
        self._bots: dict[int, Bot] = {}
        self._order: list[Bot] = []
        self._joining = 0
        self._lost = 0
        self._next_input = 0.0
        self._turn = 0
        self._owed = 0.0
        self._commands: deque[str] = deque()
        self._began = (0.0, 0, 0)
        self._bytes_before: dict[int, int] = {}
        self._ready = False

    def run(self) -> None:
        """Join, then play until stdin is closed."""
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)
        deadline = time.monotonic() + _CONNECT_PATIENCE_S + self._wanted / 100
        while True:
            began = time.monotonic()
            self._connect()
            for descriptor, _ in self._poll.poll(_CADENCE_S, 100_000):
                if descriptor == sys.stdin.fileno():
                    if not self._obey():
                        return
                else:
                    self._read(self._bots[descriptor])
            now = time.monotonic()
            self._speak(now)
            if not self._ready:
                self._check_ready(now > deadline)
            else:
                time.sleep(max(0.0, began + _CADENCE_S - now))

    # --- joining ---------------------------------------------------------------------------------

    def _connect(self) -> None:
        while len(self._order) < self._wanted and self._joining < _JOINING_MAX:
            sock = socket.create_connection(("127.0.0.1", self._port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            bot = Bot(len(self._order), sock)
            sock.sendall(self._dialect.request(bot.number))
            sock.setblocking(False)  # noqa: FBT003 - the only way to call it
            self._bots[sock.fileno()] = bot
            self._order.append(bot)
            self._joining += 1
            self._poll.register(sock.fileno(), select.EPOLLIN)

    def _check_ready(self, too_late: bool) -> None:  # noqa: FBT001 - said once
        playing = sum(bot.playing for bot in self._order)
        if playing == self._wanted:
            self._ready = True
            gc.collect()
            gc.freeze()
            say({"ready": True, "clients": playing})
        elif too_late or self._lost:
            sys.exit(f"only {playing} of {self._wanted} bots play, {self._lost} were lost")

    # --- receiving -------------------------------------------------------------------------------

    def _read(self, bot: Bot) -> None:
        try:
            data = bot.sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or bot.closed:
            self._lose(bot)
            return
        bot.bytes += len(data)
        if bot.held:
            data, bot.held = bot.held + data, b""
        at = 0 if bot.upgraded else self._upgrade(bot, data)
        end = len(data)
        while at + 2 <= end:
            length = data[at + 1]
            start = at + 2
            if length >= 126:
                start += 2 if length == 126 else 8
                length = int.from_bytes(data[at + 2 : start])
            if start + length > end:
                break
            if data[at] == _BINARY:
                bot.messages += 1
                self._dialect.take(bot, data, start, start + length)
            else:
                self._control(bot, data[at])
            at = start + length
        if at < end:
            bot.held = data[at:]

    def _control(self, bot: Bot, first: int) -> None:
        if first == _PING:
            bot.write(_PONG_FRAME)
        elif first == _CLOSE:
            bot.closed = True  # and it is lost when the server hangs up

    def _upgrade(self, bot: Bot, data: bytes) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return len(data)
        if b" 101 " not in data[:20]:
            sys.exit(f"the upgrade failed: {data[:200]!r}")
        bot.upgraded = True
        bot.playing = self._dialect.opened(bot)
        if bot.playing:
            self._joining -= 1
        return end + 4

    def joined(self, bot: Bot) -> None:
        """A bot plays."""
        bot.playing = True
        self._joining -= 1

    def _lose(self, bot: Bot) -> None:
        bot.closed = True
        self._lost += 1
        self._poll.unregister(bot.sock.fileno())
        del self._bots[bot.sock.fileno()]
        bot.sock.close()

    # --- speaking --------------------------------------------------------------------------------

    def _speak(self, now: float) -> None:
        """Inputs, evenly spread over bots and time."""
        if now < self._next_input or not self._order:
            return
        passed = min(now - self._next_input + _INPUT_EVERY_S, 0.2)
        self._next_input = now + _INPUT_EVERY_S
        self._owed += passed * self._input_hz * len(self._order)
        order, count = self._order, len(self._order)
        while self._owed >= 1:
            self._owed -= 1
            bot = order[self._turn % count]
            self._turn += 1
            if bot.playing and not bot.closed:
                bot.send(self._dialect.input(bot))

    # --- commands --------------------------------------------------------------------------------

    def _obey(self) -> bool:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            return False
        for command in data.decode().split():
            received = sum(bot.bytes for bot in self._order)
            messages = sum(bot.messages for bot in self._order)
            now = time.monotonic()
            if command == "start":
                self._began = now, received, messages
                self._bytes_before = {bot.number: bot.bytes for bot in self._order}
            elif command == "stop":
                began, received_then, messages_then = self._began
                say(self._report(now - began, received - received_then, messages - messages_then))
        return True

    def _report(self, seconds: float, received: int, messages: int) -> dict[str, Any]:
        playing = sum(bot.playing and not bot.closed for bot in self._order)
        share = 1 / seconds / max(1, playing)
        return {
            "bytes_per_client_s": round(received * share, 1),
            "messages_per_client_s": round(messages * share, 3),
            "most_bytes_per_client_s": round(self._most_received() / seconds, 1),
            "live": playing,
            "lost": self._lost,
        }

    def _most_received(self) -> int:
        """Bytes that came to the one that was sent the most."""
        before = self._bytes_before
        return max((bot.bytes - before.get(bot.number, 0) for bot in self._order), default=0)


def main() -> None:
    """Run a crowd of bots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialect", choices=sorted(DIALECTS), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clients", type=int, required=True)
    parser.add_argument("--input-hz", type=float, default=2.0)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    dialect = DIALECTS[options.dialect](options.port)
    crowd = Crowd(dialect, options.port, options.clients, options.input_hz)
    dialect.joined = crowd.joined
    crowd.run()


if __name__ == "__main__":
    main()
