"""Figures of pictures: how far from the truth, how old, how even the time in them runs.

Must not know: who drew the pictures.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from benchmarks.smoothness.pictures import Arrival, Floats, Pictures
from benchmarks.smoothness.truth import Truth

__all__ = ["figures", "longest_freeze"]

JUMP: Final = 10.0  # units; what moves so much further in a frame than it should is seen to jump
_STILL: Final = 0.05  # of the normal pace: what runs slower stands still


def figures(
    pictures: Pictures, truth: Truth, arrivals: Sequence[Arrival], *, hz: int, since: float
) -> dict[str, Any]:
    """All figures of the frames from `since` on.

    `error` is the distance of what is drawn from the truth at the time that the clock shows, in
    units; `error_fed` the same of frames that had snapshots on both sides. `view_age` is how old
    that time is. `flow_error` is how far the picture's pace is from the normal one, 1 being twice
    as fast or frozen. `jumps` are of bodies, a minute of a body.
    """
    frames = pictures.now >= since
    first = int(np.argmax(frames))
    bodies = pictures.frame >= first
    frame, entity, place = (
        pictures.frame[bodies],
        pictures.entity[bodies],
        pictures.place[bodies],
    )
    true = truth.at(entity, pictures.clock[frame])
    off = place - true
    error = np.hypot(off[:, 0], off[:, 1])
    judged = np.isfinite(error)
    fed = judged & ~pictures.starving[frame]
    now, picture = pictures.now[frames], pictures.picture[frames]
    pace = np.diff(picture) / hz / np.diff(now)
    frozen_s, stall_s = longest_freeze(now, picture, [arrival.at for arrival in arrivals], hz=hz)
    return {
        "view_age_ms_p50": _at(now - pictures.clock[frames] / hz, 50, 1000),
        "view_age_ms_p99": _at(now - pictures.clock[frames] / hz, 99, 1000),
        "error_p50": _at(error[judged], 50),
        "error_p99": _at(error[judged], 99),
        "error_mean": round(float(np.mean(error[judged])), 4),
        "error_fed_p99": _at(error[fed], 99),
        "jumps_per_min": _jumps_per_min(frame, entity, off, now),
        "stall_ratio": round(float(np.mean(pictures.starving[frames])), 4),
        "flow_error_p99": _at(np.abs(pace - 1), 99),
        "frozen_ratio": round(float(np.mean(np.abs(pace) < _STILL)), 4),
        "longest_freeze_ms": round(frozen_s * 1000, 1),
        "its_stall_ms": round(stall_s * 1000, 1),
        "backward_steps": int(np.sum(pace < -1e-9)),
        "bodies": round(float(np.mean(np.bincount(frame - first))), 1),
        "unjudged": round(float(np.mean(~judged)), 4),
    }


def longest_freeze(
    now: Floats, picture: Floats, arrivals: Sequence[float], *, hz: int
) -> tuple[float, float]:
    """The longest time for which the picture stood still, and the stall that caused it, in seconds.

    The stall is the longest silence that ended within a second around the freeze's end.
    """
    still = np.abs(np.diff(picture) / hz / np.diff(now)) < _STILL
    longest, ended, began = 0.0, 0.0, None
    for index, stands in enumerate([*still.tolist(), False]):
        if stands and began is None:
            began = index
        elif not stands and began is not None:
            if now[index] - now[began] > longest:
                longest, ended = float(now[index] - now[began]), float(now[index])
            began = None
    times = np.asarray(arrivals)
    gaps, ends = np.diff(times), times[1:]
    near = gaps[(ends > ended - 1) & (ends < ended + 1)] if longest else gaps
    return longest, float(np.max(near, initial=0.0))


def _jumps_per_min(frame: Any, entity: Any, off: Floats, now: Floats) -> float:
    """How often a body's distance from the truth changes by over `JUMP` from frame to frame."""
    order = np.lexsort((frame, entity))
    same = (np.diff(entity[order]) == 0) & (np.diff(frame[order]) == 1)
    step = np.diff(off[order], axis=0)[same]
    known = np.isfinite(step[:, 0])
    jumps = int(np.sum(np.hypot(step[known, 0], step[known, 1]) > JUMP))
    minutes = float(np.sum(known)) * float(np.mean(np.diff(now))) / 60
    return round(jumps / minutes, 3) if minutes else 0.0


def _at(values: Any, percent: float, scale: float = 1.0) -> float | None:
    return round(float(np.percentile(values, percent)) * scale, 3) if len(values) else None
