"""A poll visits the links that have something, each once, and misses none."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import messages
from protocol.errors import CloseCode
from server.gateway import limits
from server.net import limits as net_limits


def count_drains(world: Any) -> Counter[int]:
    """How often each client's link was drained from now on, by its place among the clients."""
    drains: Counter[int] = Counter()
    for place, client in enumerate(world.clients):
        drain = client.pair.link.drain

        def counted(place: int = place, drain: Any = drain) -> list[bytes]:
            drains[place] += 1
            return drain()

        client.pair.link.drain = counted
    return drains


@pytest.fixture
def crowd(world):
    """Six players that say nothing of their own."""
    for number in range(6):
        world.join(f"player {number}", 100 + number, 100)
    for client in world.clients:
        client.reads = False
    world.gateway.poll(world.now)
    return world


def test_a_poll_drains_the_links_that_have_something_and_no_other(crowd):
    drains = count_drains(crowd)
    crowd.clients[2].aim(1)
    crowd.clients[2].aim(2)
    crowd.clients[5].aim(3)
    crowd.gateway.poll(crowd.now)
    assert drains == {2: 1, 5: 1}
    crowd.gateway.poll(crowd.now)
    assert drains == {2: 1, 5: 1}, "nothing has come since"


def test_links_are_served_in_the_order_in_which_they_became_ready(crowd):
    for number in (4, 1, 3, 1, 4):
        crowd.clients[number].aim(number)
    crowd.gateway.poll(crowd.now)
    angles = [entry.values[0] for entry in crowd.shards[0].inputs]
    assert angles == [4, 4, 1, 1, 3]


def test_a_flood_on_one_link_delays_nobody_beyond_the_poll(crowd):
    flooding, other = crowd.clients[0], crowd.clients[1]
    for _ in range(net_limits.INBOX_MESSAGES):
        flooding.aim(7)
    other.aim(9)
    crowd.gateway.poll(crowd.now)
    assert 9 in [entry.values[0] for entry in crowd.shards[0].inputs]


def test_a_link_that_is_always_ready_is_served_at_every_poll(crowd):
    for angle in range(20):
        for client in crowd.clients:
            client.aim(angle)
        crowd.gateway.poll(crowd.now)
        taken = [entry.values[0] for entry in crowd.shards[0].inputs][-len(crowd.clients) :]
        assert taken == [angle] * len(crowd.clients), "everybody has been heard"


@pytest.mark.parametrize("says_bye", [False, True])
def test_a_link_that_ends_is_noticed_at_the_next_poll(crowd, says_bye):
    leaving = crowd.clients[3]
    if says_bye:
        leaving.say(messages.Bye())
    leaving.pair.client.close()
    crowd.gateway.poll(crowd.now)
    assert len(crowd.gateway) == 5
    leaving.pair.cut()
    crowd.gateway.poll(crowd.now)
    assert len(crowd.gateway) == 5, "it has ended once"


def test_what_was_said_before_the_end_counts(crowd):
    crowd.clients[3].aim(5)
    crowd.clients[3].pair.cut()  # loses what is under way, which is nothing
    crowd.clients[4].aim(6)
    crowd.clients[4].pair.client.close()
    crowd.gateway.poll(crowd.now)
    assert [entry.values[0] for entry in crowd.shards[0].inputs] == [6]
    assert len(crowd.gateway) == 4


def test_only_who_says_nothing_in_time_is_dropped_for_it(world):
    silent = [world.connect()]
    world.gateway.poll(1.0)
    world.now = 1.0
    silent.append(world.connect())
    spoken = world.connect(messages.Hello(name="spoken"))
    world.gateway.poll(limits.HELLO_S)
    assert len(world.gateway) == 3, "there is still time"
    world.gateway.poll(limits.HELLO_S + 0.1)
    assert len(world.gateway) == 2, "the first is late"
    world.gateway.poll(limits.HELLO_S + 1.1)
    assert len(world.gateway) == 1
    for client in silent:
        client.read()
        assert client.closed == CloseCode.HELLO_TIMEOUT
    assert spoken.closed is None


def test_an_outbox_waits_for_room_and_not_for_its_owner_to_speak(crowd):
    client = crowd.clients[0]
    client.pair.capacity = client.pair.down.bytes  # the pipe is full
    client.say(messages.Ping(42))
    crowd.gateway.poll(crowd.now)
    client.pair.capacity += 1000
    crowd.gateway.poll(crowd.now)
    heard = [client.connection.receive(data) for data in client.pair.client.receive()]
    assert messages.Pong(42) in heard


class Script:
    """Four players that speak and leave, and what ought to reach their shard."""

    def __init__(self, world: Any, delay_s: float) -> None:
        self.world = world
        self.sent: dict[int, list[int]] = {}
        self.open = set(range(4))
        for number in self.open:
            client = world.join(str(number), 100 + number, 100)
            client.pair.up._delay_s = delay_s
            self.sent[client.session] = []

    def run(self, step: str, place: int, angle: int) -> None:
        client = self.world.clients[place]
        if step == "wait":
            self.wait(0.05)
        elif step == "poll":
            self.world.gateway.poll(self.world.now)
        elif place in self.open:
            getattr(self, step)(client, angle)
            if step != "aim":
                self.open.discard(place)

    def wait(self, seconds: float) -> None:
        self.world.now += seconds
        for each in self.world.clients:
            each.pair.advance(self.world.now)

    def aim(self, client: Any, angle: int) -> None:
        client.aim(angle)
        self.sent[client.session].append(angle)

    def close(self, client: Any, _angle: int) -> None:
        client.pair.client.close()

    def cut(self, client: Any, _angle: int) -> None:
        self.wait(1.0)
        self.world.gateway.poll(self.world.now)  # else what was said last would be lost
        client.pair.cut()

    def taken(self) -> dict[int, list[int]]:
        taken: dict[int, list[int]] = {session: [] for session in self.sent}
        for entry in self.world.shards[0].inputs:
            taken[entry.session].append(entry.values[0])
        return taken


STEPS = st.lists(
    st.tuples(st.sampled_from(["aim", "poll", "wait", "close", "cut"]), st.integers(0, 3)),
    max_size=40,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it is a class
@given(STEPS, st.sampled_from([0.0, 0.12]))
def test_every_input_that_arrives_is_taken_whatever_happens_around_it(make_world, steps, delay_s):
    script = Script(make_world(), delay_s)
    for angle, (step, place) in enumerate(steps):
        script.run(step, place, angle)
    script.wait(1.0)
    script.world.gateway.poll(script.world.now)
    assert script.taken() == script.sent
    assert len(script.world.gateway) == len(script.open)
