"""A link over memory behaves as one over a socket, in the driver's time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.link import Profile
from server.net import limits
from server.net.frames import frame
from server.net.link import Sent
from server.net.memory import MemoryPair


def test_messages_arrive_after_the_delay_in_both_directions():
    pair = MemoryPair(delay_s=0.1)
    pair.link.try_send(frame(b"down"))
    pair.client.send(b"up")
    pair.advance(0.09)
    assert pair.client.receive() == []
    assert pair.link.drain() == []
    pair.advance(0.1)
    assert pair.client.receive() == [b"down"]
    assert pair.link.drain() == [b"up"]


def test_jitter_never_reorders_and_the_same_seed_gives_the_same_times():
    def arrivals(seed: int) -> list[tuple[float, bytes]]:
        pair = MemoryPair(delay_s=0.05, jitter_s=0.2, seed=seed)
        seen = []
        for step in range(100):
            pair.advance(step * 0.01)
            pair.link.try_send(frame(bytes((step,))))
            seen += [(pair.now, message) for message in pair.client.receive()]
        return seen

    assert arrivals(7) == arrivals(7)
    assert arrivals(7) != arrivals(8)
    order = [message for _, message in arrivals(7)]
    assert order == sorted(order), "a later message never overtakes"


def test_a_bad_link_stalls_and_then_delivers_in_a_burst():
    pair = MemoryPair(profile=Profile(delay_s=0.1, loss=0.05), seed=3)
    heard = []
    for step in range(400):
        pair.advance(step * 0.05)
        pair.link.try_send(frame(step.to_bytes(2, "big")))
        heard.append(len(pair.client.receive()))
    assert sum(heard) >= 390
    assert max(heard) >= 4, "what waited for 0.2 s or more arrives at once"
    assert heard.count(0) > 20, "nothing arrives meanwhile"


def test_a_client_that_stops_reading_fills_the_link():
    pair = MemoryPair(capacity=1000)
    assert pair.link.try_send(frame(bytes(800))) is Sent.ALL
    assert pair.link.try_send(frame(bytes(800))) is Sent.PARTIAL
    assert pair.link.try_send(frame(b"more")) is Sent.FULL
    assert pair.link.statistics().remainder_bytes > 0
    assert pair.client.receive() == [bytes(800), bytes(800)], "reading makes room for the rest"
    assert pair.link.try_send(frame(b"more")) is Sent.ALL
    assert pair.client.receive() == [b"more"]


@given(
    st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 90), max_size=3)), max_size=30),
    st.integers(1, 300),
)
def test_what_was_taken_arrives_whole_and_in_order(script, capacity):
    pair, taken, received = MemoryPair(capacity=capacity), [], []
    for number, (read, sizes) in enumerate(script):
        payloads = [bytes((number,)) * size for size in sizes]
        if pair.link.try_send(b"".join(map(frame, payloads))) is not Sent.FULL:
            taken += payloads
        if read:
            received += pair.client.receive()
    pair.link.close(1001, "the end")
    received += pair.client.receive()
    assert received == taken
    assert pair.client.closed is not None, "Close comes behind all of it"
    assert (pair.client.closed.code, pair.client.closed.reason) == (1001, "the end")


def test_nothing_is_taken_after_close():
    pair = MemoryPair()
    pair.link.close(1012, "restart")
    pair.link.close(4400, "too late to say anything else")
    assert pair.link.try_send(frame(b"x")) is Sent.FULL
    assert pair.client.receive() == []
    assert pair.client.closed is not None
    assert pair.client.closed.code == 1012
    pair.client.send(b"nobody hears it")
    assert pair.link.drain() == []


def test_a_client_that_leaves_is_heard_after_its_last_message():
    pair = MemoryPair(delay_s=0.1)
    pair.client.send(b"bye")
    pair.client.close(1000, "enough")
    assert pair.link.closed is None, "the news is under way"
    pair.advance(0.1)
    assert pair.link.closed is not None
    assert (pair.link.closed.code, pair.link.closed.by_peer) == (1000, True)
    assert pair.link.drain() == [b"bye"]


def test_an_end_is_announced_whoever_asks_first():
    """A gateway waits to be told; somebody else may have looked before."""
    pair = MemoryPair(delay_s=0.1)
    told = []
    pair.link.notify(lambda: told.append(pair.link.closed))
    pair.client.send(b"bye")
    pair.client.close(1000, "enough")
    pair.now = 0.1
    assert pair.link.closed is not None
    assert told == [pair.link.closed]
    pair.link.look()
    assert len(told) == 1, "once"
    assert pair.link.drain() == [b"bye"]


def test_a_cut_loses_what_is_under_way():
    pair = MemoryPair(delay_s=0.1)
    pair.link.try_send(frame(b"down"))
    pair.client.send(b"up")
    pair.cut()
    pair.advance(1.0)
    assert pair.link.drain() == []
    assert pair.client.receive() == []
    assert pair.link.closed is not None
    assert pair.client.closed is not None
    assert pair.link.closed.code == pair.client.closed.code == 1006


def test_an_overfull_inbox_closes_the_link():
    pair = MemoryPair()
    for _ in range(limits.INBOX_MESSAGES + 1):
        pair.client.send(b"x")
    pair.link.drain()
    assert pair.link.closed is not None
    assert pair.link.closed.code == 1008


def test_time_does_not_run_backwards():
    pair = MemoryPair(now=5.0)
    with pytest.raises(AssertionError):
        pair.advance(4.0)
