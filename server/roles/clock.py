"""When the world's slots begin, in this process's time: read once, then kept with the coordinator.

The machines' clocks differ, and go at different speeds. All follow the coordinator's: each beacon
says what time it is there. A beacon is late by its way here, so the earliest of the last ones is
believed. The slots move by at most a hundredth of the time that passes, so no tick becomes
noticeably longer or shorter. To be half a tick apart is reported: it should never happen on
machines that keep their clocks.

Must not know: shards, gateways, what is done in a slot.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog
import trio

from server.placement.reconciler import Listener
from server.placement.words import Beacon
from server.shard.schedule import Schedule

__all__ = ["Slew", "keep_time", "schedule_of"]

_log = structlog.get_logger(__name__)

WINDOW: Final = 40  # beacons, of which one was hardly late: ten seconds of them
RATE: Final = 0.01  # of the time that passes
ELAPSED_S_MAX: Final = 1.0  # after a silence it is not made up for at once
DEAD_S: Final = 0.001  # nothing closer is known
WRONG_S: Final = 1.0  # a clock that is further off is not slewed to, but not believed at all
ALARM: Final = 0.5  # of a tick


def schedule_of(beacon: Beacon, heard_at: float, wall: Callable[[], float] = time.time) -> Schedule:
    """The world's slots in trio's time. `wall` (seconds since 1970) is read once, here."""
    by_wall = trio.current_time() + beacon.start_s - wall()
    by_beacon = _told(beacon, heard_at)
    if abs(by_wall - by_beacon) <= WRONG_S:
        return Schedule(by_wall, beacon.hz)
    _log.error("this machine's clock is wrong", ahead_of_coordinator_s=by_beacon - by_wall)
    return Schedule(by_beacon, beacon.hz)


class Slew:
    """How far the slots are to be moved, from one beacon to the next."""

    def __init__(self, hz: int) -> None:
        self.apart_s = 0.0  # by which the slots begin too early, as far as one knows
        self._hz = hz
        self._told: deque[float] = deque(maxlen=WINDOW)
        self._epoch = 0
        self._moved_at: float | None = None

    @property
    def alarming(self) -> bool:
        """Whether it is more than anybody should be off."""
        return abs(self.apart_s) > ALARM / self._hz

    def hear(self, beacon: Beacon, heard_at: float, start_s: float) -> float:
        """By how many seconds tick 0, now at `start_s`, is to be moved."""
        if beacon.epoch != self._epoch:  # somebody else's clock
            self._epoch = beacon.epoch
            self._told.clear()
        self._told.append(_told(beacon, heard_at))
        self.apart_s = min(self._told) - start_s
        elapsed = 0.0 if self._moved_at is None else heard_at - self._moved_at
        self._moved_at = heard_at
        if abs(self.apart_s) <= DEAD_S:
            return 0.0
        most = RATE * min(max(elapsed, 0.0), ELAPSED_S_MAX)
        return min(max(self.apart_s, -most), most)


async def keep_time(listener: Listener, schedule: Schedule) -> None:
    """Move the slots of `schedule` along with the coordinator's clock, until cancelled."""
    slew, alarming = Slew(schedule.hz), False
    while True:
        beacon = await listener.wait()
        schedule.start_s += slew.hear(beacon, listener.heard_at, schedule.start_s)
        if slew.alarming != alarming:
            alarming = slew.alarming
            if alarming:
                _log.error("half a tick apart from the coordinator", early_s=slew.apart_s)
            else:
                _log.info("together with the coordinator again")


def _told(beacon: Beacon, heard_at: float) -> float:
    """When tick 0 began by a beacon, in trio's time; late by the beacon's way here."""
    return heard_at + beacon.start_s - beacon.now_s
