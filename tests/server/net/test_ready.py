"""A link says once that it is worth draining, and is worth nothing until it says so again."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.net.link import Closed, Link
from server.net.memory import MemoryPair
from server.net.outbound import Outbound
from server.net.socket import SocketLink


class Nowhere:
    """A transport that takes everything."""

    def send(self, data: bytes) -> int:
        return len(data)


class OnSocket:
    """A socket's link without its connection."""

    def __init__(self) -> None:
        self.link = SocketLink("peer", Outbound(Nowhere()), lambda: 0, lambda: None)

    def say(self, message: bytes) -> None:
        self.link.deliver(message)

    def leave(self) -> None:
        self.link.end(Closed(1000, "enough", by_peer=True))

    def lose(self) -> None:
        self.link.end(Closed(1006, "lost", by_peer=False))

    def wait(self) -> None:
        """Nothing is under way between a connection and its link."""


class OnMemory:
    """A link over memory, whose client says everything a while before it arrives."""

    def __init__(self, delay_s: float = 0.1) -> None:
        self.pair = MemoryPair(delay_s=delay_s)
        self.link = self.pair.link

    def say(self, message: bytes) -> None:
        self.pair.client.send(message)

    def leave(self) -> None:
        self.pair.client.close(1000, "enough")

    def lose(self) -> None:
        self.pair.cut()

    def wait(self) -> None:
        self.pair.advance(self.pair.now + 0.1)


Carrier = OnSocket | OnMemory
CARRIERS = [OnSocket, OnMemory, lambda: OnMemory(delay_s=0.0)]


@pytest.fixture(params=CARRIERS, ids=["socket", "memory", "memory-at-once"])
def carrier(request) -> Carrier:
    return request.param()


def notes_of(link: Link) -> list[str]:
    notes: list[str] = []
    link.notify(lambda: notes.append("ready"))
    return notes


def test_the_first_message_after_a_drain_is_told_and_the_next_ones_are_not(carrier: Carrier):
    notes = notes_of(carrier.link)
    assert notes == [], "there is nothing to drain yet"
    for batch in (1, 2):
        carrier.say(b"one")
        carrier.say(b"two")
        carrier.wait()
        assert len(notes) == batch, "once for both"
        assert carrier.link.drain() == [b"one", b"two"]
    assert len(notes) == 2, "an empty link is not ready"


def test_what_came_before_anybody_listened_is_told_at_once(carrier: Carrier):
    carrier.say(b"early")
    carrier.wait()
    assert notes_of(carrier.link) == ["ready"]


def test_an_end_before_anybody_listened_is_told_at_once(carrier: Carrier):
    carrier.leave()
    carrier.wait()
    assert notes_of(carrier.link) == ["ready"]


@pytest.mark.parametrize("how", ["leave", "lose"])
def test_the_end_of_an_empty_link_is_told(carrier: Carrier, how: str):
    notes = notes_of(carrier.link)
    getattr(carrier, how)()
    carrier.wait()
    assert notes == ["ready"]
    assert carrier.link.closed is not None
    carrier.wait()
    carrier.link.drain()
    carrier.wait()
    assert notes == ["ready"], "it ends once"


def test_messages_and_the_end_behind_them_are_told_once(carrier: Carrier):
    notes = notes_of(carrier.link)
    carrier.say(b"bye")
    carrier.leave()
    carrier.wait()
    assert notes == ["ready"]
    assert carrier.link.drain() == [b"bye"]
    assert carrier.link.closed is not None


def test_over_memory_nothing_is_ready_before_it_has_arrived():
    carrier = OnMemory()
    notes = notes_of(carrier.link)
    carrier.say(b"slow")
    carrier.pair.advance(0.09)
    assert notes == []
    carrier.pair.advance(0.1)
    assert notes == ["ready"]


STEPS = st.lists(st.sampled_from(["say", "wait", "drain", "leave", "lose"]), max_size=40)


@given(STEPS, st.sampled_from(CARRIERS))
def test_who_drains_only_when_told_misses_nothing(steps: list[str], make: Callable[[], Carrier]):
    carrier, eager = make(), make()
    link, told, received, everything = carrier.link, notes_of(carrier.link), [], []
    for number, step in enumerate([*steps, "wait", "drain"]):
        if step == "drain":
            everything += eager.link.drain()
            assert len(told) <= 1, "it is told once between two drains"
            if told:
                told.clear()
                received += link.drain()
        else:
            for each in (carrier, eager):
                getattr(each, step)(*([bytes((number,))] if step == "say" else []))
    assert received == everything
    assert (link.closed is None) == (eager.link.closed is None)
