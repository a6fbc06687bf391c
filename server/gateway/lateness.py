"""Binding late: how much of what was sent to a link is not acknowledged yet.

The kernel accepts seconds of small snapshots before it says no, so a full socket is a poor sign of
a slow reader; acknowledgements are the good one. A link is late while more than
`UNACKNOWLEDGED_BYTES` are in flight, or the oldest snapshot in flight is older than the link's
round trip and `LATE_S`. A late link is sent nothing; later it gets one delta from the last tick
that it was sent, so what it missed in between costs neither memory nor bytes.

Must not know: what was sent, or sockets. Time is an argument.
"""

from collections import deque
from math import inf

import attrs

from server.gateway import limits


@attrs.define(eq=False)
class Flow:
    """What is in flight on one link.

    `late` compares two numbers, because it is asked for every link at every tick.
    """

    sent_bytes: int = 0
    progress_at: float = 0.0
    round_trip_s: float = limits.ROUND_TRIP_S
    _acknowledged_bytes: int = 0
    _late_above: int = limits.UNACKNOWLEDGED_BYTES
    _late_at: float = inf
    _in_flight: deque[tuple[int, int, float]] = attrs.field(factory=deque)
    _round_trips: deque[float] = attrs.field(
        factory=lambda: deque[float](maxlen=limits.ROUND_TRIPS_KEPT)
    )

    def late(self, now: float) -> bool:
        """Whether the link must be skipped at `now`."""
        return now > self._late_at or self.sent_bytes > self._late_above

    def sent(self, tick: int, size: int, now: float) -> None:
        """Note that the snapshot of `tick`, `size` bytes, was accepted for sending."""
        self.sent_bytes += size
        self.progress_at = now
        if not self._in_flight:
            self._late_at = now + self.round_trip_s + limits.LATE_S
        self._in_flight.append((tick, self.sent_bytes, now))

    def acknowledged(self, tick: int, now: float) -> None:
        """Note that the client has applied the snapshot of `tick` and all before it."""
        in_flight = self._in_flight
        if not in_flight or in_flight[0][0] > tick:
            return  # nothing new: acks ride on every input
        total = 0
        while in_flight and in_flight[0][0] <= tick:
            total = in_flight.popleft()[1]
        self._acknowledged_bytes = total
        self._late_above = total + limits.UNACKNOWLEDGED_BYTES
        self.progress_at = now
        self._set_deadline()

    def measured(self, round_trip_s: float) -> None:
        """Note how long a ping took.

        The least of the last few counts: on TCP a link's own snapshots queue ahead of the pongs.
        """
        self._round_trips.append(round_trip_s)
        self.round_trip_s = min(*self._round_trips, limits.ROUND_TRIP_S_MAX)
        self._set_deadline()

    def silent(self, now: float) -> bool:
        """Whether nothing has moved for so long that the link must be dropped.

        Every link that is not late is sent something at every tick, so a healthy one always moves.
        """
        return now - self.progress_at > limits.SILENCE_S

    @property
    def unacknowledged_bytes(self) -> int:
        """Bytes in flight."""
        return self.sent_bytes - self._acknowledged_bytes

    def _set_deadline(self) -> None:
        if self._in_flight:
            self._late_at = self._in_flight[0][2] + self.round_trip_s + limits.LATE_S
        else:
            self._late_at = inf


@attrs.define(eq=False)
class AwakeClock:
    """Time that passes only while the gateway runs.

    After a pause of the whole process every link would look as if it had been silent; the pause
    was ours, so it counts as `limits.PAUSE_S` at most.
    """

    _awake: float = 0.0
    _last: float | None = None

    def advance(self, now: float) -> float:
        """The awake time at `now`; never steps backwards."""
        if self._last is not None:
            self._awake += min(max(now - self._last, 0.0), limits.PAUSE_S)
        self._last = now
        return self._awake
