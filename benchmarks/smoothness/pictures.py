"""What a player was shown: frames, with the time that they show, and everybody's places.

`ours` draws them with the real client, fed with the bytes of a recording as they arrived.

Must not know: how pictures are judged.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final

import attrs
import numpy as np
import numpy.typing as npt

from protocol.client import Client
from protocol.clock import EXTRAPOLATE_S

__all__ = ["FRAME_S", "Arrival", "Pictures", "frame_time", "frame_times", "ours"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FRAME_S: Final = 1 / 60
_PHASE_S: Final = 0.0031  # frames and ticks do not fall on the same moments


@attrs.frozen
class Arrival:
    """A message of the server, and when it arrived (seconds)."""

    at: float
    data: bytes


@attrs.frozen(eq=False)
class Pictures:
    """Frames and what is on them.

    By frame: `now` in seconds; `clock`, the tick that the player's clock shows; `picture`, the tick
    up to which what is drawn has come, which stands while the clock goes on when nothing is left to
    draw; `starving`, whether the clock is past the newest snapshot. By body: `frame`, its frame's
    index; `entity`; `place`, of shape (bodies, 2), in units.
    """

    now: Floats
    clock: Floats
    picture: Floats
    starving: npt.NDArray[np.bool_]
    frame: Integers
    entity: Integers
    place: Floats


def frame_time(number: int) -> float:
    """The moment of a frame of a session."""
    return _PHASE_S + number * FRAME_S


def frame_times(ended: float) -> Floats:
    """The moments of all frames of a session that lasts so long."""
    frames = np.arange(math.ceil((ended - _PHASE_S) / FRAME_S), dtype=np.float64)
    return np.asarray(_PHASE_S + frames * FRAME_S, np.float64)


def ours(
    arrivals: Sequence[Arrival], frames: Floats, own: int, fixed_delay_s: float | None = None
) -> Pictures:
    """What the client draws of all but `own`; with its own delay, or a fixed one behind the base.

    A fixed delay counts from the fastest snapshots, as the timeline does.
    """
    client = Client(fixed_delay_s=fixed_delay_s)
    client.start()
    heads: list[tuple[float, float, float, bool]] = []
    bodies: list[tuple[int, int, float, float]] = []
    for now in _hearing(client, arrivals, frames):
        if client.timeline is None or not client.ready:
            continue  # nothing is drawn before the first snapshot
        number, shown = len(heads), client.screen(now)
        clock, newest = client.timeline.shown, client.timeline.newest
        drawn = min(clock, newest + EXTRAPOLATE_S / client.timeline.interval)
        heads.append((now, clock, drawn, clock > newest))
        bodies += [(number, one, at.x, at.y) for one, at in shown.items() if one != own]
    columns = np.array(heads, np.float64).reshape(-1, 4)
    numbers = np.array([body[:2] for body in bodies], np.int64).reshape(-1, 2)
    places = np.array([body[2:] for body in bodies], np.float64).reshape(-1, 2)
    return Pictures(
        now=columns[:, 0],
        clock=columns[:, 1],
        picture=columns[:, 2],
        starving=columns[:, 3] > 0,
        frame=numbers[:, 0],
        entity=numbers[:, 1],
        place=places,
    )


def _hearing(client: Client, arrivals: Sequence[Arrival], frames: Floats) -> Iterator[float]:
    """The moments of frames, each when everything before it has been heard."""
    heard = 0
    for now in frames.tolist():
        while heard < len(arrivals) and arrivals[heard].at <= now:
            client.receive(arrivals[heard].data, arrivals[heard].at)
            client.outgoing()
            heard += 1
        yield now
