"""Events do not conflate; what waits is bounded, and what may be lost is lost first."""

from math import inf

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
    for number in range(1, limits.EVENTS_QUEUED):
        queue.push(event(number, expires_at=1.0))
    queue.push(event(999))
    numbers = told(queue, now=0.5)
    assert len(queue) == limits.EVENTS_QUEUED, "the bound holds"
    assert numbers[:2] == [0, 2], "the oldest that may expire is gone, the lasting one is not"
    assert numbers[-1] == 999, "the newest is there"
    assert not queue.overflowed, "nothing that must be told was lost"


def test_a_queue_full_of_lasting_events_overflows_only_by_a_lasting_one() -> None:
    queue = EventQueue()
    for number in range(limits.EVENTS_QUEUED):
        queue.push(event(number))
    queue.push(event(999, expires_at=1.0))
    assert not queue.overflowed, "a passing event may be lost"
    queue.push(event(1000))
    assert queue.overflowed, "a lasting event may not"
    assert len(queue) == limits.EVENTS_QUEUED, "the bound holds all the same"
