"""One connection to one nats-server, by nats-py, which lives in asyncio.

This is the only module that knows nats-py and trio-asyncio; to others everything here is trio's.
Nothing crosses from one to the other message by message: what is to be sent lies in an outbox that
one asyncio task (the pump) empties, and what arrives is handed to plain functions.

A connection is used once. When it is lost it is thrown away with all that waits in it; nats-py's
own reconnecting, which would send that later, is not used.

Must not know: JetStream, what the bytes mean.
"""

import asyncio
import ssl
import warnings
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import Any, Final

import nats.errors
import structlog
import trio
import trio_asyncio
from nats.aio.client import Client, RawCredentials
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport

from server.cluster.nats import limits
from server.cluster.nats.outbox import (
    Arrival,
    Command,
    Flush,
    Outbox,
    Publish,
    Subscribe,
    Unsubscribe,
)
from server.cluster.nats.settings import EngineSettings
from server.cluster.nats.versions import ServerInfo

__all__ = ["Connection", "Unreachable", "connections"]

_log = structlog.get_logger(__name__)

# trio-asyncio takes the place of asyncio's loops outside of trio as well, where nobody here needs
# it and others (Playwright's driver in the tests) break on it: there they are what they were.
with suppress(RuntimeError), warnings.catch_warnings():  # it may be imported from within trio
    warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.14
    asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())

_NEVER_S: Final = 10**9  # nats-py's own pings are too slow; the probe is ours


def connections() -> AbstractAsyncContextManager[object]:
    """What connections need around them."""
    loop: AbstractAsyncContextManager[object] = trio_asyncio.open_loop()
    return loop


class Unreachable(Exception):  # noqa: N818 - reads as the fact that it is
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


class Connection:
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
        """What the client has taken and not yet handed to the socket."""
        return self._client.pending_data_size

    async def open(self, settings: EngineSettings, name: str) -> None:
        """Connect. `Unreachable` if that fails."""
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
            raise Unreachable(words, final=refused) from error
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

    async def subscribe(self, subscription: Subscribe) -> None:
        """Make a subscription before the outbox is opened."""
        await trio_asyncio.aio_as_trio(self._obey)(subscription)

    async def pump(self, outbox: Outbox) -> None:
        """Send what is put in the outbox until the connection is lost."""
        await trio_asyncio.aio_as_trio(self._pump)(outbox)

    async def _pump(self, outbox: Outbox) -> None:
        wake = asyncio.Event()
        wake.set()
        outbox.wake = wake.set
        while True:
            await wake.wait()
            wake.clear()
            while (command := outbox.first()) is not None:
                sent = True
                try:
                    await self._obey(command)
                except nats.errors.MaxPayloadError as error:
                    sent = False
                    _log.error("message too long for the engine", reason=str(error))
                except (nats.errors.Error, OSError) as error:
                    self.lose(error)
                    return
                outbox.done(command, sent=sent)

    async def _obey(self, command: Command) -> None:
        """Do what was put in the outbox; in asyncio."""
        match command:
            case Publish(subject, data, reply, headers):
                await self._client.publish(subject, data, reply=reply, headers=headers)
            case Subscribe(number, pattern, deliver):
                self._subscriptions[number] = await self._client.subscribe(
                    pattern,
                    cb=partial(_arrived, deliver),
                    pending_msgs_limit=0,  # what is delivered is taken at once
                    pending_bytes_limit=0,
                )
            case Unsubscribe(number):
                subscription = self._subscriptions.pop(number, None)
                if subscription is not None:
                    await subscription.unsubscribe()
            case Flush():
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
