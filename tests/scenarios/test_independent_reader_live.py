"""A reader written from SPEC.md alone, with a CBOR decoder of its own, understands live traffic."""

from typing import Any

import trio

from client_demo.connection import Connection
from protocol.client import Client
from protocol.messages import Message
from sim.games.lanterns import Harpoon, Steer, ThrowFlare
from sim.games.lanterns import game as lanterns
from tests.protocol.independent_reader import Reader
from tests.protocol.test_independent_reader import seen_by
from tests.scenarios.sockets import SocketPlayer, running_world

WATCHED_S = 6.0


class Overheard(Client):
    """A client whose messages a second reader reads as well, from the same bytes."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.reader = Reader()
        self.compared = 0

    def receive(self, data: bytes, now: float) -> Message:
        message = super().receive(data, now)
        self.reader.feed(data)
        if self.replica is not None and self.replica.tick == self.reader.tick:
            assert self.reader.entities == seen_by(self.replica), (
                "both see the same world after the same bytes"
            )
            self.compared += 1
        return message


async def test_it_agrees_with_the_replica_snapshot_by_snapshot() -> None:
    async with running_world(lanterns, shards="2x2", seed=5) as driver:
        url = f"ws://127.0.0.1:{driver.process.gateway.port}"
        clients = [Overheard(name=f"player{number}", playback=True) for number in range(4)]
        connections = [Connection(url, lambda client=client: client) for client in clients]
        async with trio.open_nursery() as nursery:
            for connection in connections:
                nursery.start_soon(connection.run)
            for connection in connections:
                await connection.wait_welcomed()
            players = [SocketPlayer(connection) for connection in connections]
            await driver.wait_until(lambda: all(client.ready for client in clients))
            began = trio.current_time()
            turn = 0
            while trio.current_time() < began + WATCHED_S:
                for number, player in enumerate(players):
                    player.send(Steer(dx=(-1) ** (turn // 8), dy=(number - 1.5) / 2))
                    player.send(Harpoon(dx=1, dy=0) if turn % 2 else ThrowFlare(dx=0, dy=1))
                turn += 1
                await trio.sleep(0.25)
            nursery.cancel_scope.cancel()
    for client in clients:
        assert client.compared > 30, "there were snapshots to compare"
        assert client.reader.crc_checked > 2, "the parts' CRCs came along"
        assert client.reader.crc_failed == 0
        assert client.reader.crc_checked == client.statistics().crc_checks
