"""Listening for clients: an accept loop of our own, with one guard around each connection.

trio-websocket's own server can be ended by one hostile client, because what one connection raises
ends all of them; here it ends in `connection.Connection`.

Must not know: gateways, what messages mean.
"""

import errno
import os
import resource
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Final

import attrs
import structlog
import trio

from server.net import limits
from server.net.binding import ListenError, bind, close_all
from server.net.connection import Connection, OnLink
from server.net.doors import Doors, origin_of
from server.net.drain import Drain
from server.net.forwarded import TrustedProxies
from server.net.pages import Pages
from server.net.seat import Seat
from server.net.socket import SocketLink
from server.net.visitors import Visitors

__all__ = ["ListenConfig", "ListenError", "ListenStatistics", "Listening", "listen"]

_log = structlog.get_logger(__name__)

# The system has run out of something; waiting is all that helps.
_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS))


@attrs.frozen(kw_only=True)
class ListenConfig:
    """Who may come in.

    `clients_max` leaves room beyond it for handshakes, so that the gateway can say that it is full;
    `descriptors_max` None asks the system. `pages` are for connections that ask for no upgrade,
    which have room of their own. `trusted_proxies` may say for whom they speak, by the PROXY
    protocol or by X-Forwarded-For; that is the address which counts then.
    """

    origins: tuple[str, ...] = ()
    clients_max: int = 4000
    clients_per_address_max: int = 1000
    descriptors_max: int | None = None
    pages: Pages | None = None
    trusted_proxies: tuple[str, ...] = ()

    @property
    def connections_max(self) -> int:
        """How many connections are held at once, handshakes included and visits for pages not."""
        descriptors = self.descriptors_max
        if descriptors is None:
            descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        visits = 0 if self.pages is None else limits.VISITS_MAX
        room = max(descriptors - limits.DESCRIPTORS_RESERVED - visits, 1)
        return min(self.clients_max + limits.HANDSHAKES_MAX, room)


@attrs.frozen(kw_only=True)
class ListenStatistics:
    """Totals since listening began: `accepted` counts connections that became links, `turned_away`
    those for which there was no room, `visits` those that came for pages; `connections` are in now.
    """

    connections: int
    accepted: int
    visits: int
    turned_away: int
    stuck: int


class Listening:
    """Where `listen` listens, and the way to end it in order."""

    def __init__(
        self,
        addresses: list[tuple[str, int]],
        statistics: Callable[[], ListenStatistics],
        accepting: trio.CancelScope,
        empty: trio.Event,
    ) -> None:
        self.addresses = addresses
        self.statistics = statistics
        self._accepting = accepting
        self._empty = empty

    @property
    def port(self) -> int:
        """The TCP port, the same for all addresses."""
        return self.addresses[0][1]

    def stop_accepting(self) -> None:
        """Let nobody in any more; links go on. `listen` ends when the last of them has ended.

        Visits for pages end at once.
        """
        self._accepting.cancel()

    async def wait_closed(self) -> None:
        """Wait until no connection is left after `stop_accepting`."""
        await self._empty.wait()


async def listen(
    on_link: OnLink,
    *,
    host: str,
    port: int,
    config: ListenConfig | None = None,
    task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Let clients in and call `on_link` with the link of each, until cancelled or stopped.

    Resource handling: cancelling says 1001 to every link and closes all sockets within
    `limits.CLOSE_S`. Error handling: raises ListenError when the address cannot be had; nothing
    that a client does raises.
    """
    listeners = await bind(host, port)
    try:
        with closing(Drain()) as drain:
            await _Server(on_link, config or ListenConfig(), drain).run(listeners, task_status)
    finally:
        close_all(listeners)


class _Server:
    """The connections of one call of `listen`."""

    def __init__(self, on_link: OnLink, config: ListenConfig, drain: Drain) -> None:
        self._on_link = on_link
        self._config = config
        self._drain = drain
        self._proxies = TrustedProxies(config.trusted_proxies)
        self._doors = Doors(
            connections_max=config.connections_max,
            per_address_max=config.clients_per_address_max,
            handshakes_max=limits.HANDSHAKES_MAX,
        )
        self._visitors = Visitors()
        self._connections: set[Connection] = set()
        self._accepted = 0
        self._turned_away = 0
        self._stuck = 0

    def statistics(self) -> ListenStatistics:
        return ListenStatistics(
            connections=self._doors.connections + len(self._visitors),
            accepted=self._accepted,
            visits=self._visitors.total,
            turned_away=self._turned_away,
            stuck=self._stuck,
        )

    async def run(
        self, listeners: list[socket.socket], task_status: trio.TaskStatus[Listening]
    ) -> None:
        accepting, empty = trio.CancelScope(), trio.Event()
        addresses = [listener.getsockname()[:2] for listener in listeners]
        async with trio.open_nursery() as services:
            services.start_soon(self._sweep)
            services.start_soon(self._drain.run)
            async with trio.open_nursery() as connections:
                task_status.started(Listening(addresses, self.statistics, accepting, empty))
                with accepting:
                    async with trio.open_nursery() as loops:
                        for listener in listeners:
                            loops.start_soon(self._accept, listener, connections)
                close_all(listeners)
                self._visitors.close()
            empty.set()
            services.cancel_scope.cancel()

    async def _accept(self, listener: socket.socket, connections: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(listener.fileno())
            try:
                connected, address = listener.accept()
            except OSError as error:
                # Anything else concerns only the connection that was to be: gone before its turn.
                if error.errno in _EXHAUSTED:
                    _log.warning("accepting rests", reason=os.strerror(error.errno))
                    await trio.sleep(limits.ACCEPT_PAUSE_S)
                continue
            origin = None if self._proxies.trusts(address[0]) else origin_of(address[0])
            if self._doors.admit(origin):
                connections.start_soon(self._serve, connected, origin, address[0])
            else:
                self._turned_away += 1
                connected.close()

    async def _serve(self, connected: socket.socket, origin: str | None, address: str) -> None:
        seat = Seat(self._doors, self._visitors, origin)
        try:
            connection = Connection(
                connected,
                address,
                seat=seat,
                proxies=self._proxies,
                drain=self._drain,
                origins=self._config.origins,
                pages=self._config.pages,
                on_link=self._welcome,
            )
        except OSError:
            connected.close()  # reset before its first byte
            seat.leave()
            return
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            seat.leave()

    def _welcome(self, link: SocketLink) -> None:
        self._accepted += 1
        self._on_link(link)

    async def _sweep(self) -> None:
        while True:
            await trio.sleep(limits.SWEEP_S)
            now = trio.current_time()
            for connection in [c for c in self._connections if c.link and c.link.stuck(now)]:
                self._stuck += 1
                connection.abort()
