"""A link is late by what it has not acknowledged, never by what the kernel still accepts."""

import numpy as np

from server.gateway import limits
from server.gateway.lateness import AwakeClock, Flow, Flows

TICK_S = 0.05


def send(flow: Flow, tick: int, size: int, now: float) -> None:
    flow.sent(tick, size, now)
    flow.flows.end_tick(tick, now)


def flow_with_one_snapshot(size: int = 400) -> Flow:
    flow = Flows(1 / TICK_S).open()
    send(flow, 1, size, now=0.0)
    return flow


def test_a_link_with_nothing_in_flight_is_on_time_for_ever() -> None:
    flow = flow_with_one_snapshot()
    flow.acknowledged(1, now=0.1)
    assert not flow.late(now=1000.0), "nothing is owed"
    assert flow.unacknowledged_bytes == 0


def test_more_in_flight_than_the_bound_is_late() -> None:
    flow = flow_with_one_snapshot(size=limits.UNACKNOWLEDGED_BYTES)
    assert not flow.late(now=0.0), "exactly the bound may be in flight"
    send(flow, 2, size=1, now=0.0)
    assert flow.late(now=0.0), "one byte more is too much"
    flow.acknowledged(1, now=0.1)
    assert not flow.late(now=0.1), "the first snapshot has arrived"
    assert flow.unacknowledged_bytes == 1


def test_a_snapshot_older_than_the_round_trip_and_half_a_second_is_late() -> None:
    flow = flow_with_one_snapshot()
    due = limits.ROUND_TRIP_S + limits.LATE_S
    assert not flow.late(due), "it may still be acknowledged in time"
    assert flow.late(due + 0.001), "it is overdue"


def test_a_longer_round_trip_is_given_more_time() -> None:
    flow = flow_with_one_snapshot()
    flow.measured(1.0)
    assert not flow.late(1.9), "the acknowledgement is on its way"
    assert flow.late(2.1), "now it is overdue"


def test_the_round_trip_that_counts_is_bounded() -> None:
    flow = flow_with_one_snapshot()
    flow.measured(3600.0)
    assert flow.late(limits.ROUND_TRIP_S_MAX + limits.LATE_S + 0.1), "no claim stretches it more"


def test_an_acknowledgement_covers_everything_before_it() -> None:
    flow = Flows().open()
    for tick in range(1, 11):
        send(flow, tick, 100, now=tick * TICK_S)
    flow.acknowledged(7, now=0.6)
    assert flow.unacknowledged_bytes == 300, "ticks 8 to 10 are in flight"
    flow.acknowledged(3, now=0.6)
    assert flow.unacknowledged_bytes == 300, "an older acknowledgement says nothing new"


def test_only_a_link_on_which_nothing_moves_is_silent() -> None:
    flow = flow_with_one_snapshot()
    assert not flow.silent(limits.SILENCE_S), "there is still time"
    assert flow.silent(limits.SILENCE_S + 0.1), "nothing has moved for too long"
    flow.acknowledged(1, now=limits.SILENCE_S)
    assert not flow.silent(limits.SILENCE_S + 0.1), "an acknowledgement is progress"


def test_all_links_are_told_apart() -> None:
    flows = Flows()
    links = [flows.open() for _ in range(200)]
    for tick in range(1, 11):
        rows = np.array([link.row for link in links if link.row % 3 or tick < 5])
        flows.sent_all(rows, np.full(len(rows), 1000), tick, tick * TICK_S)
        flows.end_tick(tick, tick * TICK_S)
    for link in links:
        if link.row % 2:
            link.acknowledged(3, now=0.6)
    now = 0.19 + limits.ROUND_TRIP_S + limits.LATE_S  # tick 4 was sent at 0.2, the others before
    late = flows.late(now)
    for link in links:
        newest, acknowledged = (10 if link.row % 3 else 4), (3 if link.row % 2 else 0)
        assert link.unacknowledged_bytes == 1000 * (newest - acknowledged)
        assert late[link.row] == link.late(now) == (acknowledged == 0)


def test_the_oldest_that_is_in_flight_is_the_first_that_was_sent() -> None:
    flow = Flows(1 / TICK_S).open()
    send(flow, 1, 100, now=0.05)
    for tick in range(2, 30):
        flow.flows.end_tick(tick, tick * TICK_S)  # nothing was sent to this one
    send(flow, 30, 100, now=1.5)
    flow.acknowledged(1, now=1.5)
    due = 1.5 + limits.ROUND_TRIP_S + limits.LATE_S
    assert not flow.late(due), "it counts from when it was sent"
    assert flow.late(due + 0.01)


def test_who_acknowledges_what_is_long_gone_moves_but_owes_as_before() -> None:
    flow = Flows(1 / TICK_S).open()
    for tick in range(1, 200):
        send(flow, tick, 10, now=tick * TICK_S)
    flow.acknowledged(2, now=10.0)
    assert not flow.silent(10.0 + limits.SILENCE_S)
    assert flow.late(10.0)
    flow.acknowledged(199, now=10.1)
    assert not flow.late(1000.0), "nothing is in flight"


def test_a_new_link_owes_nothing_of_the_one_before_it() -> None:
    flows = Flows()
    first = flows.open()
    send(first, 1, 10**9, now=0.0)
    first.close()
    assert not flows.late(1000.0).any(), "who is gone is not late"
    assert flows.open().row != first.row, "its row rests until the tick is over"
    flows.end_tick(2, 0.1)
    rows = {flows.open().row: None for _ in range(100)}
    assert first.row in rows
    assert not flows.late(1000.0).any()


def test_a_pause_of_the_process_is_not_held_against_its_links() -> None:
    clock = AwakeClock()
    start = clock.advance(100.0)
    assert clock.advance(100.05) - start < 0.06, "running time passes as it is"
    paused = clock.advance(700.0) - start
    assert paused < limits.PAUSE_S + 0.06, "ten minutes of sleep count as one pause"
    assert clock.advance(0.0) - start == paused, "time never steps backwards"
