"""Tick intervals are told in milliseconds, and honestly when there are none."""

import math

from server.observe.intervals import WINDOW_TICKS, Intervals


def test_no_ticks_have_no_percentiles() -> None:
    intervals = Intervals()
    intervals.mark(1.0)
    assert intervals.statistics().count == 0
    assert math.isnan(intervals.statistics().p99_ms)


def test_one_late_tick_shows_in_the_99th_percentile_and_not_in_the_median() -> None:
    intervals = Intervals()
    for tick in range(51):
        intervals.mark(tick * 0.05)
    intervals.mark(50 * 0.05 + 0.5)
    statistics = intervals.statistics()
    assert round(statistics.p50_ms, 6) == 50
    assert statistics.p99_ms > 200
    assert round(statistics.max_ms) == 500


def test_the_window_is_bounded() -> None:
    intervals = Intervals()
    for tick in range(WINDOW_TICKS + 100):
        intervals.mark(float(tick))
    assert intervals.statistics().count == WINDOW_TICKS
