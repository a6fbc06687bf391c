"""The smoothness benchmark judges rightly what it is shown, and short runs keep its promises."""

import math
import os
import shutil
from typing import Any

import numpy as np
import pytest

from benchmarks.smoothness import peer
from benchmarks.smoothness.__main__ import table
from benchmarks.smoothness.figures import figures, longest_freeze
from benchmarks.smoothness.pictures import FRAME_S, Arrival, Pictures, frame_times
from benchmarks.smoothness.run import Job, misses, run
from benchmarks.smoothness.truth import Truth

HZ = 20
SPEED = 3.0  # units a tick


def moving(ticks: int) -> Truth:
    """One body that moves along a line, and a second one that is put elsewhere at tick 20."""
    truth = Truth(jump=64)
    for tick in range(ticks):
        far = 500.0 if tick >= 20 else 0.0
        places = np.array([[SPEED * tick, 0.0], [far, 7.0]])
        truth.add(tick, np.array([1, 2]), places)
    return truth


def drawn(*, delay_ticks: float, off: float = 0.0, frozen: tuple[int, int] = (0, 0)) -> Pictures:
    """Two seconds of frames of body 1: late by `delay_ticks`, `off` units beside the truth.

    It stands still from one frame to another.
    """
    now = frame_times(2.0) + 1.0
    clock = now * HZ - delay_ticks
    begins, ends = frozen
    picture = clock.copy()
    picture[begins:ends] = clock[begins]
    count = len(now)
    return Pictures(
        now=now,
        clock=clock,
        picture=picture,
        starving=picture < clock,
        frame=np.arange(count),
        entity=np.ones(count, np.int64),
        place=np.stack([SPEED * picture, np.full(count, off)], axis=1),
    )


def judged(pictures: Pictures) -> dict[str, Any]:
    arrivals = [Arrival(tick / HZ, b"") for tick in range(80)]
    return figures(pictures, moving(100), arrivals, hz=HZ, since=1.0)


def test_the_truth_is_a_line_between_two_ticks_and_unknown_where_there_is_none() -> None:
    truth = moving(30)
    places = truth.at(np.array([1, 1, 2, 2, 9, 1]), np.array([4.0, 4.5, 18.5, 19.5, 3.0, 40.0]))
    assert places[:3].tolist() == [[12.0, 0.0], [13.5, 0.0], [0.0, 7.0]]
    assert np.isnan(places[3:]).all(), "set elsewhere, never heard of, not yet"


def test_a_perfect_picture_has_no_error_and_the_age_that_it_has() -> None:
    told = judged(drawn(delay_ticks=2.5))
    assert told["view_age_ms_p50"] == pytest.approx(125)
    assert told["error_p99"] == pytest.approx(0, abs=1e-9)
    assert told["flow_error_p99"] == pytest.approx(0, abs=1e-9)
    assert told["backward_steps"] == told["stall_ratio"] == told["longest_freeze_ms"] == 0


def test_what_is_drawn_beside_the_truth_is_told_in_units() -> None:
    told = judged(drawn(delay_ticks=2.5, off=1.25))
    assert told["error_p50"] == told["error_p99"] == pytest.approx(1.25)


def test_a_freeze_is_found_with_the_silence_that_caused_it() -> None:
    told = judged(drawn(delay_ticks=2, frozen=(30, 60)))
    assert told["longest_freeze_ms"] == pytest.approx(29 * FRAME_S * 1000, abs=0.1)
    assert told["its_stall_ms"] == pytest.approx(50)
    assert told["stall_ratio"] == pytest.approx(29 / 120, abs=1e-4)
    assert told["jumps_per_min"] > 0, "it catches up at once"
    assert told["error_p99"] > 20


def test_the_stall_of_a_freeze_is_one_near_it() -> None:
    now = np.arange(0, 10, 0.1)
    picture = now * HZ
    picture[50:60] = picture[50]
    arrivals = [0.0, 3.0, 3.05, 5.0, 6.0, 6.05, 9.9]
    frozen, stall = longest_freeze(now, picture, arrivals, hz=HZ)
    assert frozen == pytest.approx(0.9)
    assert stall == pytest.approx(1.95), "the silence that ended within a second of it"


def test_time_that_goes_back_is_counted() -> None:
    pictures = drawn(delay_ticks=2)
    pictures.picture[50] = pictures.picture[48]
    assert judged(pictures)["backward_steps"] == 1


@pytest.fixture(scope="module")
def short() -> dict[str, Any]:
    """A few seconds on an average link, without the peer."""
    return run(Job(profile="average", seconds=6, peer=False, curve=(100,)), lambda _: None)


@pytest.mark.slow
def test_a_short_session_keeps_what_is_promised(short: dict[str, Any]) -> None:
    assert misses(short) == []
    assert short["ours"]["bodies"] > 20
    assert short["inputs"] > 5
    assert not math.isclose(
        short["ours"]["view_age_ms_p50"], short["ours_fixed"]["100"]["view_age_ms_p50"]
    )
    assert "| average | Shoal |" in table([short])


def test_whatever_is_not_kept_is_named(short: dict[str, Any]) -> None:
    worse = {"view_age_ms_p50": 151.0, "backward_steps": 1, "longest_freeze_ms": 400.0}
    bad = {
        **short,
        "ours": short["ours"] | worse | {"its_stall_ms": 100.0, "error_p99": 2.0},
        "peer_as_old": {"error_p99": 2.0},
        "photon_frames_p99": 2.0,
        "rubber_bands": 1,
    }
    assert len(misses(bad)) == 6


@pytest.mark.slow
def test_the_peer_draws_what_it_is_given() -> None:
    reason = None
    if shutil.which("npm") is None:
        reason = "the peer runs on Node.js (`npm`), which is not here"
    else:
        try:
            peer.install(lambda _: None)
        except peer.PeerMissing as missing:
            reason = str(missing)
    if reason is not None:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    result = run(Job(profile="good", seconds=4, curve=(100,)), lambda _: None)
    ours, same = result["ours"], result["peer_as_old"]
    assert abs(same["view_age_ms_p50"] - ours["view_age_ms_p50"]) < 2
    assert result["peer_curve"]["100"]["bodies"] == pytest.approx(ours["bodies"], rel=0.2)
    assert same["error_p50"] < 1, "it draws them where they are, more or less"
