"""A gateway's clients are sent elsewhere a few at a time, each when it has been told everything."""

from functools import partial
from itertools import pairwise

import pytest
import trio

from protocol import messages
from protocol.errors import CloseCode
from server.gateway import limits
from server.gateway.service import RunningGateway
from server.net.health import Health
from server.net.pages import Pages
from server.net.request import Request
from server.shard.schedule import Schedule

HZ = 20


def depart(world, seconds: float, ticks: int) -> list[int]:
    """How many clients are left after each tick of a departure that takes `seconds`."""
    world.gateway.depart("upgrading", world.now, world.now + seconds)
    left = []
    for _ in range(ticks):
        world.tick()
        world.gateway.part(world.now)
        for client in world.clients:
            client.read()
        left.append(sum(client.closed is None for client in world.clients))
    return left


def test_they_go_evenly_and_all_by_the_end(world) -> None:
    clients = [world.join(f"p{n}", 100 + 20 * n, 100) for n in range(30)]
    left = depart(world, 3.0, 60)
    assert left[-1] == 0
    for tick, count in enumerate(left, start=1):
        assert count == pytest.approx(30 * (1 - tick / 60), abs=1), "in equal shares"
    assert max(a - b for a, b in pairwise([30, *left])) == 1
    for client in clients:
        assert client.goodbye == messages.Goodbye(CloseCode.RESTART, "upgrading", 0.0)
        assert client.closed == 1012, "it is worth coming back, at once, to somebody else"


def test_the_goodbye_comes_behind_the_snapshot_of_its_tick(world) -> None:
    clients = [world.join(f"p{n}", 100 + 20 * n, 100) for n in range(10)]
    world.add_dot(200, 200)
    world.gateway.depart("upgrading", world.now, world.now + 1.0)
    for _ in range(20):
        world.tick()
        world.gateway.part(world.now)
        for client in clients:
            client.read()
            if client.goodbye is not None and client.reads:
                assert client.snapshots[-1].tick == world.tick_number
                assert client.seen() == world.truth(client), "it knows all that there was to know"
                client.reads = False


def test_a_client_that_is_behind_has_until_the_end(world) -> None:
    slow = world.join("slow", 100, 100, capacity=2000)
    quick = [world.join(f"p{n}", 100 + 20 * n, 100) for n in range(5)]
    slow.reads = False
    for _ in range(40):  # until it is late
        world.add_dot(120, 120)
        world.tick()
    left = depart(world, 1.0, 19)
    assert left[-1] == 1
    assert slow.closed is None
    assert all(client.closed == 1012 for client in quick)
    world.tick()
    world.gateway.part(world.now)
    slow.reads = True
    world.tick()
    assert slow.closed == 1012, "even if it cannot be told everything"


def test_what_waits_for_a_link_is_said_before_goodbye(world) -> None:
    client = world.join("ann", 100, 100)
    (state,) = world.gateway._roster.all()
    client.pair.capacity = 0
    world.gateway._roster.say(state, messages.Ping(7))
    client.pair.capacity = 1 << 20
    pings = client.pings
    world.gateway._roster.close(state, CloseCode.RESTART, "upgrading")
    client.read()
    assert client.pings == pings + 1
    assert client.goodbye is not None


def test_nobody_new_is_admitted_meanwhile(world) -> None:
    world.join("ann", 100, 100)
    world.gateway.depart("upgrading", world.now, world.now + 10)
    late = world.connect(messages.Hello(name="late"))
    world.tick(2)
    assert late.closed == 1012


# --- whether new clients should come -------------------------------------------------------------


def test_a_gateway_is_ready_once_it_has_heard_every_shard(world) -> None:
    assert "2 of 2 shards are away" in world.gateway.unready(0.0)
    world.tick()
    assert world.gateway.unready(world.now) is None


def test_it_is_not_ready_while_a_shard_is_away_for_longer_than_a_takeover(world) -> None:
    world.tick()
    world.lose = lambda subject: subject in ("w.frame.1", "w.bulletin.1")
    world.tick(round(limits.WORLD_AWAY_S * HZ))
    assert world.gateway.unready(world.now) is None, "a takeover is no reason to turn away"
    world.tick(2)
    assert world.gateway.unready(world.now) == "1 of 2 shards are away: 1"
    world.lose = lambda _: False
    world.tick()
    assert world.gateway.unready(world.now) is None


def test_it_is_not_ready_when_it_is_full_or_drains(world) -> None:
    world.tick()
    for _ in range(100):
        world.connect(messages.Hello(observe=True))
    world.tick()
    assert world.gateway.unready(world.now) == "full"
    world.gateway.drain()
    assert world.gateway.unready(world.now) == "draining"


# --- the whole, in time --------------------------------------------------------------------------


class Entrance:
    """Stands in for the listening: it is closed when the last link is."""

    port = 1

    def __init__(self, world) -> None:
        self._world = world
        self.stopped_at: float | None = None

    def stop_accepting(self) -> None:
        self.stopped_at = trio.current_time()

    async def wait_closed(self) -> None:
        while len(self._world.gateway):  # noqa: ASYNC110 - the core knows no events
            await trio.sleep(0.01)


async def test_a_drain_is_announced_then_spread_then_over(world, autojump_clock) -> None:
    clients = [world.join(f"p{n}", 100 + 20 * n, 100) for n in range(20)]
    entrance = Entrance(world)
    schedule = Schedule(trio.current_time(), HZ)
    running = RunningGateway(world.gateway, entrance, schedule, None)
    health = Health()
    health.watch(running.unready)

    def ready() -> int:
        return Pages({}, health=health).answer(Request("GET", "/readyz")).status

    closed_at: dict[int, float] = {}

    async def play() -> None:
        """Shards and clients, until the end."""
        while True:
            world.tick()
            world.gateway.part(trio.current_time())
            for number, client in enumerate(clients):
                client.read()
                if client.closed is not None:
                    closed_at.setdefault(number, trio.current_time())
            await trio.sleep(1 / HZ)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(play)
        await trio.sleep(1.0)
        assert ready() == 200
        began = trio.current_time()
        drain = partial(running.move_out, grace_s=5.0, deadline_s=22.5, reason="upgrading")
        nursery.start_soon(drain)
        await trio.sleep(0.001)
        assert ready() == 503, "at once"
        await trio.sleep(4.9)
        assert entrance.stopped_at is None, "load balancers need a moment"
        assert not closed_at
        await running.wait_stopped()
        assert entrance.stopped_at == pytest.approx(began + 5.0)
        ended = trio.current_time()
        await trio.sleep(0.2)
        nursery.cancel_scope.cancel()
    assert len(closed_at) == 20
    times = sorted(closed_at.values())
    gaps = [b - a for a, b in pairwise(times)]
    assert max(gaps) <= 1.1, "one about every second"
    assert min(gaps) >= 0.9
    assert ended - began <= 5.0 + 22.5
