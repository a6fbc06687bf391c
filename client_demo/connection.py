"""A client's connection: drives a `protocol.client.Client` over a WebSocket, and comes back.

A lost link is resumed with the session's token, at the next gateway if there are several, after a
pause that doubles with every failure. The server's close code says whether coming back makes sense.

The only module here that knows trio-websocket. Must not know: games, screens, what snapshots say.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast
from urllib.parse import SplitResult, urlsplit

import attrs
import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    WebSocketConnection,
    wrap_client_stream,
)

from client_demo import limits
from client_demo.conditioned import ConditionedStream
from client_demo.totals import ConnectionStatistics
from client_demo.wire import CountedStream, dial
from protocol.client import Client
from protocol.errors import CloseCode, RemoteProtocolError
from protocol.limits import SERVER_MESSAGE_BYTES_MAX, SUBPROTOCOL
from protocol.link import ConditionedLink, Profile

__all__ = [
    "Connection",
    "ConnectionEndedError",
    "ConnectionStatistics",
    "LinkOptions",
    "unwrapped",
]

# Coming back would only earn the same answer.
_FINAL: Final = frozenset(
    {
        CloseCode.POLICY,
        CloseCode.TOO_BIG,
        CloseCode.BAD_MESSAGE,
        CloseCode.AUTH,
        CloseCode.KICKED,
        CloseCode.TAKEN_OVER,
        CloseCode.VERSION,
        CloseCode.RATE,
    }
)
_CLIENT_TOTALS: Final = ("snapshots", "crc_checks", "mismatches", "inputs")
_LOST: Final = 1006


class ConnectionEndedError(Exception):
    """The connection is over for good; the message says why, for a person."""

    def __init__(self, reason: str, code: int = _LOST) -> None:
        super().__init__(reason)
        self.code = code


@contextmanager
def unwrapped() -> Iterator[None]:
    """Raise what ended a connection as itself, not in the groups of nurseries."""
    try:
        yield
    except* ConnectionEndedError as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None


@attrs.frozen(kw_only=True)
class LinkOptions:
    """How a link is made and kept.

    `tick_hz`: how often the client is given time to ping, acknowledge and pace its inputs.
    `receive_buffer_bytes`: of the kernel, None for its own choice. `attempts_max`: failures in a
    row after which the connection gives up; 1 never comes back. `backoff_s_max`: the longest pause
    before it tries again. `profile`: of a bad link that is put between the two ends, with the
    chance of `link_seed`; None for none. `more_urls`: of further gateways of the same world, which
    take turns when a link is lost.
    """

    tick_hz: float = 20.0
    receive_buffer_bytes: int | None = None
    attempts_max: int = limits.ATTEMPTS_MAX
    backoff_s_max: float = limits.BACKOFF_S_MAX
    profile: Profile | None = None
    link_seed: int = 0
    more_urls: tuple[str, ...] = ()


class Connection:
    """One client at `url` (ws:// or wss://), across as many links as it takes.

    `make_client` gives a client that has said nothing yet; a second one is needed only when the
    session is lost for good.
    """

    def __init__(
        self, url: str, make_client: Callable[[], Client], options: LinkOptions | None = None
    ) -> None:
        self.client = make_client()
        self._options = options or LinkOptions()
        self._urls = deque(urlsplit(each) for each in (url, *self._options.more_urls))
        self._make_client = make_client
        self._chance = random.Random()  # noqa: S311 - spreads a crowd that comes back, no secrets
        self._conditioned = (
            ConditionedLink(self._options.profile, self._options.link_seed)
            if self._options.profile is not None
            else None
        )
        self._stream: CountedStream | None = None
        self._socket: WebSocketConnection | None = None
        self._link_scope = trio.CancelScope()
        self._welcomed = trio.Event()
        self._playing = False
        self._paused = False
        self._left = trio.Event()
        self._past = dict.fromkeys(_CLIENT_TOTALS, 0)
        self._links = self._disconnects = self._resumes = self._rejoins = 0
        self._lost_at: float | None = None
        self._away_s_max = 0.0
        self._bytes_received = self._bytes_sent = self._messages_received = 0

    @property
    def _url(self) -> SplitResult:
        """Of the gateway whose turn it is."""
        return self._urls[0]

    @property
    def open(self) -> bool:
        """Whether a link is open and the server has said welcome, and not goodbye, on it."""
        return self._playing and self.client.goodbye is None and not self._left.is_set()

    @property
    def paused(self) -> bool:
        """Whether the client has stopped reading; for tests of what the server does then."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        self._paused = paused
        if self._stream is not None:
            self._stream.paused = paused

    async def wait_welcomed(self) -> None:
        """Wait for the first welcome."""
        await self._welcomed.wait()

    async def run(self) -> None:
        """Connect, play until `leave`, and come back whenever the link is lost.

        Raises ConnectionEndedError when there is no coming back.
        """
        failures, code = 0, _LOST
        while not self._left.is_set():
            messages_before = self._messages_received
            resuming = self.client.welcome is not None
            before, (code, reason) = code, await self._run_link(resuming=resuming)
            if self._left.is_set():
                return
            if code == CloseCode.AUTH and resuming:
                self._begin_anew()
            elif code in _FINAL and not self._may_resume_after(code, before):
                raise ConnectionEndedError(reason or f"closed with code {code}", code)
            failures = 1 if self._messages_received > messages_before else failures + 1
            if failures >= self._attempts_max():
                raise ConnectionEndedError(reason, code)
            self._urls.rotate(-1)
            with trio.move_on_after(self._pause_s(failures)):
                await self._left.wait()

    def _may_resume_after(self, code: int, before: int) -> bool:
        """A player who was too slow to read may come back, once in a row: it may have slept."""
        was_slow = code == CloseCode.POLICY and self.client.welcome is not None
        return was_slow and before != CloseCode.POLICY

    async def leave(self) -> None:
        """Say goodbye, so that the session ends at once, and close the link; once is enough."""
        if self._left.is_set():
            return
        self._left.set()
        with trio.move_on_after(limits.CLOSE_S):
            if self._socket is not None:
                try:
                    await self._socket.send_message(self.client.leave())
                    await self._socket.aclose()
                except ConnectionClosed:
                    pass
        self._link_scope.cancel()

    def drop(self) -> None:
        """Lose the link as a broken network would, and come back; for tests."""
        self._link_scope.cancel()

    def statistics(self) -> ConnectionStatistics:
        """Totals, the link that is open now included."""
        stream = self._stream
        return ConnectionStatistics(
            links=self._links,
            disconnects=self._disconnects,
            resumes=self._resumes,
            rejoins=self._rejoins,
            away_s_max=max(self._away_s_max, self._away_s()),
            bytes_received=self._bytes_received + (stream.bytes_received if stream else 0),
            bytes_sent=self._bytes_sent + (stream.bytes_sent if stream else 0),
            messages_received=self._messages_received,
            stalls=self._stalls(),
            **self._client_totals(),
        )

    def _stalls(self) -> int:
        link = self._conditioned
        return link.up.statistics().stalls + link.down.statistics().stalls if link else 0

    def _away_s(self) -> float:
        """For how long there has been no link, 0 while there is one."""
        return 0.0 if self._lost_at is None else trio.current_time() - self._lost_at

    def _begin_anew(self) -> None:
        """The session is gone for good: another client takes over."""
        self._past = self._client_totals()
        self.client = self._make_client()
        self._rejoins += 1

    def _client_totals(self) -> dict[str, int]:
        now = self.client.statistics()
        return {name: self._past[name] + getattr(now, name) for name in _CLIENT_TOTALS}

    # --- one link --------------------------------------------------------------------------------

    async def _run_link(self, *, resuming: bool) -> tuple[int, str]:
        """Live through one link; the close code and reason with which it ended."""
        outcome = (_LOST, "the connection was lost")
        self._link_scope = trio.CancelScope()
        try:
            with self._link_scope:
                await self._converse(resuming=resuming)
        except* ConnectionClosed as group:
            outcome = _close_outcome(group)
        except* ConnectionRejected as group:
            outcome = (_LOST, f"the server at {self._url.netloc} refuses: {_first(group)}")
        except* RemoteProtocolError as group:
            outcome = (CloseCode.BAD_MESSAGE, f"the server does not speak shoal: {_first(group)}")
        except* (OSError, trio.BrokenResourceError, trio.ClosedResourceError) as group:
            outcome = (_LOST, f"cannot reach {self._url.netloc}: {_first(group)}")
        except* trio.TooSlowError:
            outcome = (_LOST, f"{self._url.netloc} does not answer")
        finally:
            await self._end_link()
        return outcome

    async def _converse(self, *, resuming: bool) -> None:
        async with trio.open_nursery() as nursery:
            with trio.fail_after(limits.CONNECT_S):
                socket = await self._open(nursery)
            client = self.client
            hello = client.reconnect() if resuming else client.start()
            await self._send(socket, hello)
            self._socket = socket
            nursery.start_soon(self._keep_time, socket, client)
            before = client.welcome
            while True:
                data = await self._next_message(socket)
                if self._left.is_set():
                    continue  # the client has said goodbye; what was under way is not for it
                self._messages_received += 1
                if isinstance(data, str):
                    raise RemoteProtocolError("a text message")
                client.receive(data, trio.current_time())
                if client.welcome is not before:
                    before = client.welcome
                    self._resumes += resuming
                    self._away_s_max = max(self._away_s_max, self._away_s())
                    self._lost_at = None
                    self._playing = True
                    self._welcomed.set()
                await self._send_outgoing(socket, client)

    async def _open(self, nursery: trio.Nursery) -> WebSocketConnection:
        url = self._url
        tls = url.scheme == "wss"
        port = url.port or (443 if tls else 80)
        host = url.hostname or "localhost"
        self._stream = CountedStream(
            await dial(host, port, tls=tls, receive_buffer_bytes=self._options.receive_buffer_bytes)
        )
        self._stream.paused = self._paused
        self._links += 1
        stream: trio.abc.Stream = self._stream
        if self._conditioned is not None:
            conditioned = stream = ConditionedStream(stream, self._conditioned)
            nursery.start_soon(conditioned.run)
        # trio-websocket waits for ever when the server goes away in the middle of the handshake.
        socket: WebSocketConnection | None = None
        async with trio.open_nursery() as waiting:
            waiting.start_soon(_cancel_after, self._stream.ended, waiting.cancel_scope)
            socket = await wrap_client_stream(
                nursery,
                cast("Any", stream),  # any stream will do, whatever the annotation says
                url.netloc,
                (url.path or "/") + (f"?{url.query}" if url.query else ""),
                subprotocols=[SUBPROTOCOL],
                max_message_size=SERVER_MESSAGE_BYTES_MAX,
                receive_buffer_size=limits.RECEIVE_BYTES,
            )
            waiting.cancel_scope.cancel()
        if socket is None:
            raise trio.BrokenResourceError("the connection was lost")
        return socket

    async def _next_message(self, socket: WebSocketConnection) -> bytes | str:
        try:
            return await socket.get_message()
        except ConnectionClosed:
            await self._wait_left()
            raise

    async def _keep_time(self, socket: WebSocketConnection, client: Client) -> None:
        while True:
            await trio.sleep(1 / self._options.tick_hz)
            await self._wait_left()
            client.tick(trio.current_time())
            await self._send_outgoing(socket, client)

    async def _send_outgoing(self, socket: WebSocketConnection, client: Client) -> None:
        for data in client.outgoing():
            await self._send(socket, data)

    async def _send(self, socket: WebSocketConnection, data: bytes) -> None:
        await self._wait_left()  # nothing may follow the goodbye, not even what was said before it
        try:
            await socket.send_message(data)
        except ConnectionClosed:
            await self._wait_left()
            raise

    async def _wait_left(self) -> None:
        """While leaving, wait: `leave` ends the link when its closing handshake is done."""
        if self._left.is_set():
            await trio.sleep_forever()

    async def _end_link(self) -> None:
        stream, self._stream = self._stream, None
        played, self._playing = self._playing, False
        self._socket = None
        if stream is not None:
            self._bytes_received += stream.bytes_received
            self._bytes_sent += stream.bytes_sent
            await trio.aclose_forcefully(stream)
        if played and not self._left.is_set():
            self._disconnects += 1
            self._lost_at = trio.current_time()

    def _attempts_max(self) -> int:
        known = self._welcomed.is_set()
        return self._options.attempts_max if known else limits.FIRST_ATTEMPTS_MAX

    def _pause_s(self, failures: int) -> float:
        longest = min(limits.BACKOFF_S_FIRST * 2 ** (failures - 1), self._options.backoff_s_max)
        goodbye = self.client.goodbye
        asked_s = min(goodbye.retry_s, limits.BACKOFF_S_MAX) if goodbye is not None else 0.0
        return asked_s + self._chance.uniform(longest / 2, longest)


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    """Cancel when nothing more can come, once what came has been looked at."""
    await event.wait()
    await trio.sleep(limits.LAST_WORDS_S)
    scope.cancel()


def _close_outcome(group: BaseExceptionGroup[ConnectionClosed]) -> tuple[int, str]:
    reason = getattr(_first(group), "reason", None)
    if reason is None:
        return _LOST, "the connection was lost"
    return reason.code, reason.reason or f"closed with code {reason.code}"


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, at any depth."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
