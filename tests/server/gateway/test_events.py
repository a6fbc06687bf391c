"""Events do not conflate; what waits is bounded, and what may be lost is lost first."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from protocol import cbor
from server.gateway import limits
from server.gateway.events import EventQueue, Waiting, messages_of


def event(number: int, *, tick: int = 1, shard: int = 0, expires_at: float = inf) -> Waiting:
    return Waiting(tick, shard, cbor.dumps([0, number]), expires_at)


def told(queue: EventQueue, now: float) -> list[int]:
    messages = [cbor.loads(message) for message in queue.messages(now)]
    return [item[1] for message in messages for item in message[3]]  # type: ignore[index]


def test_what_two_frames_told_is_not_put_into_one_message() -> None:
    first, again = (Waiting(1, 0, cbor.dumps([0, 5]), frame=frame) for frame in (1, 9))
    assert len(messages_of([first, again])) == 2, "the second is no twin of the first"
    assert len(messages_of([first, first])) == 1, "these are twins"


def test_events_are_told_in_order_grouped_by_tick_and_shard() -> None:
    messages = messages_of([event(1), event(2), event(3, shard=1), event(4, tick=2, shard=1)])
    assert [cbor.loads(message) for message in messages] == [
        [18, 1, 0, [[0, 1], [0, 2]]],
        [18, 1, 1, [[0, 3]]],
        [18, 2, 1, [[0, 4]]],
    ]


def test_an_event_of_a_cell_expires_and_a_lasting_one_does_not() -> None:
    queue = EventQueue()
    queue.push(event(1, expires_at=1.0))
    queue.push(event(2))
    assert told(queue, now=1.0) == [1, 2], "in time, both are told"
    assert told(queue, now=1.1) == [2], "the first is old news"


def test_a_full_queue_gives_up_its_oldest_passing_event() -> None:
    queue = EventQueue()
    queue.push(event(0))
    for number in range(1, limits.EVENTS_PASSING + 1):
        queue.push(event(number, expires_at=1.0))
    queue.push(event(999, expires_at=1.0))
    assert len(queue) == limits.EVENTS_PASSING + 1, "the bound holds"
    numbers = told(queue, now=0.5)
    assert numbers[:2] == [0, 2], "the oldest that may expire is gone, the lasting one is not"
    assert numbers[-1] == 999, "the newest is there"
    assert not queue.take_overflow(), "nothing that must be told was lost"


def test_too_many_lasting_events_are_let_go_all_of_them_and_that_is_noticed() -> None:
    queue = EventQueue()
    queue.push(event(0, expires_at=1.0))
    for number in range(limits.EVENTS_LASTING):
        queue.push(event(number))
    assert (queue.room, queue.take_overflow()) == (0, False)
    queue.push(event(1, expires_at=1.0))
    assert not queue.take_overflow(), "there is room for passing ones"
    queue.push(event(999))
    assert queue.take_overflow()
    assert not queue.take_overflow(), "it is told once"
    assert told(queue, now=0.5) == [0, 1]
    assert queue.room == limits.EVENTS_LASTING


def test_one_write_tells_some_and_the_next_one_goes_on() -> None:
    queue = EventQueue()
    waiting = [Waiting(1 + n // 10, 0, cbor.dumps([0, n, "x" * 40])) for n in range(1000)]
    for each in waiting:
        queue.push(each)
    queue.push(event(1000, expires_at=1.0))
    told_at_all: list[int] = []
    writes = 0
    while len(queue):
        before, now = len(queue), told(queue, now=2.0)
        assert told(queue, now=2.0) == now, "who could not send them gets the same once more"
        assert sum(map(len, queue.messages(2.0))) <= limits.EVENTS_BYTES, "with their heads"
        queue.advance()
        assert len(now) == before - len(queue) - (writes == 0), "one has expired"
        told_at_all += now
        writes += 1
    assert told_at_all == list(range(1000))
    assert queue.room == limits.EVENTS_LASTING
    assert writes == 7


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 4000)), max_size=40))
def test_events_of_one_tick_shard_and_frame_are_never_parted(
    events: list[tuple[int, int, int]],
) -> None:
    """Else their twins would count as repetitions."""
    queue = EventQueue()
    waiting = [Waiting(tick, 0, cbor.dumps([0, "x" * size]), frame=f) for tick, f, size in events]
    for each in waiting:
        queue.push(each)
    told_at_all: list[bytes] = []
    while len(queue):
        told_at_all += queue.messages(0.0)
        queue.advance()
    assert told_at_all == messages_of(waiting)
