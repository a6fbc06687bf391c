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

__all__ = ["EXTRAPOLATE_S", "InputPacer", "RoundTrip", "Timeline", "TimelineStatistics"]

_QUANTILE: Final = (
    0.9  # of TCP; what is later is stalls, which a delay of theirs would not hide well
)
_FORGET: Final = 0.9993  # a packet; half of a delay's weight is gone after 50 s at 20 Hz
_BUCKET_S: Final = 0.004
_BUCKETS: Final = 256
_WINDOW_S: Final = 10.0  # over which the base is the least offset: follows clocks that drift
_HALF_FRAME_S: Final = 1 / 120
_STALL_INTERVALS: Final = 4.0
_RISE_S: Final = 0.3
_FALL_S: Final = 10.0
_RATE_MAX: Final = 0.05  # playback runs at most so much faster or slower
_DEAD_ZONE_S: Final = 0.004  # a bucket of delays; nothing closer is known
_BURST_S: Final = 1.0
_RESET_S: Final = 0.5  # further behind than this it jumps forward
EXTRAPOLATE_S: Final = 0.25  # nothing is drawn that lies further ahead of the newest snapshot


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
        self._base = 0.0

    def add(self, seconds: float) -> None:
        bucket = min(max(int(seconds / _BUCKET_S), 0), _BUCKETS - 1)
        self._gain /= _FORGET
        self._weights[bucket] += self._gain
        if self._gain > 1e100:
            self._weights = [weight / self._gain for weight in self._weights]
            self._gain = 1.0

    def rebase(self, base: float) -> None:
        """Delays count from `base` now: those that are known move along, by whole buckets."""
        shift = int((base - self._base) / _BUCKET_S)
        if shift == 0:
            return
        self._base += shift * _BUCKET_S
        moved = [0.0] * _BUCKETS
        for bucket, weight in enumerate(self._weights):
            moved[min(max(bucket - shift, 0), _BUCKETS - 1)] += weight
        self._weights = moved

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
        self._resumed = False
        self._burst_until = 0.0
        self._stalls = 0
        self._longest_gap = 0.0

    @property
    def started(self) -> bool:
        """Whether a snapshot has arrived (since the last `restart`)."""
        return bool(self._offsets)

    @property
    def shown(self) -> float:
        """The tick that was shown last; 0 before the first."""
        return 0.0 if self._shown is None else self._shown

    def restart(self) -> None:
        """Another link to the same world: its offsets are its own; what was shown stays shown.

        Time ran on while nothing came, but what is drawn stood still soon. It goes on from there:
        at the present, or where the world does if that stood still as well.
        """
        self._offsets.clear()
        self._burst_until = 0.0
        if self._shown is not None:
            self._shown = min(self._shown, self.newest + EXTRAPOLATE_S / self.interval)
            self._resumed = True

    def arrive(self, tick: int, now: float) -> None:
        """A snapshot of `tick` arrived."""
        offset = now - tick * self.interval
        gap = now - self._arrived if self.started else 0.0
        self._arrived = now
        self.newest = max(self.newest, tick)
        self._note_offset(offset, now)
        self._delays.rebase(self._base)
        delay = offset - self._base
        if gap > _STALL_INTERVALS * self.interval + self._target:
            # What was held up comes in a burst, soon over. What stays late after that is no stall
            # but a slower way, and counts as delay.
            self._burst_until = now + min(gap, _BURST_S)
            self._stalls += 1
            self._longest_gap = max(self._longest_gap, gap)
        if now < self._burst_until:
            if delay > self._target:
                return
            self._burst_until = 0.0
        self._delays.add(delay)
        self._target = self.interval + self._delays.quantile() + _HALF_FRAME_S

    def server_tick(self, now: float) -> float:
        """The tick that the server is at, as the fastest snapshots tell: late by their way here."""
        return (now - self._base) / self.interval if self.started else 0.0

    def render_tick(self, now: float) -> float:
        """The tick to show at `now`; never less than before. 0 before the first snapshot."""
        elapsed = max(now - self._shown_at, 0.0)
        self._shown_at = max(now, self._shown_at)
        if not self.started:
            return self.shown
        self._follow_target(elapsed)
        ideal = (now - self._base - self._delay) / self.interval
        if self._shown is None:
            self._shown = max(ideal, 0.0)
            return self._shown
        behind = (ideal - self._shown) * self.interval - elapsed
        jump_s, self._resumed = 0.0 if self._resumed else _RESET_S, False
        if behind > jump_s:
            self._shown = ideal
        elif behind >= -_RESET_S:
            self._shown += elapsed * _rate(behind) / self.interval
        # else hold still until the time that is shown is the time again
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


def _rate(behind: float) -> float:
    """How fast to play when `behind` seconds late: exactly 1 most of the time (after Mirror)."""
    if abs(behind) <= _DEAD_ZONE_S:
        return 1.0
    return 1.0 + min(max(behind, -_RATE_MAX), _RATE_MAX)


class InputPacer:
    """The tick to aim inputs at, from the server's reports of how early they come.

    A margin of 2 ticks is wanted. A report moves the aim by half its error; reports are ignored
    until the last correction can have come back, or it would swing. The tick that is given out
    follows the aim at 0.9 to 1.1 of the normal pace and never goes back, so neither do the inputs,
    nor the avatar that is drawn at that tick; only an error of over 10 ticks is jumped. An input
    that comes over 10 ticks late was held up: that the link is so slow is believed from the second
    one on. On another link the world may have stood still meanwhile: there alone it goes back.
    """

    WANTED: Final = 2.0
    _RESET_TICKS: Final = 10.0
    _LEAD_MAX: Final = 60.0
    _RATE_MAX: Final = 0.1

    def __init__(self, hz: int) -> None:
        self._interval = 1 / hz
        self._quiet_until = 0.0
        self._reported = False
        self._held_up = 0.0  # by how many ticks the last input came too late, if it was held up
        self._resumed = False
        self._tick: float | None = None
        self._ticked_at = 0.0
        self.lead = 2 * self.WANTED

    @property
    def last(self) -> float:
        """The tick that was given out last; 0 before the first."""
        return 0.0 if self._tick is None else self._tick

    def restart(self) -> None:
        """Another link to the same world."""
        self._resumed = True
        self._held_up = 0.0

    def round_trip(self, seconds: float) -> None:
        """A measured round trip, which says where to begin before the first report."""
        if not self._reported:
            self._aim(self.WANTED + seconds / self._interval)

    def report(self, margin: int, now: float, round_trip_s: float) -> None:
        """The server says that the newest input came `margin` ticks early."""
        self._reported = True
        error = self.WANTED - margin
        before, self._held_up = self._held_up, error if error > self._RESET_TICKS else 0.0
        if now < self._quiet_until or abs(error) < 1:
            return
        if self._held_up:
            if not before:
                return
            error = min(error, before)
        share = 1.0 if abs(error) > self._RESET_TICKS else 0.5
        self._aim(self.lead + error * share)
        # The correction is played out at a tenth of the pace before it can be seen at all.
        slewing = 0.0 if share == 1.0 else abs(error) * share / self._RATE_MAX
        self._quiet_until = now + round_trip_s + (2 + slewing) * self._interval

    def tick(self, server_tick: float, now: float) -> float:
        """The tick that an input sent at `now` is for, with its fraction; never less than before,
        but for the first one after a `restart`.

        `server_tick` is what the timeline says; 0 while it does not know.
        """
        if not server_tick and self._tick is not None:
            return self._tick
        wanted = server_tick + self.lead
        elapsed = max(now - self._ticked_at, 0.0) / self._interval
        self._ticked_at = max(now, self._ticked_at)
        if self._tick is None or wanted - self._tick - elapsed > self._RESET_TICKS:
            self._tick = wanted
        elif self._tick + elapsed - wanted <= self._RESET_TICKS:
            most = elapsed * self._RATE_MAX
            self._tick += elapsed + min(max(wanted - self._tick - elapsed, -most), most)
        elif self._resumed:
            self._tick = wanted
        # else it stands still until the server has caught up
        self._resumed = False
        return self._tick

    def _aim(self, lead: float) -> None:
        self.lead = min(max(lead, 0.0), self._LEAD_MAX)
