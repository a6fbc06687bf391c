"""A link is late by what it has not acknowledged, never by what the kernel still accepts."""

from server.gateway import limits
from server.gateway.lateness import AwakeClock, Flow

TICK_S = 0.05


def flow_with_one_snapshot(size: int = 400) -> Flow:
    flow = Flow(progress_at=0.0)
    flow.sent(tick=1, size=size, now=0.0)
    return flow


def test_a_link_with_nothing_in_flight_is_on_time_for_ever() -> None:
    flow = flow_with_one_snapshot()
    flow.acknowledged(1, now=0.1)
    assert not flow.late(now=1000.0), "nothing is owed"
    assert flow.unacknowledged_bytes == 0


def test_more_in_flight_than_the_bound_is_late() -> None:
    flow = flow_with_one_snapshot(size=limits.UNACKNOWLEDGED_BYTES)
    assert not flow.late(now=0.0), "exactly the bound may be in flight"
    flow.sent(tick=2, size=1, now=0.0)
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
    flow = Flow()
    for tick in range(1, 11):
        flow.sent(tick, 100, now=tick * TICK_S)
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


def test_a_pause_of_the_process_is_not_held_against_its_links() -> None:
    clock = AwakeClock()
    start = clock.advance(100.0)
    assert clock.advance(100.05) - start < 0.06, "running time passes as it is"
    paused = clock.advance(700.0) - start
    assert paused < limits.PAUSE_S + 0.06, "ten minutes of sleep count as one pause"
    assert clock.advance(0.0) - start == paused, "time never steps backwards"
