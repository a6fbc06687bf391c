"""When to show what: the clocks of a client, without a clock.

Playback needs no ping: a snapshot of tick t that arrives at a has the offset a - t * dt. The least
offset of late is the base; what an arrival is later than that is its delay. Showing the world
`interval + a high quantile of the delays + half a frame` behind the base hides the jitter. The
delay rises fast and falls slowly; playback follows by running a few percent faster or slower and
never steps back. A stall (a gap followed by a burst, as TCP shows loss) is not jitter and does not
widen the delay. After NetEQ, Quake III and Unity's Netcode for Entities.

Must not know: messages, positions. Times are seconds of any one monotonic clock.
"""

from collections import deque
from typing import Final

import attrs

__all__ = ["InputPacer", "RoundTrip", "Timeline", "TimelineStatistics"]

_QUANTILE: Final = 0.97
_FORGET: Final = 0.9993  # a packet; half of a delay's weight is gone after 50 s at 20 Hz
_BUCKET_S: Final = 0.004
_BUCKETS: Final = 256
_WINDOW_S: Final = 10.0  # over which the base is the least offset: follows clocks that drift
_HALF_FRAME_S: Final = 1 / 120
_STALL_INTERVALS: Final = 4.0
_RISE_S: Final = 0.3
_FALL_S: Final = 10.0
_RATE_MAX: Final = 0.05  # playback runs at most so much faster or slower
_RESET_S: Final = 0.5  # further behind than this it jumps forward


class RoundTrip:
    """The round trip: the least of the last 8 measurements, since snapshots queue before pongs."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=8)

    def add(self, seconds: float) -> None:
        """Note a measurement."""
        self._last.append(max(seconds, 0.0))

    @property
    def seconds(self) -> float:
        """The round trip; 0 before the first measurement."""
        return min(self._last, default=0.0)


class _Delays:
    """A histogram of delays that forgets; its quantile is known at once."""

    def __init__(self) -> None:
        self._weights = [0.0] * _BUCKETS
        self._gain = 1.0  # grows instead of shrinking all weights

    def add(self, seconds: float) -> None:
        bucket = min(max(int(seconds / _BUCKET_S), 0), _BUCKETS - 1)
        self._gain /= _FORGET
        self._weights[bucket] += self._gain
        if self._gain > 1e100:
            self._weights = [weight / self._gain for weight in self._weights]
            self._gain = 1.0

    def quantile(self) -> float:
        left = sum(self._weights) * _QUANTILE
        for bucket, weight in enumerate(self._weights):
            left -= weight
            if left <= 0:
                return (bucket + 1) * _BUCKET_S
        return 0.0


@attrs.frozen
class TimelineStatistics:
    """Seconds of delay between the newest server time and what is shown, and stalls so far."""

    delay_s: float
    target_s: float
    stalls: int
    longest_gap_s: float


class Timeline:
    """Maps arrivals of snapshots to the tick to show. `fixed_delay_s` switches adaption off."""

    def __init__(self, hz: int, fixed_delay_s: float | None = None) -> None:
        self.interval = 1 / hz
        self.fixed_delay_s = fixed_delay_s
        self.newest = 0
        self._offsets: deque[tuple[float, float]] = deque()  # (time, offset), offsets ascending
        self._delays = _Delays()
        self._target = self._delay = self.interval + _HALF_FRAME_S
        self._arrived = self._shown_at = 0.0
        self._shown: float | None = None
        self._in_burst = False
        self._stalls = 0
        self._longest_gap = 0.0

    @property
    def started(self) -> bool:
        """Whether a snapshot has arrived."""
        return bool(self._offsets)

    def arrive(self, tick: int, now: float) -> None:
        """A snapshot of `tick` arrived."""
        offset = now - tick * self.interval
        gap = now - self._arrived if self.started else 0.0
        self._arrived = now
        self.newest = max(self.newest, tick)
        self._note_offset(offset, now)
        delay = offset - self._base
        if gap > _STALL_INTERVALS * self.interval + self._target:
            self._in_burst = True
            self._stalls += 1
            self._longest_gap = max(self._longest_gap, gap)
        if self._in_burst and delay > self._target:
            return
        self._in_burst = False
        self._delays.add(delay)
        self._target = self.interval + self._delays.quantile() + _HALF_FRAME_S

    def server_tick(self, now: float) -> float:
        """The tick that the server is at, as the fastest snapshots tell: late by their way here."""
        return (now - self._base) / self.interval if self.started else 0.0

    def render_tick(self, now: float) -> float:
        """The tick to show at `now`; never less than before. 0 before the first snapshot."""
        if not self.started:
            return 0.0
        elapsed = max(now - self._shown_at, 0.0)
        self._follow_target(elapsed)
        ideal = (now - self._base - self._delay) / self.interval
        self._shown_at = now
        if self._shown is None:
            self._shown = max(ideal, 0.0)
            return self._shown
        behind = (ideal - (self._shown + elapsed / self.interval)) * self.interval
        if behind > _RESET_S:
            self._shown = ideal
            return self._shown
        rate = 1.0 + min(max(behind, -_RATE_MAX), _RATE_MAX)
        if behind < -_RESET_S:
            rate = 0.0  # hold still until the time that is shown is the time again
        self._shown += elapsed * rate / self.interval
        return self._shown

    def statistics(self) -> TimelineStatistics:
        """The delay in force and the stalls so far."""
        return TimelineStatistics(self._delay, self._target, self._stalls, self._longest_gap)

    @property
    def _base(self) -> float:
        return self._offsets[0][1]

    def _note_offset(self, offset: float, now: float) -> None:
        while self._offsets and self._offsets[-1][1] >= offset:
            self._offsets.pop()
        self._offsets.append((now, offset))
        while self._offsets[0][0] < now - _WINDOW_S:
            self._offsets.popleft()

    def _follow_target(self, elapsed: float) -> None:
        if self.fixed_delay_s is not None:
            self._delay = self.fixed_delay_s
            return
        time = _RISE_S if self._target > self._delay else _FALL_S
        self._delay += (self._target - self._delay) * min(elapsed / time, 1.0)


class InputPacer:
    """How far ahead of the server's tick to aim inputs, from its reports of their margin.

    A margin of 2 ticks is wanted. The lead follows by at most 10 % of an error each report, and
    reports are ignored until the last correction can have come back, or it would swing.
    """

    WANTED: Final = 2.0
    _RESET_TICKS: Final = 10.0

    def __init__(self, hz: int) -> None:
        self._interval = 1 / hz
        self._quiet_until = 0.0
        self.lead = 2 * self.WANTED

    def report(self, margin: int, now: float, round_trip_s: float) -> None:
        """The server says that the newest input came `margin` ticks early."""
        error = self.WANTED - margin
        if abs(error) > self._RESET_TICKS:
            if now >= self._quiet_until:
                self.lead = max(self.lead + error, 0.0)
                self._quiet_until = now + round_trip_s + 4 * self._interval
            return
        if now < self._quiet_until or abs(error) < 1:
            return
        self.lead = min(max(self.lead + error * 0.5, 0.0), 60.0)
        self._quiet_until = now + round_trip_s + 2 * self._interval
