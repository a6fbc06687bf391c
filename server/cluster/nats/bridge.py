"""The link to NATS: nats-py, which lives in asyncio, behind calls that trio's code makes.

This is the only module that knows nats-py and trio-asyncio. Nothing crosses from one to the other
message by message: what is published lies in an outbox that one asyncio task (the pump) empties,
and what arrives is handed to plain functions.

Invariants: nothing that was published while the link was down, or waited for the socket when it
broke, is sent later: a new connection is a new client object, which has only the subscriptions.
`publish` never waits. Commands reach the server in the order of the calls.

Resource handling: `run` owns the connection and everything asyncio; cancel it to close.
Error handling: `run` raises nothing when the engine is away, it reconnects. What is wrong from the
beginning (nobody answers in time, wrong password, too old a server) it returns as the failure that
`task_status` gets.

Must not know: JetStream, what the bytes mean.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any, Final

import attrs
import nats.errors
import structlog
import trio
import trio_asyncio
from nats.aio.client import Client, RawCredentials
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport

from server.cluster.nats import limits
from server.cluster.nats.errors import EngineError
from server.cluster.nats.pauses import growing_pauses
from server.cluster.nats.settings import EngineSettings
from server.cluster.nats.versions import ServerInfo, check_server
from server.cluster.seams import BusState

__all__ = ["Arrival", "Bridge", "BridgeStatistics"]

_log = structlog.get_logger(__name__)

# trio-asyncio takes the place of asyncio's loops outside of trio as well, where nobody here needs
# it and others (Playwright's driver in the tests) break on it: there they are what they were.
with suppress(RuntimeError):  # this module is being imported from within trio
    asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())

_NEVER_S: Final = 10**9  # nats-py's own pings are too slow; the probe is ours


@attrs.frozen
class Arrival:
    """A message that came. `reply` is "" for none."""

    subject: str
    reply: str
    headers: Mapping[str, str]
    data: bytes


@attrs.frozen
class BridgeStatistics:
    """Since the start: connections made, messages sent, and those dropped for want of a link or of
    room.
    """

    connections: int
    sent: int
    dropped: int


@attrs.frozen
class _Publish:
    subject: str
    data: bytes
    reply: str
    headers: dict[str, str] | None
    droppable: bool


@attrs.frozen
class _Subscribe:
    number: int
    pattern: str
    deliver: Callable[[Arrival], None]


@attrs.frozen
class _Unsubscribe:
    number: int


@attrs.frozen
class _Flush:
    done: trio.Event


_Command = _Publish | _Subscribe | _Unsubscribe | _Flush


class Bridge:
    """A link that comes back. `name` is what the engine's operator sees."""

    def __init__(self, settings: EngineSettings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._urls = list(settings.urls)
        self._state = BusState.DOWN
        self._outbox: deque[_Command] = deque()
        self._outbox_bytes = 0
        self._wake: asyncio.Event | None = None
        self._connection: _Connection | None = None
        self._numbers = count(1)
        self._subscriptions: dict[int, _Subscribe] = {}
        self._listeners: list[Callable[[BusState], None]] = []
        self._connections = 0
        self._sent = 0
        self._dropped = 0

    @property
    def state(self) -> BusState:
        """Whether messages flow."""
        return self._state

    @property
    def server(self) -> ServerInfo | None:
        """The server that the link goes to, None while it is down."""
        return self._connection.server if self._connection else None

    def statistics(self) -> BridgeStatistics:
        """Counters since the start."""
        return BridgeStatistics(self._connections, self._sent, self._dropped)

    def listen(self, listener: Callable[[BusState], None]) -> None:
        """Have `listener` called at every change of the state. It must not raise."""
        self._listeners.append(listener)

    # --- sending and receiving -------------------------------------------------------------------

    def publish(
        self,
        subject: str,
        data: bytes,
        *,
        reply: str = "",
        headers: dict[str, str] | None = None,
        droppable: bool = False,
    ) -> None:
        """Send if the link is up. What is `droppable` is dropped when too much waits already."""
        connection = self._connection
        if self._state is BusState.DOWN or connection is None:
            self._dropped += 1
            return
        waiting = self._outbox_bytes + connection.pending_bytes
        if droppable and waiting + len(data) > limits.WAITING_BYTES_MAX:
            self._dropped += 1
            return
        self._outbox_bytes += len(data)
        self._put(_Publish(subject, data, reply, headers, droppable))

    def subscribe(self, pattern: str, deliver: Callable[[Arrival], None]) -> int:
        """Have `deliver` called with what matches, now and after every reconnect.

        It must not raise and not wait. Returns a number for `unsubscribe`.
        """
        subscription = _Subscribe(next(self._numbers), pattern, deliver)
        self._subscriptions[subscription.number] = subscription
        if self._state is BusState.UP:
            self._put(subscription)
        return subscription.number

    def unsubscribe(self, number: int) -> None:
        """Receive nothing more for that subscription."""
        if self._subscriptions.pop(number, None) is not None and self._state is BusState.UP:
            self._put(_Unsubscribe(number))

    async def flush(self) -> None:
        """Wait until what was sent has reached the server and what it sent has been delivered.

        Returns at once while the link is down, and when it breaks.
        """
        if self._state is BusState.DOWN:
            await trio.lowlevel.checkpoint()
            return
        flush = _Flush(trio.Event())
        self._put(flush)
        await flush.done.wait()

    def _put(self, command: _Command) -> None:
        self._outbox.append(command)
        if self._wake is not None and not self._wake.is_set():
            self._wake.set()

    # --- the link --------------------------------------------------------------------------------

    async def run(
        self, *, task_status: trio.TaskStatus[EngineError | None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Connect, and stay connected until cancelled; see above."""
        async with trio_asyncio.open_loop():
            try:
                connection = await self._connect_first()
            except EngineError as failure:
                task_status.started(failure)
                return
            task_status.started(None)
            while True:
                await self._use(connection)
                connection = await self._connect_again()

    async def _connect_first(self) -> "_Connection":
        """EngineError if nobody answers in time, or if waiting would not help."""
        deadline = trio.current_time() + self._settings.wait_s
        pauses = growing_pauses(limits.RECONNECT_FIRST_S, limits.RECONNECT_MAX_S)
        while True:
            try:
                return await self._connect_any()
            except _Unreachable as error:
                if error.final or trio.current_time() >= deadline:
                    raise EngineError(str(error)) from error
            await trio.sleep(next(pauses))

    async def _connect_again(self) -> "_Connection":
        pauses = growing_pauses(limits.RECONNECT_FIRST_S, limits.RECONNECT_MAX_S)
        told = ""
        while True:
            try:
                return await self._connect_any()
            except (_Unreachable, EngineError) as error:
                if str(error) != told:
                    told = str(error)
                    _log.warning("engine unreachable", reason=told)
            await trio.sleep(next(pauses))

    async def _connect_any(self) -> "_Connection":
        """A link to the first server that answers. EngineError if that one will not do."""
        reason = _Unreachable("")
        for url in list(self._urls):
            self._urls.remove(url)  # the next attempt begins with another one
            self._urls.append(url)
            connection = _Connection(url)
            try:
                await connection.open(self._settings, self._name)
                check_server(connection.server)
                await self._resubscribe(connection)
            except _Unreachable as error:
                reason = error
                await connection.close()
                continue
            except BaseException:
                await connection.close()
                raise
            self._urls += [other for other in connection.others if other not in self._urls]
            return connection
        raise reason

    async def _resubscribe(self, connection: "_Connection") -> None:
        known: set[int] = set()
        while missing := [each for each in self._subscriptions if each not in known]:
            for number in missing:
                known.add(number)
                if number in self._subscriptions:
                    await trio_asyncio.aio_as_trio(connection.obey)(self._subscriptions[number])
        # Nothing has run since the last look: `_use` makes the link known without waiting.

    async def _use(self, connection: "_Connection") -> None:
        """Serve the link until it is lost."""
        self._wake = asyncio.Event()
        self._connection = connection
        self._connections += 1
        self._change(BusState.UP)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio_asyncio.aio_as_trio(self._pump), connection, self._wake)
                nursery.start_soon(connection.probe)
                await connection.lost.wait()
                nursery.cancel_scope.cancel()
        finally:
            self._change(BusState.DOWN)
            await connection.close()
        _log.warning("engine link lost", url=connection.url, reason=connection.reason)

    def _change(self, state: BusState) -> None:
        self._state = state
        if state is BusState.DOWN:
            self._connection = None
            for command in self._outbox:
                if isinstance(command, _Flush):
                    command.done.set()
                elif isinstance(command, _Publish):
                    self._dropped += 1
            self._outbox.clear()
            self._outbox_bytes = 0
        for listener in self._listeners:
            listener(state)

    async def _pump(self, connection: "_Connection", wake: asyncio.Event) -> None:
        """Hand the outbox to the client, in asyncio."""
        while True:
            await wake.wait()
            wake.clear()
            while self._outbox:
                command = self._outbox[0]
                try:
                    await connection.obey(command)
                except nats.errors.MaxPayloadError:
                    self._dropped += 1
                    _log.error("message too long for the engine", subject=_subject(command))
                except (nats.errors.Error, OSError) as error:
                    connection.lose(error)
                    return
                if self._outbox and self._outbox[0] is command:  # else the link went down
                    self._outbox.popleft()
                    if isinstance(command, _Publish):
                        self._outbox_bytes -= len(command.data)
                        self._sent += 1
                    elif isinstance(command, _Flush):
                        command.done.set()


class _Unreachable(Exception):  # noqa: N818 - never leaves this module
    """A server cannot be used now; `final` if waiting would not help."""

    def __init__(self, text: str, *, final: bool = False) -> None:
        super().__init__(text)
        self.final = final


class _Transport(TcpTransport):
    """nats-py's transport, which can also be let go of without a goodbye."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # nats-py leaves it so

    def __bool__(self) -> bool:
        return True  # so that the client uses this one

    def abort(self) -> None:
        if self._io_writer is not None:
            self._io_writer.transport.abort()


class _Connection:
    """One connection of its own client, which is thrown away with all that waits in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lost = trio.Event()
        self.reason = ""
        self.server = ServerInfo(url, "", "", jetstream=False, payload_bytes_max=0)
        self.others: list[str] = []
        self._client = Client()
        self._transport = _Transport()
        self._subscriptions: dict[int, Subscription] = {}

    @property
    def pending_bytes(self) -> int:
        return self._client.pending_data_size

    async def open(self, settings: EngineSettings, name: str) -> None:
        """Connect. `_Unreachable` if that fails."""
        # nats-py makes a transport only if it has none, and tells of a cluster only inside.
        self._client._transport = self._transport  # noqa: SLF001
        try:
            with trio.fail_after(limits.CONNECT_S * 2):
                await trio_asyncio.aio_as_trio(self._client.connect)(
                    **_options(settings, self.url, name), error_cb=self._fail, closed_cb=self._end
                )
        except (nats.errors.Error, OSError, TimeoutError, trio.TooSlowError, ssl.SSLError) as error:
            reason = self.reason or str(error) or type(error).__name__
            words = f"there is no engine at {self.url}: {reason}"
            refused = "authorization" in reason.lower() or isinstance(error, ssl.SSLError)
            raise _Unreachable(words, final=refused) from error
        info = self._client._server_info  # noqa: SLF001
        self.server = ServerInfo(
            url=self.url,
            version=str(info.get("version", "")),
            cluster=str(info.get("cluster", "")),
            jetstream=bool(info.get("jetstream", False)),
            payload_bytes_max=self._client.max_payload,
        )
        scheme = self.url.partition("://")[0]
        self.others = [f"{scheme}://{other.netloc}" for other in self._client.discovered_servers]

    async def obey(self, command: _Command) -> None:
        """Do what was put in the outbox; in asyncio."""
        match command:
            case _Publish(subject, data, reply, headers):
                await self._client.publish(subject, data, reply=reply, headers=headers)
            case _Subscribe(number, pattern, deliver):
                self._subscriptions[number] = await self._client.subscribe(
                    pattern,
                    cb=partial(_arrived, deliver),
                    pending_msgs_limit=0,  # what is delivered is taken at once
                    pending_bytes_limit=0,
                )
            case _Unsubscribe(number):
                subscription = self._subscriptions.pop(number, None)
                if subscription is not None:
                    await subscription.unsubscribe()
            case _Flush():
                await self._flush()

    async def _flush(self) -> None:
        # nats-py has no events for either of these; its ping would overtake what is pending.
        while self._client.pending_data_size:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await self._client.rtt(_NEVER_S)
        while any(each.pending_msgs for each in self._subscriptions.values()):  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def probe(self) -> None:
        """Find out when the other end is gone without a word."""
        while True:
            await trio.sleep(limits.PROBE_EVERY_S)
            try:
                with trio.fail_after(limits.PROBE_PATIENCE_S):
                    await trio_asyncio.aio_as_trio(self._client.rtt)(_NEVER_S)
            except (trio.TooSlowError, nats.errors.Error, OSError) as error:
                self.lose(error)
                return

    def lose(self, error: Exception) -> None:
        """Take the connection for lost."""
        if not self.lost.is_set():
            self.reason = str(error) or type(error).__name__
            self.lost.set()

    async def close(self) -> None:
        """Say goodbye if it is not lost, and let go of the socket in any case."""
        with trio.CancelScope(shield=True):
            if not self.lost.is_set():
                await self._close_client()
            self._transport.abort()
            await self._close_client()

    async def _close_client(self) -> None:
        with trio.move_on_after(limits.CLOSE_S):
            try:
                await trio_asyncio.aio_as_trio(self._client.close)()
            except (nats.errors.Error, OSError, AssertionError, AttributeError) as error:
                _log.debug("closing a link", url=self.url, error=str(error))

    async def _fail(self, error: Exception) -> None:
        self.reason = str(error) or type(error).__name__

    async def _end(self) -> None:
        self.lose(ConnectionError(self.reason or "closed by the server"))


async def _arrived(deliver: Callable[[Arrival], None], message: Msg) -> None:
    deliver(Arrival(message.subject, message.reply, message.headers or {}, message.data))


def _options(settings: EngineSettings, url: str, name: str) -> dict[str, Any]:
    """What nats-py is told for one attempt at one server."""
    options: dict[str, Any] = {
        "servers": [url],
        "name": name,
        "allow_reconnect": False,
        "max_reconnect_attempts": 1,
        "reconnect_time_wait": limits.RECONNECT_FIRST_S,
        "connect_timeout": limits.CONNECT_S,
        "ping_interval": _NEVER_S,
        "skip_subject_validation": True,  # they are checked when they are made
        "user": settings.user,
        "password": settings.password,
        "token": settings.token,
    }
    if settings.credentials is not None:
        options["user_credentials"] = RawCredentials(settings.credentials.read_text())
    if settings.tls:
        context = ssl.create_default_context(cafile=settings.tls_ca)
        if settings.tls_cert is not None:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
        options["tls"] = context
    return options


def _subject(command: _Command) -> str:
    return command.subject if isinstance(command, _Publish) else ""
