"""How evenly ticks came: the intervals between the starts of ticks, in a bounded window.

Knows no clock; the caller says when a tick began.
"""

from collections import deque

import attrs
import numpy as np

WINDOW_TICKS = 20 * 60 * 10  # ten minutes at 20 Hz: enough for any percentile shown, 100 kB


@attrs.frozen
class IntervalStatistics:
    """Of the window: how many intervals, and their percentiles in milliseconds (nan if none)."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Intervals:
    """Collects the times at which ticks began, in seconds of one clock."""

    def __init__(self) -> None:
        self._last: float | None = None
        self._seconds: deque[float] = deque(maxlen=WINDOW_TICKS)

    def mark(self, now: float) -> None:
        """Note that a tick began at `now`."""
        if self._last is not None:
            self._seconds.append(now - self._last)
        self._last = now

    def statistics(self) -> IntervalStatistics:
        """The window so far."""
        if not self._seconds:
            return IntervalStatistics(0, float("nan"), float("nan"), float("nan"))
        milliseconds = np.array(self._seconds) * 1000
        p50, p99 = np.percentile(milliseconds, [50, 99])
        return IntervalStatistics(
            len(milliseconds), float(p50), float(p99), float(milliseconds.max())
        )
