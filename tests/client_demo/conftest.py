"""A replica with a small world in it, and a server that answers, both made by hand."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import numpy as np
import pytest
import trio

from protocol import cbor
from protocol.connection import Connection, State
from protocol.errors import CloseCode
from protocol.geometry import Geometry
from protocol.parts import CourseRows, KindRows, PartTable
from protocol.replica import Replica
from protocol.schema import Schema
from protocol.vocabulary import Group, Hello, Message, Ping, Pong, Role, Snapshot, Welcome
from server.net.frames import frame
from server.net.link import Sent
from server.net.listen import Listening, listen
from server.net.socket import SocketLink
from sim.engine import TickInput
from sim.games.lanterns import game
from sim.world import World


@pytest.fixture(scope="module")
def replica() -> Replica:
    """Lanterns in four shards after a second, with two divers in each."""
    schema = Schema.from_data(game.describe())
    geometry = Geometry.grid(*schema.size, schema.cell, schema.interest, (2, 2))
    replica = Replica(schema, geometry)
    groups = tuple(_group(schema, geometry, shard) for shard in range(4))
    replica.apply(Snapshot(tick=20, groups=groups))
    return replica


def _group(schema: Schema, geometry: Geometry, shard: int) -> Group:
    world = World(game, seed=3, maker=shard + 1, bounds=geometry.rect(shard))
    for step in range(1, 21):
        joins = [(2 * shard + 1, f"ann{shard}"), (2 * shard + 2, "bob")] if step == 1 else []
        world.advance(TickInput(tick=step, step=step, joins=joins))
    table = PartTable(schema, geometry)
    table.begin(20, 20)
    for kind in range(len(schema.kinds)):
        rows = world.export(kind)
        courses = None if rows.course is None else CourseRows(*rows.course)
        cells = geometry.cells_of(rows.x, rows.y)
        handles = np.full(len(rows.ids), -1, np.int64)
        table.write(20, 20, kind, KindRows(handles, rows.ids, cells, rows.fields, courses), {})
    table.finish()
    _, blob, offsets = table.encode_changed(None)
    spans = zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    return Group(shard, 1, 0, 0, [cbor.loads(blob[a:b]) for a, b in spans])


class StillServer:
    """Real links, a world in which nothing moves, and a log of what clients said."""

    def __init__(self) -> None:
        self.url = ""
        self.said: list[Message] = []
        self.links: list[SocketLink] = []
        self.open: dict[SocketLink, Connection] = {}
        self.sessions_lost = False
        self.deaf = False  # to hellos
        self.tick = 0
        self._schema = game.describe()
        self._geometry = Geometry.grid(2048, 1024, 64, game.radii, (2, 2)).to_data()

    def take(self, link: SocketLink) -> None:
        self.links.append(link)
        self.open[link] = Connection(Role.SERVER)

    def of(self, kind: type[Message]) -> list[Message]:
        """Messages of one class that were said so far."""
        return [message for message in self.said if isinstance(message, kind)]

    async def run(self) -> None:
        while True:
            self.tick += 1
            for link, connection in list(self.open.items()):
                for data in link.drain():
                    self._hear(link, connection, data)
                if link.closed is not None:
                    del self.open[link]
                elif connection.state is State.PLAYING:
                    self.send(link, Snapshot(tick=self.tick))
            await trio.sleep(0.01)

    def send(self, link: SocketLink, message: Message) -> Sent:
        return link.try_send(frame(self.open[link].send(message)))

    def _hear(self, link: SocketLink, connection: Connection, data: bytes) -> None:
        message = connection.receive(data)
        self.said.append(message)
        if isinstance(message, Ping):
            self.send(link, Pong(message.stamp))
        if isinstance(message, Hello) and not self.deaf:
            if message.resume is not None and self.sessions_lost:
                link.close(CloseCode.AUTH, "no such session")
                return
            resumed = message.resume is not None
            number = 1 if resumed else len(self.of(Hello))
            welcome = Welcome(
                session=number,
                token=b"token %d" % len(self.said),
                hz=20,
                tick=self.tick,
                entity=number,
                schema=self._schema,
                geometry=self._geometry,
            )
            self.send(link, welcome)


@pytest.fixture
def still_server() -> Callable[[], AbstractAsyncContextManager[StillServer]]:
    """Runs a server while the context lasts."""

    @asynccontextmanager
    async def run() -> AsyncIterator[StillServer]:
        async with trio.open_nursery() as nursery:
            server = StillServer()

            async def start(
                task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED,
            ) -> None:
                await listen(server.take, host="127.0.0.1", port=0, task_status=task_status)

            listening = await nursery.start(start)
            server.url = f"ws://127.0.0.1:{listening.port}"
            nursery.start_soon(server.run)
            yield server
            nursery.cancel_scope.cancel()

    return run
