"""One profile: a session is recorded, drawn by the client and by the peer, and judged.

Must not know: the command line, how figures are shown.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs
import numpy as np

from benchmarks.smoothness.figures import figures
from benchmarks.smoothness.peer import geckos
from benchmarks.smoothness.pictures import Pictures, ours
from benchmarks.smoothness.session import Recording, record
from protocol.link import find_profile

__all__ = ["HZ_INTERVAL_MS", "Job", "misses", "run"]

HZ_INTERVAL_MS: Final = 50.0
_AGE_MAX_MS: Final = 150.0  # on the average link
_PHOTON_FRAMES_MAX: Final = 2.0
_SLACK_MS: Final = 17.0  # a freeze is seen in whole frames

Figures = dict[str, Any]
Log = Callable[[str], None]


@attrs.frozen(kw_only=True)
class Job:
    """What to run: a preset of `protocol.link` for so long. `curve` are fixed delays (ours) and
    buffers (the peer's) in milliseconds.
    """

    profile: str
    seconds: float = 60.0
    seed: int = 1
    peer: bool = True
    curve: Sequence[float] = ()


def run(job: Job, log: Log) -> Figures:
    """Play, draw and judge. Raises PeerMissing when the peer is wanted and is not there."""
    log(f"{job.profile}: playing for {job.seconds:g} s of its time")
    session = record(find_profile(job.profile), seconds=job.seconds, seed=job.seed)

    def judged(pictures: Pictures) -> Figures:
        return figures(
            pictures, session.truth, session.arrivals, hz=session.hz, since=session.judged_from
        )

    log(f"{job.profile}: drawing")
    drawn = (session.arrivals, session.frames, session.own)
    result: Figures = {
        "profile": job.profile,
        "seconds": job.seconds,
        "seed": job.seed,
        "ours": judged(ours(*drawn)),
        "ours_fixed": {f"{ms:g}": judged(ours(*drawn, ms / 1000)) for ms in job.curve},
        **_answers(session),
    }
    if job.peer:
        log(f"{job.profile}: drawing with the peer")
        result |= _peer(job, session, judged, result["ours"]["view_age_ms_p50"])
    return result


def _answers(session: Recording) -> Figures:
    photons = np.array(session.photons)
    return {
        "inputs": session.inputs,
        "photon_frames_p50": round(float(np.percentile(photons, 50)), 2),
        "photon_frames_p99": round(float(np.percentile(photons, 99)), 2),
        "photon_frames_max": round(float(np.max(photons)), 2),
        "corrections": session.corrections,
        "rubber_bands": session.rubber_bands,
    }


def _peer(
    job: Job, session: Recording, judged: Callable[[Pictures], Figures], age_ms: float
) -> Figures:
    """The peer as it comes, as old as ours, and its curve.

    How old its view is follows from its buffer: the rest is the way there, which is measured first.
    """

    def drawn(buffers_ms: Sequence[float | None]) -> list[Figures]:
        pictures = geckos(
            session.arrivals, session.frames, session.own, hz=session.hz, buffers_ms=buffers_ms
        )
        return [judged(each) for each in pictures]

    itself, probe = drawn([None, HZ_INTERVAL_MS])
    way_ms = probe["view_age_ms_p50"] - HZ_INTERVAL_MS
    same_ms = max(age_ms - way_ms, 1.0)
    same, *curve = drawn([same_ms, *job.curve])
    return {
        "peer": itself,
        "peer_as_old": same | {"buffer_ms": round(same_ms, 1)},
        "peer_curve": {f"{ms:g}": each for ms, each in zip(job.curve, curve, strict=True)},
    }


def misses(result: Figures) -> list[str]:
    """What a result promises and does not keep; empty if all is well."""
    ours_, profile = result["ours"], result["profile"]
    found = []
    if profile == "average" and ours_["view_age_ms_p50"] > _AGE_MAX_MS:
        found.append(f"the view is {ours_['view_age_ms_p50']} ms old, over {_AGE_MAX_MS:g}")
    if ours_["backward_steps"]:
        found.append(f"time went backwards {ours_['backward_steps']} times")
    longest, stall = ours_["longest_freeze_ms"], ours_["its_stall_ms"]
    if longest > stall + HZ_INTERVAL_MS + _SLACK_MS:
        found.append(f"a freeze of {longest} ms after a stall of {stall} ms")
    if result["photon_frames_p99"] >= _PHOTON_FRAMES_MAX:
        found.append(f"an input shows after {result['photon_frames_p99']} frames")
    if profile == "clean" and result["corrections"]:
        found.append(f"{result['corrections']} corrections")
    if profile in ("clean", "good", "average") and result["rubber_bands"]:
        found.append(f"{result['rubber_bands']} rubber-bands")
    peer = result.get("peer_as_old")
    if peer is not None and ours_["error_p99"] >= peer["error_p99"]:
        found.append(f"an error of {ours_['error_p99']}, and the peer {peer['error_p99']}")
    return [f"{profile}: {each}" for each in found]
