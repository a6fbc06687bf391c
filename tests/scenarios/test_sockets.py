"""The main job over real WebSockets, in real time: a duel across a border, and slow readers."""

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
import trio

from client_demo.connection import Connection, LinkOptions
from protocol.client import Client
from protocol.parts import PartTable
from server.process import Process
from sim.games.lanterns import Steer
from sim.games.lanterns import game as lanterns
from tests.scenarios.sockets import SocketDriver, running_world


async def test_the_duel_across_the_border_is_the_same_over_sockets(
    duel: Callable[[Any], Awaitable[None]],
) -> None:
    async with running_world(lanterns, shards="2x1", seed=3) as driver:
        await duel(driver)
        players = [shard.census() for shard in driver.process.node.shards.values()]
        owned = [entity for census in players for entity in census.owned]
        assert len(owned) == len(set(owned)), "nobody is owned twice"


async def test_a_player_whose_link_breaks_comes_back_as_the_same_diver() -> None:
    async with running_world(lanterns, shards="2x2") as driver:
        ann = await driver.join("ann", 600, 300, latency=0)
        bob = await driver.join("bob", 640, 300, latency=0)
        before, session = ann.id, ann.client.welcome
        assert session is not None
        ann.send(Steer(dx=1, dy=0))
        ann.connection.drop()
        ann.send(Steer(dx=0, dy=1))  # while the link is lost
        await driver.wait_until(lambda: ann.connection.statistics().resumes == 1)
        await driver.wait_until(lambda: ann.client.ready and ann.id in ann.view)
        assert ann.id == before, "the same entity"
        welcome = ann.client.welcome
        assert welcome is not None
        assert welcome.session == session.session
        assert welcome.token != session.token, "a token is good for one return"
        await driver.wait_until(lambda: ann.view[ann.id].vy > 5)
        assert before in bob.view, "the others have seen it all the while"
        assert ann.connection.statistics().rejoins == 0


CROWD = 50
STALL_S = 5.0


class Reader:
    """A client that only watches, and notes when each snapshot came."""

    def __init__(self, process: Process, number: int, options: LinkOptions) -> None:
        self.connection = Connection(
            f"ws://127.0.0.1:{process.gateway.port}",
            lambda: Client(name=f"reader{number}", playback=False),
            options,
        )
        self.arrivals: list[tuple[int, float]] = []

    @property
    def client(self) -> Client:
        return self.connection.client

    def note(self, now: float) -> None:
        replica = self.client.replica
        if replica is not None and (not self.arrivals or replica.tick > self.arrivals[-1][0]):
            self.arrivals.append((replica.tick, now))

    def gaps_s(self, after: float, before: float) -> list[float]:
        times = [now for _, now in self.arrivals if after <= now <= before]
        return [b - a for a, b in pairwise(times)]


@pytest.mark.slow
@pytest.mark.parametrize("receive_buffer_bytes", [4096, None], ids=["4 KiB buffer", "default"])
async def test_who_stops_reading_for_5_s_delays_nobody_and_is_brought_back(
    receive_buffer_bytes: int | None,
) -> None:
    async with running_world(lanterns, shards="2x2") as driver, trio.open_nursery() as nursery:
        process = driver.process
        crowd = [Reader(process, number, LinkOptions(tick_hz=8)) for number in range(CROWD)]
        slow = Reader(
            process, CROWD, LinkOptions(receive_buffer_bytes=receive_buffer_bytes, tick_hz=8)
        )
        for reader in (*crowd, slow):
            nursery.start_soon(reader.connection.run)
        for reader in (*crowd, slow):
            await reader.connection.wait_welcomed()
            reader.client.on_changes = lambda _, reader=reader: reader.note(trio.current_time())
        await driver.pass_ticks(20)
        calm = trio.current_time()
        await trio.sleep(STALL_S / 2)

        began = trio.current_time()
        slow.connection.paused = True
        await trio.sleep(STALL_S)
        held = _held_most(process)
        slow.connection.paused = False
        ended = trio.current_time()
        assert held <= 64 * 1024, "the server holds at most 64 KiB for a client that does not read"

        # As much on time as before: how fast this machine is, is not the question.
        assert _typical_gap_s(crowd, began, ended) < 2 * _typical_gap_s(crowd, calm, began) + 0.1, (
            "the others' snapshots stay on time"
        )
        before = slow.client.statistics()
        await driver.wait_until(lambda: _in_step(slow, crowd[0]))
        await driver.pass_ticks(70)  # every part's CRC has come by
        after = slow.client.statistics()
        assert after.crc_checks > before.crc_checks
        assert after.mismatches == 0, "it is back in sync"
        assert slow.connection.statistics().disconnects == 0, "on the very same link"
        assert process.gateway.statistics().late > 0, "it was skipped while it was late"
        _assert_true(driver, slow)
        nursery.cancel_scope.cancel()


def _typical_gap_s(crowd: list[Reader], after: float, before: float) -> float:
    """Of all the crowd's pauses between snapshots, the one that 95 % are shorter than."""
    gaps = sorted(gap for reader in crowd for gap in reader.gaps_s(after, before))
    return gaps[len(gaps) * 95 // 100]


def _held_most(process: Process) -> int:
    """Bytes that the server process itself holds for the client for which it holds most."""
    return max(
        state.link.statistics().remainder_bytes + sum(map(len, state.outbox))
        for state in process.gateway._gateway._roster.all()
    )


def _in_step(reader: Reader, other: Reader) -> bool:
    mine, theirs = reader.client.replica, other.client.replica
    return mine is not None and theirs is not None and mine.tick >= theirs.tick - 2


def _assert_true(driver: SocketDriver, reader: Reader) -> None:
    """What the client has of each part is what the owner published, where neither changed since."""
    replica = reader.client.replica
    assert replica is not None
    assert len(replica), "it sees something"
    for number, table in replica.tables.items():
        shard = driver.process.node.shards[number]
        truth: PartTable = shard.table
        keys = [key for slab in table.slabs for key in slab.place]
        for key in keys:
            slab, true_slab = (
                table.slabs[key % len(table.slabs)],
                truth.slabs[key % len(truth.slabs)],
            )
            true_place = true_slab.place.get(key)
            if true_place is not None and true_slab.touched[true_place] <= table.tick:
                mine = slab.ids[table.rows_of(key)].tolist()
                theirs = true_slab.ids[truth.rows_of(key)].tolist()
                assert mine == theirs, "it knows exactly who is in the part"
