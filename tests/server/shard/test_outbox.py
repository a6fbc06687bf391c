"""Parcels between shards arrive exactly once, in order, and never within their own tick."""

import random
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.shard import limits
from server.shard.arrivals import Arrivals, Progress
from server.shard.forwarding import Forwarding
from server.shard.outbox import (
    CommandParcel,
    EntityParcel,
    Letter,
    Outbox,
    ParcelError,
    read_parcel,
)


def outs_of(entities: list[tuple[int, int]], to: int = 2) -> list[tuple[int, bytes]]:
    """Parcels of (tick, entity), as (position, data)."""
    outbox = Outbox()
    found = []
    for tick, entity in entities:
        outbox.begin(tick)
        outbox.send_entity(to, entity, b"body", None)
        found += [(entity, out.data) for out in outbox.finish()]
    return found


def test_a_parcel_says_what_was_sent() -> None:
    outbox = Outbox()
    outbox.load([[[2, 4]], [], [], 0])
    outbox.begin(9)
    outbox.send(Letter(3, 78, "hit", {"damage": 2.5}, 1))
    outbox.send_entity(2, 77, b"cut", [1, "ann"])
    entity, command = outbox.finish()
    assert (entity.to, entity.id, command.to, command.id) == (2, "9.0", 3, "9.1")
    assert read_parcel(entity.data) == EntityParcel(5, 9, 77, b"cut", [1, "ann"])
    assert read_parcel(command.data) == CommandParcel(1, 9, 78, "hit", {"damage": 2.5}, 1)


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x01", b"\x83\x01\x02\x09"])
def test_a_damaged_parcel_is_refused(data: bytes) -> None:
    with pytest.raises(ParcelError):
        read_parcel(data)


def test_in_transit_is_what_nobody_has_taken() -> None:
    outbox = Outbox()
    outbox.begin(1)
    for entity in (10, 11, 12):
        outbox.send_entity(2, entity, b"", None)
    outbox.send_entity(3, 13, b"", None)
    assert outbox.in_transit() == [10, 11, 12, 13]
    outbox.taken(2, 2)
    outbox.taken(2, 1)
    outbox.taken(9, 100)
    assert outbox.in_transit() == [12, 13]


def test_nothing_is_taken_in_the_tick_in_which_it_was_sent() -> None:
    arrivals = Arrivals()
    for position, data in outs_of([(5, 100), (6, 101)]):
        arrivals.offer(1, position, data)
    assert arrivals.take(5) == []
    assert [arrival.parcel.tick for arrival in arrivals.take(6)] == [5]
    assert [arrival.parcel.tick for arrival in arrivals.take(7)] == [6]
    assert arrivals.progress[1] == Progress(2, 101)


def test_after_a_recovery_a_command_waits_for_an_entity_that_is_on_its_way_again() -> None:
    """It came before, and was seen here; its source's outs are only later than others."""
    outbox = Outbox()
    outbox.begin(5)
    outbox.send(Letter(2, 77, "hit", {}))
    (letter,) = [out.data for out in outbox.finish()]
    outbox.begin(6)
    outbox.send_entity(2, 78, b"", None)
    (behind,) = [out.data for out in outbox.finish()]
    ((position, entity),) = outs_of([(3, 77)])
    here: set[int] = set()

    def take(arrivals: Arrivals, now: int) -> list[int]:
        parcels = [arrival.parcel for arrival in arrivals.take(now, here.__contains__)]
        here.update(each.entity for each in parcels if isinstance(each, EntityParcel))
        return [each.target if isinstance(each, CommandParcel) else each.entity for each in parcels]

    for comes_after, expected in (
        (1, [[], [77], [77, 78]]),
        (limits.OUTS_COME_TICKS, [[77, 78], [77], []]),  # nobody waits for ever
    ):
        here.clear()
        arrivals = Arrivals()
        arrivals.go_on()
        arrivals.offer(3, 1, letter)
        arrivals.offer(3, 2, behind)
        assert take(arrivals, 10) == []
        now = 10 + comes_after
        found = [take(arrivals, now)]
        arrivals.offer(1, position, entity)
        found += [take(arrivals, now + 1), take(arrivals, now + 2)]
        assert found == expected
    settled = Arrivals()
    settled.offer(3, 1, letter)
    assert take(settled, 10) == [77], "without a recovery it is dropped by who takes it"


def test_a_full_waiting_room_asks_to_be_offered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ARRIVALS_WAITING", 2)
    arrivals = Arrivals()
    first, second, third = outs_of([(1, 1), (1, 2), (1, 3)])
    assert arrivals.offer(1, *second)
    assert arrivals.offer(1, *third)
    assert not arrivals.offer(1, *first), "there is no room"
    assert arrivals.take(9) == [], "and the first is missing"


@given(st.integers(0, 2**32))
def test_every_entity_arrives_exactly_once_in_its_sources_order(seed: int) -> None:
    """Under duplicated and reordered deliveries from two sources, and a restart of the receiver."""
    chance = random.Random(seed)
    sent = {
        source: outs_of([(tick, 100 * source + tick) for tick in range(1, 9)]) for source in (1, 2)
    }
    deliveries = [(source, *out) for source, outs in sent.items() for out in outs]
    shuffled = deliveries + chance.choices(deliveries, k=chance.randint(0, 20))
    chance.shuffle(shuffled)
    order = deque(shuffled)
    arrivals = Arrivals()
    taken: list[tuple[int, int]] = []
    now = 1
    while order or now < 12:
        for _ in range(chance.randint(0, 5)):
            if order:
                assert arrivals.offer(*order.popleft())
        now += chance.randint(0, 2)
        for arrival in arrivals.take(now):
            assert isinstance(arrival.parcel, EntityParcel)
            assert arrival.parcel.tick < now
            taken.append((arrival.source, arrival.parcel.entity))
        if chance.random() < 0.3:  # the receiver restarts from what it had recorded ...
            arrivals = Arrivals(arrivals.progress)
            for source, outs in sent.items():  # ... and follows its sources from there again
                behind = arrivals.progress.get(source, Progress()).position
                again = [(source, *out) for out in outs if out[0] > behind]
                order.extend(delivery for delivery in again if delivery not in order)
    for source, outs in sent.items():
        entities = [entity for origin, entity in taken if origin == source]
        assert entities == [entity for entity, _ in outs], "each once, in the order of sending"


def test_forwarding_remembers_the_newest_moves_within_its_bound() -> None:
    forwarding = Forwarding(bound=2)
    forwarding.went(1, 5)
    forwarding.went(2, 5)
    forwarding.went(1, 6)
    forwarding.went(3, 7)
    assert [forwarding.where(entity) for entity in (1, 2, 3)] == [6, None, 7]
    forwarding.came(1)
    assert forwarding.where(1) is None
