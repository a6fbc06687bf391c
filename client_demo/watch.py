"""`shoal watch`: a live map of the whole world in the terminal.

An observer connects, its replica holds everything, and a picture of it is painted ten times a
second.

Must not know: trio-websocket, the wire.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import attrs
import trio
from rich.console import Console
from rich.segment import Segment, Segments

from client_demo import limits
from client_demo.chart import crowds
from client_demo.connection import Connection, LinkOptions, unwrapped
from client_demo.picture import View, paint
from client_demo.screen import Screen, read_keys
from protocol.client import Client

__all__ = ["WatchOptions", "run_watch"]


@attrs.frozen(kw_only=True)
class WatchOptions:
    """What to watch. `once` prints one picture and ends; `seconds` ends by itself.
    The title says `shown_url`, or `url`. `deck` is the descriptor of a stream to who plays what is
    watched: keys go there, and lines that come from there are shown; when it ends, so does this.
    """

    url: str
    more_urls: tuple[str, ...] = ()
    shown_url: str | None = None
    token: str | None = None
    once: bool = False
    seconds: float | None = None
    frames_per_s: float = limits.FRAMES_PER_S
    deck: int | None = None


async def run_watch(options: WatchOptions, console: Console) -> None:
    """Watch until q, Ctrl-C or the time is up.

    Raises ConnectionEndedError when there is no world to watch.
    """
    token = options.token.encode() if options.token else None
    connection = Connection(
        options.url,
        lambda: Client("watch", token=token, observe=True, playback=False),
        LinkOptions(more_urls=options.more_urls),
    )
    with unwrapped():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            await connection.wait_welcomed()
            if options.once:
                await _wait_world(connection)
                _print_once(connection, options, console)
            else:
                with trio.move_on_after(options.seconds or float("inf")):
                    await _watch(connection, options, console)
            await connection.leave()
            nursery.cancel_scope.cancel()


async def _wait_world(connection: Connection) -> None:
    """Wait until all that lives has been told of, and the score board too."""
    client = connection.client
    await _wait_until(lambda: bool(client.replica), limits.FIRST_PICTURE_S)
    await _wait_until(lambda: bool(client.scores), limits.SCORES_S)


async def _wait_until(happened: Callable[[], bool], seconds: float) -> None:
    with trio.move_on_after(seconds):
        while not happened():  # noqa: ASYNC110 - a few polls for one picture
            await trio.sleep(0.05)


def _print_once(connection: Connection, options: WatchOptions, console: Console) -> None:
    columns, rows = console.size.width, max(console.size.height - 1, 24)
    lines = paint(_view(connection, options, _facts(connection, Meter())), columns, rows)
    console.print(Segments([part for line in lines for part in (*line, Segment.line())]), end="")


async def _watch(connection: Connection, options: WatchOptions, console: Console) -> None:
    meter, deck = Meter(), None if options.deck is None else Deck(options.deck)
    with Screen(console) as screen:
        async with trio.open_nursery() as nursery:
            if sys.stdin.isatty():
                nursery.start_soon(_take_keys, nursery.cancel_scope, deck)
            if deck is not None:
                nursery.start_soon(deck.hear, nursery.cancel_scope)
            due = trio.current_time()
            while True:
                meter.note(connection, trio.current_time())
                facts = _facts(connection, meter) if deck is None else deck.facts()
                screen.show(paint(_view(connection, options, facts), *screen.size))
                due = max(due + 1 / options.frames_per_s, trio.current_time())
                await trio.sleep_until(due)


async def _take_keys(scope: trio.CancelScope, deck: "Deck | None") -> None:
    while True:
        await trio.lowlevel.wait_readable(sys.stdin.fileno())
        keys = read_keys()
        if set(keys) & set("qQ\x1b\x04"):
            scope.cancel()
        elif deck is not None:
            await deck.press(keys)


class Deck:
    """Whoever plays what is watched, at the other end of a stream; `line` is what it said last."""

    def __init__(self, descriptor: int) -> None:
        self._stream = trio.lowlevel.FdStream(descriptor)
        self.line = ""

    async def hear(self, scope: trio.CancelScope) -> None:
        """Take lines until the other end is closed, and then end all."""
        rest = b""
        async for chunk in self._stream:
            *lines, rest = (rest + chunk).split(b"\n")
            if lines:
                self.line = lines[-1].decode("utf-8", "replace")
        scope.cancel()

    async def press(self, keys: str) -> None:
        """Pass keys on."""
        with suppress(trio.BrokenResourceError):  # it is closed, which `hear` notices
            await self._stream.send_all(keys.encode("ascii", "ignore"))

    def facts(self) -> Iterator[str]:
        """What is told at the bottom, and which keys there are."""
        yield self.line
        yield "space pauses"
        yield "+ - 1 2 4 8 speed"
        yield ". one tick"
        yield "q quits"


class Meter:
    """Rates over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=30)

    def note(self, connection: Connection, now: float) -> None:
        """Take a sample."""
        replica = connection.client.replica
        tick = 0 if replica is None else replica.tick
        self._samples.append((now, tick, connection.statistics().bytes_received))

    @property
    def hz(self) -> float:
        """Ticks a second."""
        return self._rate(1)

    @property
    def bytes_per_s(self) -> float:
        """Bytes received a second."""
        return self._rate(2)

    def _rate(self, column: int) -> float:
        if len(self._samples) < 2:
            return 0.0
        first, last = self._samples[0], self._samples[-1]
        return (last[column] - first[column]) / max(last[0] - first[0], 1e-6)


def _view(connection: Connection, options: WatchOptions, facts: Iterable[str]) -> View:
    client = connection.client
    assert client.replica is not None, "a picture is painted after the welcome only"
    url = options.shown_url or options.url
    return View(
        title=f"{client.replica.schema.game} · {url}" + ("" if connection.open else " · lost"),
        geometry=client.replica.geometry,
        crowds=crowds(client.replica),
        scores=[(row[1], row[2]) for row in client.scores],
        facts=facts,
    )


def _facts(connection: Connection, meter: Meter) -> Iterator[str]:
    client = connection.client
    assert client.replica is not None
    yield f"tick {client.replica.tick}"
    if meter.hz:
        yield f"{meter.hz:.1f} Hz"
        yield f"{meter.bytes_per_s / 1000:.1f} kB/s"
    yield f"{len(client.replica.geometry.leaves)} shards"
    for crowd in crowds(client.replica):
        if len(crowd.ids):
            yield f"{crowd.kind.name.lower()} {len(crowd.ids)}"
    statistics = client.statistics()
    yield f"{statistics.crc_checks} checks, {statistics.mismatches} mismatches"
    yield "q quits"
