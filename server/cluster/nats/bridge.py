"""The link to NATS that comes back, over one connection after another.

Invariants: nothing that was published while the link was down, or waited for the socket when it
broke, is sent later: a new connection has only the subscriptions. `publish` never waits. Commands
reach the server in the order of the calls.

Resource handling: `run` owns the connection; cancel it to close.
Error handling: `run` raises nothing when the engine is away, it reconnects. What is wrong from the
beginning (nobody answers in time, wrong password, too old a server) is what `task_status` gets.

Must not know: JetStream, what the bytes mean.
"""

from collections.abc import Callable
from itertools import count

import attrs
import structlog
import trio

from server.cluster.nats import limits
from server.cluster.nats.connection import Connection, Unreachable, connections
from server.cluster.nats.errors import EngineError
from server.cluster.nats.outbox import Arrival, Flush, Outbox, Publish, Subscribe, Unsubscribe
from server.cluster.nats.pauses import growing_pauses
from server.cluster.nats.settings import EngineSettings
from server.cluster.nats.versions import ServerInfo, check_server
from server.cluster.seams import BusState

__all__ = ["Bridge", "BridgeStatistics"]

_log = structlog.get_logger(__name__)


@attrs.frozen
class BridgeStatistics:
    """Since the start: connections made, messages sent, and those dropped for want of a link or of
    room.
    """

    connections: int
    sent: int
    dropped: int


class Bridge:
    """A link that comes back. `name` is what the engine's operator sees."""

    def __init__(self, settings: EngineSettings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._urls = list(settings.urls)
        self._state = BusState.DOWN
        self._outbox = Outbox()
        self._connection: Connection | None = None
        self._numbers = count(1)
        self._subscriptions: dict[int, Subscribe] = {}
        self._listeners: list[Callable[[BusState], None]] = []
        self._connections = 0

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
        return BridgeStatistics(self._connections, self._outbox.sent, self._outbox.dropped)

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
            self._outbox.dropped += 1
            return
        waiting = self._outbox.bytes + connection.pending_bytes
        if droppable and waiting + len(data) > limits.WAITING_BYTES_MAX:
            self._outbox.dropped += 1
            return
        self._outbox.put(Publish(subject, data, reply, headers))

    def subscribe(self, pattern: str, deliver: Callable[[Arrival], None]) -> int:
        """Have `deliver` called with what matches, now and after every reconnect.

        It must not raise and not wait. Returns a number for `unsubscribe`.
        """
        subscription = Subscribe(next(self._numbers), pattern, deliver)
        self._subscriptions[subscription.number] = subscription
        if self._state is BusState.UP:
            self._outbox.put(subscription)
        return subscription.number

    def unsubscribe(self, number: int) -> None:
        """Receive nothing more for that subscription."""
        if self._subscriptions.pop(number, None) is not None and self._state is BusState.UP:
            self._outbox.put(Unsubscribe(number))

    async def flush(self) -> None:
        """Wait until what was sent has reached the server and what it sent has been delivered.

        Returns at once while the link is down, and when it breaks.
        """
        if self._state is BusState.DOWN:
            await trio.lowlevel.checkpoint()
            return
        flush = Flush(trio.Event())
        self._outbox.put(flush)
        await flush.done.wait()

    # --- the link --------------------------------------------------------------------------------

    async def run(
        self, *, task_status: trio.TaskStatus[EngineError | None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Connect, and stay connected until cancelled; see above."""
        async with connections():
            try:
                connection = await self._connect_first()
            except EngineError as failure:
                task_status.started(failure)
                return
            task_status.started(None)
            while True:
                await self._use(connection)
                connection = await self._connect_again()

    async def _connect_first(self) -> "Connection":
        """EngineError if nobody answers in time, or if waiting would not help."""
        deadline = trio.current_time() + self._settings.wait_s
        pauses = growing_pauses(limits.RECONNECT_FIRST_S, limits.RECONNECT_MAX_S)
        while True:
            try:
                return await self._connect_any()
            except Unreachable as error:
                if error.final or trio.current_time() >= deadline:
                    raise EngineError(str(error)) from error
            await trio.sleep(next(pauses))

    async def _connect_again(self) -> "Connection":
        pauses = growing_pauses(limits.RECONNECT_FIRST_S, limits.RECONNECT_MAX_S)
        told = ""
        while True:
            try:
                return await self._connect_any()
            except (Unreachable, EngineError) as error:
                if str(error) != told:
                    told = str(error)
                    _log.warning("engine unreachable", reason=told)
            await trio.sleep(next(pauses))

    async def _connect_any(self) -> "Connection":
        """A link to the first server that answers. EngineError if that one will not do."""
        reason = Unreachable("")
        for url in list(self._urls):
            self._urls.remove(url)  # the next attempt begins with another one
            self._urls.append(url)
            connection = Connection(url)
            try:
                await connection.open(self._settings, self._name)
                check_server(connection.server)
                await self._resubscribe(connection)
            except Unreachable as error:
                reason = error
                await connection.close()
                continue
            except BaseException:
                await connection.close()
                raise
            self._urls += [other for other in connection.others if other not in self._urls]
            return connection
        raise reason

    async def _resubscribe(self, connection: "Connection") -> None:
        known: set[int] = set()
        while missing := [each for each in self._subscriptions if each not in known]:
            for number in missing:
                known.add(number)
                if number in self._subscriptions:
                    await connection.subscribe(self._subscriptions[number])
        # Nothing has run since the last look: `_use` makes the link known without waiting.

    async def _use(self, connection: "Connection") -> None:
        """Serve the link until it is lost."""
        self._connection = connection
        self._connections += 1
        self._change(BusState.UP)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(connection.pump, self._outbox)
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
            self._outbox.clear()
        for listener in self._listeners:
            listener(state)
