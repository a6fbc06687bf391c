"""Real servers on loopback for scenarios: the process that `shoal serve` runs, real WebSockets, and
a line in between that delays what passes.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio

from client_demo.connection import Connection
from protocol.client import Client
from server.process import Process, run_process
from server.settings import Settings
from sim import Game
from sim.predict import Predictor

PATIENCE_S = 20.0


async def delay_line(target_port: int, delay_s: float, *, task_status: Any) -> None:
    """A TCP proxy on loopback that passes everything on `delay_s` later, both ways."""

    async def pump(source: trio.SocketStream, sink: trio.SocketStream) -> None:
        send, receive = trio.open_memory_channel[tuple[float, bytes]](1000)

        async def deliver() -> None:
            async for due, data in receive:
                await trio.sleep_until(due)
                await sink.send_all(data)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(deliver)
            async with send:
                async for data in source:
                    await send.send((trio.current_time() + delay_s, bytes(data)))

    async def serve(client: trio.SocketStream) -> None:
        try:
            server = await trio.open_tcp_stream("127.0.0.1", target_port)
            async with server, trio.open_nursery() as nursery:
                nursery.start_soon(pump, client, server)
                await pump(server, client)
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # one side hung up

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    task_status.started(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(serve, listeners)


class SocketPlayer:
    """A client over a real WebSocket, as scenarios ask for it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._events: list[Any] = []

    @property
    def client(self) -> Client:
        return self.connection.client

    @property
    def id(self) -> int:
        return self.client.entity

    @property
    def view(self) -> Mapping[int, Any]:
        assert self.client.replica is not None
        return self.client.replica  # type: ignore[return-value]  # it has what is asked of it

    @property
    def events(self) -> Sequence[Any]:
        while self.client.events:
            self._events.append(self.client.events.popleft())
        return self._events

    @property
    def scores(self) -> Sequence[Any]:
        return self.client.scores

    def screen(self) -> Mapping[int, Any]:
        return self.client.screen(trio.current_time())

    def send(self, intent: object, /) -> None:
        values = {name: getattr(intent, name) for name in type(intent).__annotations__}
        self.client.send_input(type(intent).__name__, values, trio.current_time())


class SocketDriver:
    """A scenario's `Driver` over real sockets."""

    def __init__(self, process: Process, nursery: trio.Nursery) -> None:
        self.process = process
        self._nursery = nursery

    async def join(self, name: str, x: float, y: float, latency: float) -> SocketPlayer:
        port = self.process.gateway.port
        if latency:
            port = await self._nursery.start(delay_line, port, latency)
        connection = Connection(
            f"ws://127.0.0.1:{port}",
            lambda: Client(name=name, predictor_factory=Predictor),
        )
        self._nursery.start_soon(connection.run)
        await connection.wait_welcomed()
        player = SocketPlayer(connection)
        await self.wait_until(lambda: player.client.ready and player.id in player.view)
        self._shard(player.id).command(player.id, "shoal.place", x=float(x), y=float(y))
        await self.wait_until(lambda: self._stands(player.id, x, y))
        await self.wait_until(lambda: abs(player.screen()[player.id].x - x) < 5)
        return player

    async def pass_ticks(self, ticks: int) -> None:
        await trio.sleep(ticks / self.process.node.schedule.hz)

    def truth(self, entity: int) -> tuple[int, float, float]:
        shard = self._shard(entity)
        row = shard.world.get(entity)
        return shard.id, float(row.x), float(row.y)

    async def wait_until(self, condition: Any) -> None:
        with trio.fail_after(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event to tell it
                await trio.sleep(0.01)

    def _stands(self, entity: int, x: float, y: float) -> bool:
        try:
            _, at_x, at_y = self.truth(entity)
        except LookupError:  # between two shards
            return False
        return abs(at_x - x) < 5 and abs(at_y - y) < 5

    def _shard(self, entity: int) -> Any:
        for shard in self.process.node.shards.values():
            if entity in shard.world.owned_ids():
                return shard
        raise LookupError(entity)


@asynccontextmanager
async def running_world(game: Game, **settings: Any) -> AsyncIterator[SocketDriver]:
    """A process that serves `game` on a free port, and a driver for it."""
    async with trio.open_nursery() as nursery:
        process = await nursery.start(
            partial(run_process, game, Settings(port=0, **settings), counting=True)
        )
        yield SocketDriver(process, nursery)
        nursery.cancel_scope.cancel()
