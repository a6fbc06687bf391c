"""Binding late: how much of what was sent to a link is not acknowledged yet.

The kernel accepts seconds of small snapshots before it says no, so a full socket is a poor sign of
a slow reader; acknowledgements are the good one. A link is late while more than
`UNACKNOWLEDGED_BYTES` are in flight (or a second's budget, if that is more), or the oldest snapshot
in flight is older than the link's round trip and `LATE_S`. A late link is sent nothing; later it
gets one delta from the last tick that it was sent, so what it missed in between costs neither
memory nor bytes.

All links are columns here, a row each, because nearly all of them are asked for at every tick and
get the same: so it costs a few operations on columns, not a look at thousands of objects. What was
sent in all is remembered for the ticks of the longest allowed delay, so that an acknowledgement of
any of them tells exactly what is still in flight; an older one tells only that something moves.
Acknowledgements are many as well: they are gathered, and worked out together before anybody asks.

Must not know: what was sent, or sockets. Time is an argument.
"""

from collections import deque
from math import ceil, inf

import attrs
import numpy as np
import numpy.typing as npt

from server.gateway import limits

__all__ = ["AwakeClock", "Flow", "Flows"]

Ints = npt.NDArray[np.int64]
Times = npt.NDArray[np.float64]

_FIRST_ROWS = 64


class Flows:
    """What is in flight on the links of a gateway, for which `hz` snapshots a second are made.

    Who is sent up to `client_bytes_per_s` is not late by bytes before it is late by time.
    """

    def __init__(self, hz: float = 20.0, client_bytes_per_s: float = 0.0) -> None:
        ticks = ceil((limits.ROUND_TRIP_S_MAX + limits.LATE_S) * hz) + 1
        self.bytes_max = max(limits.UNACKNOWLEDGED_BYTES, int(client_bytes_per_s * limits.LATE_S))
        self.sent = np.zeros(_FIRST_ROWS, np.int64)  # bytes in all
        self.bound = np.zeros(_FIRST_ROWS, np.int64)  # with more than so many the link is late
        self.due_at = np.full(_FIRST_ROWS, inf)  # when the oldest in flight should have arrived
        self.patience_s = np.zeros(_FIRST_ROWS)
        self.progress_at = np.zeros(_FIRST_ROWS)
        self.newest = np.zeros(_FIRST_ROWS, np.int64)  # the tick that was sent last
        self._totals = np.zeros((ticks, _FIRST_ROWS), np.int64)  # `sent` after recent ticks
        self._ticks = np.full(ticks, -1, np.int64)
        self._times = np.zeros(ticks)
        self._tick = 0
        self.sending = 0  # the tick that is being sent, 0 for none
        self._heard: dict[int, int] = {}  # rows, and the newest tick that they acknowledged
        self._heard_at = 0.0
        self._free = list(range(_FIRST_ROWS - 1, -1, -1))
        self._resting: list[int] = []

    def open(self, now: float = 0.0) -> "Flow":
        """The flow of a new link."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        self.sent[row] = self.newest[row] = 0
        self.bound[row] = self.bytes_max
        self.due_at[row] = inf
        self.patience_s[row] = limits.ROUND_TRIP_S + limits.LATE_S
        self.progress_at[row] = now
        self._totals[:, row] = 0
        return Flow(self, row)

    def close(self, flow: "Flow") -> None:
        """The link is gone. Its row is not used again before the next tick."""
        self._heard.pop(flow.row, None)
        self._resting.append(flow.row)
        self.due_at[flow.row] = inf
        self.bound[flow.row] = np.iinfo(np.int64).max

    def late(self, now: float) -> npt.NDArray[np.bool_]:
        """Of each row whether its link must be skipped at `now`."""
        self.settle()
        late: npt.NDArray[np.bool_] = now > self.due_at
        late |= self.sent > self.bound
        return late

    def sent_all(self, rows: Ints, sizes: Ints, tick: int, now: float) -> None:
        """Note that snapshots of `tick` of these sizes in bytes were accepted for sending."""
        self.sent[rows] += sizes
        self.progress_at[rows] = now
        self.newest[rows] = tick
        idle = rows[self.due_at[rows] == inf]
        self.due_at[idle] = now + self.patience_s[idle]

    def begin_tick(self, tick: int) -> None:
        """Snapshots of `tick` are being sent: whoever has one may acknowledge it from now on."""
        self.sending = tick

    def end_tick(self, tick: int, now: float) -> None:
        """All snapshots of `tick` were sent at `now`."""
        self.sending = 0
        place = tick % len(self._ticks)
        self._totals[place] = self.sent
        self._ticks[place], self._times[place] = tick, now
        self._tick = tick
        if self._resting:
            self._free += self._resting
            self._resting = []

    def acknowledged(self, row: int, tick: int, now: float) -> None:
        """The client of `row` has applied the snapshot of `tick` and all before it."""
        self._heard[row] = tick
        self._heard_at = now

    def settle(self) -> None:
        """Work out what the acknowledgements since the last call mean."""
        if not self._heard:
            return
        count, now = len(self._heard), self._heard_at
        rows = np.fromiter(self._heard.keys(), np.int64, count)
        ticks = np.fromiter(self._heard.values(), np.int64, count)
        self._heard.clear()
        self.progress_at[rows] = now
        done = ticks >= self.newest[rows]
        self.bound[rows[done]] = self.sent[rows[done]] + self.bytes_max
        self.due_at[rows[done]] = inf
        known = ~done & (self._ticks[ticks % len(self._ticks)] == ticks)
        rows, ticks = rows[known], ticks[known]
        totals = self._totals[ticks % len(self._ticks), rows]
        self.bound[rows] = totals + self.bytes_max
        self.due_at[rows] = self._sent_after(rows, ticks, totals, now) + self.patience_s[rows]

    def patient(self, row: int, round_trip_s: float) -> None:
        """Give the link of `row` as long as its round trip takes."""
        self.settle()
        patience_s = round_trip_s + limits.LATE_S
        self.due_at[row] += patience_s - self.patience_s[row]
        self.patience_s[row] = patience_s

    def _sent_after(self, rows: Ints, ticks: Ints, totals: Ints, now: float) -> Times:
        """When the first snapshot after those of `ticks`, with which it was `totals`, was sent."""
        times = np.full(len(rows), now)
        open_, later = np.arange(len(rows)), ticks + 1
        while len(open_):
            places = later[open_] % len(self._ticks)
            found = self._totals[places, rows[open_]] > totals[open_]
            found &= self._ticks[places] == later[open_]
            times[open_[found]] = self._times[places[found]]
            later += 1
            open_ = open_[~found & (later[open_] <= self._tick)]
        return times

    def _grow(self) -> None:
        rows = len(self.sent)
        self._free += range(2 * rows - 1, rows - 1, -1)
        for name in ("sent", "bound", "due_at", "patience_s", "progress_at", "newest"):
            column = getattr(self, name)
            setattr(self, name, np.concatenate((column, np.zeros_like(column))))
        self.due_at[rows:] = inf
        self._totals = np.concatenate((self._totals, np.zeros_like(self._totals)), axis=1)


class Flow:
    """What is in flight on one link: a row of `flows`."""

    __slots__ = ("_acknowledged", "_round_trips", "flows", "row")

    def __init__(self, flows: Flows, row: int) -> None:
        self.flows = flows
        self.row = row
        self._acknowledged = 0
        self._round_trips: deque[float] = deque(maxlen=limits.ROUND_TRIPS_KEPT)

    @property
    def newest(self) -> int:
        """The tick of the newest snapshot that may have been sent, 0 for none."""
        flows = self.flows
        return flows.sending or int(flows.newest[self.row])

    @property
    def unacknowledged_bytes(self) -> int:
        """Bytes in flight, as far as is known."""
        flows, row = self.flows, self.row
        flows.settle()
        return int(flows.sent[row] - flows.bound[row]) + flows.bytes_max

    def late(self, now: float) -> bool:
        """Whether the link must be skipped at `now`."""
        flows, row = self.flows, self.row
        flows.settle()
        return bool(now > flows.due_at[row] or flows.sent[row] > flows.bound[row])

    def sent(self, tick: int, size: int, now: float) -> None:
        """Note that the snapshot of `tick`, `size` bytes, was accepted for sending."""
        self.flows.sent_all(np.array([self.row]), np.array([size]), tick, now)

    def acknowledged(self, tick: int, now: float) -> None:
        """Note that the client has applied the snapshot of `tick` and all before it."""
        if tick > self._acknowledged:  # else it is nothing new: acks ride on every input
            self._acknowledged = tick
            self.flows.acknowledged(self.row, tick, now)

    def has_acknowledged(self, tick: int) -> bool:
        """Whether the client has applied the snapshot of `tick`, as far as is known."""
        return self._acknowledged >= tick

    def measured(self, round_trip_s: float) -> None:
        """Note how long a ping took.

        The least of the last few counts: on TCP a link's own snapshots queue ahead of the pongs.
        """
        self._round_trips.append(round_trip_s)
        self.flows.patient(self.row, min(*self._round_trips, limits.ROUND_TRIP_S_MAX))

    def begin(self, now: float) -> None:
        """Silence counts from now on."""
        self.flows.settle()
        self.flows.progress_at[self.row] = now

    def silent(self, now: float) -> bool:
        """Whether nothing has moved for so long that the link must be dropped.

        Every link that is not late is sent something at every tick, so a healthy one always moves.
        """
        self.flows.settle()
        return bool(now - self.flows.progress_at[self.row] > limits.SILENCE_S)

    def close(self) -> None:
        """The link is gone."""
        self.flows.close(self)


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
