"""Ticks begin at absolute slots, run once, are never caught up, and slow down as announced."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.shard import limits
from server.shard.schedule import FULL_SPEED, Pace, Schedule, Ticker, runs

rates = st.sampled_from([1, 7, 10, 20, 30, 60])


@given(st.floats(0, 1e6), rates, st.integers(0, 10**7))
def test_a_tick_is_on_from_its_beginning(start_s: float, hz: int, tick: int) -> None:
    schedule = Schedule(start_s, hz)
    assert schedule.tick_at(schedule.begins_s(tick)) == tick
    assert schedule.tick_at(schedule.begins_s(tick) + 0.5 / hz) == tick


@given(rates, st.lists(st.tuples(st.floats(0, 2), st.integers(100, 1000)), min_size=1))
def test_no_tick_runs_twice_or_late_by_a_slot(hz: int, steps: list[tuple[float, int]]) -> None:
    """Whatever a step costs and however the speed changes."""
    ticker = Ticker(Schedule(0.0, hz))
    now, last = 0.0, 0
    for cost, permille in steps:
        slot = ticker.next_slot(now, permille)
        assert slot.tick > last, "a tick runs at most once, and in order"
        assert runs(slot.tick, permille), "only the announced ticks run"
        assert slot.begins_s > now - 1 / hz - 1e-9, "a missed tick is skipped, never caught up"
        assert 0 <= slot.missed < slot.tick - last
        last = slot.tick
        now = max(now, slot.begins_s) + cost


def test_an_idle_shard_misses_nothing() -> None:
    ticker = Ticker(Schedule(100.0, 20))
    now = 100.0
    for expected in range(1, 200):
        slot = ticker.next_slot(now)
        assert (slot.tick, slot.missed) == (expected, 0)
        now = slot.begins_s + 0.001


def test_a_long_pause_is_skipped_and_counted() -> None:
    ticker = Ticker(Schedule(0.0, 20))
    assert ticker.next_slot(0.0).tick == 1
    slot = ticker.next_slot(5.01)
    assert (slot.tick, slot.missed) == (100, 98), "the slot that is on runs; those before are lost"
    assert ticker.next_slot(5.02).tick == 101


@given(st.integers(1, FULL_SPEED), st.integers(0, 10**6))
def test_a_dilated_pattern_is_even(permille: int, start: int) -> None:
    ran = [tick for tick in range(start, start + 1000) if runs(tick, permille)]
    assert len(ran) == permille, "k of every thousand ticks run"
    gaps = {later - earlier for earlier, later in itertools.pairwise(ran)}
    assert not gaps or max(gaps) - min(gaps) <= 1, "and they are as even as whole ticks can be"


def settle(pace: Pace, cost_s: float, ticks: int) -> int:
    for _ in range(ticks):
        pace.observe(cost_s, 0)
    return pace.permille


def test_a_bearable_load_runs_at_full_speed() -> None:
    pace = Pace(20)
    assert settle(pace, 0.04, 400) == FULL_SPEED
    pace.observe(0.5, 9)
    assert settle(pace, 0.04, 400) == FULL_SPEED, "one long step is not an overload"


def test_an_overload_slows_down_to_what_can_be_borne_and_recovers() -> None:
    pace = Pace(20)
    slow = settle(pace, 0.1, 400)
    assert 300 <= slow <= 450, "a step of two slots runs at well under half the speed"
    assert pace.load < 0.9
    assert settle(pace, 0.1, 400) == slow, "a steady load gives a steady pattern"
    assert settle(pace, 0.02, 2000) == FULL_SPEED, "when it is over, so is the dilation"


def test_a_load_at_the_edge_does_not_flap() -> None:
    pace = Pace(20)
    speeds = [settle(pace, 0.0455, 1) for _ in range(2000)]
    changes = sum(before != after for before, after in itertools.pairwise(speeds[400:]))
    assert changes <= 2, "hysteresis keeps the pattern"


def test_missed_ticks_count_as_overload_whoever_used_the_time() -> None:
    pace = Pace(20)
    for _ in range(100):
        pace.observe(0.001, 1)
    assert pace.permille < 600


def test_a_pause_of_the_whole_process_is_no_overload() -> None:
    pace = Pace(20)
    pace.observe(0.001, 72_000)  # a laptop that slept for an hour
    assert pace.permille == FULL_SPEED


def test_there_is_a_floor() -> None:
    assert settle(Pace(20), 10.0, 400) == limits.DILATION_FLOOR


def test_dilated_slots_are_not_missed() -> None:
    ticker = Ticker(Schedule(0.0, 20))
    now = 0.0
    for _ in range(100):
        slot = ticker.next_slot(now, 300)
        assert slot.missed == 0
        now = slot.begins_s


@pytest.mark.parametrize("permille", [100, 333, 999])
def test_every_pattern_runs_its_share(permille: int) -> None:
    ticker = Ticker(Schedule(0.0, 20))
    last = [ticker.next_slot(0.0, permille).tick for _ in range(permille)][-1]
    assert abs(last - 1000) <= 10
