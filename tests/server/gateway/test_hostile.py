"""Whatever one client sends, in whatever order, it can only end its own link."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import messages
from protocol.messages import Hello

NUMBERS = st.integers(0, (1 << 53) - 1)
SMALL = st.integers(0, 300)
MESSAGES = st.one_of(
    st.builds(
        Hello,
        name=st.text(max_size=8),
        resume=st.none() | st.binary(max_size=24),
        world=st.none() | st.just("w"),
        observe=st.booleans(),
    ),
    st.builds(
        messages.Input,
        seq=st.integers(1, 1 << 32),
        tick=NUMBERS,
        view=NUMBERS,
        ack=SMALL,
        kind=st.integers(0, 3),
        values=st.lists(SMALL | st.text(max_size=4), max_size=3).map(tuple),
    ),
    st.builds(messages.Ack, SMALL | NUMBERS),
    st.builds(messages.Ping, NUMBERS),
    st.builds(messages.Pong, SMALL | NUMBERS),
    st.builds(messages.Resync, st.lists(st.integers(0, 300), max_size=5).map(tuple)),
    st.just(messages.Bye()),
)
SAID = st.lists(MESSAGES.map(messages.encode) | st.binary(max_size=40), max_size=12)


@pytest.fixture
def peaceful(world):
    """A world with a player who must notice nothing."""
    return world, world.join("ann", 100, 100)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(said=SAID, greets=st.booleans(), reads=st.booleans())
def test_nothing_that_a_client_says_reaches_beyond_its_link(
    peaceful, said: list[bytes], greets: bool, reads: bool
) -> None:
    world, ann = peaceful
    hostile = world.connect()
    hostile.reads = False  # it does not even decode what it gets
    if greets:
        hostile.pair.client.send(messages.encode(Hello(name="mallory")))
        world.tick(2)
    for data in said:
        hostile.pair.client.send(data)
        if reads:
            hostile.pair.client.receive()
        world.tick()
    assert ann.closed is None
    assert ann.snapshots[-1].tick == world.tick_number, "the others are on time"
    hostile.pair.cut()
    world.clients.remove(hostile)
    world.tick()
    assert len(world.gateway) == 1, "nothing is left of it"
