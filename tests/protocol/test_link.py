"""The link conditioner: what it promises of times, whatever is pushed; its presets; its vectors."""

import json
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.link import PRESETS, STALL_TRIPS, ConditionedLink, Pipe, Profile, find_profile

VECTORS = Path(__file__).parent.parent / "vectors" / "link.json"

profiles = st.sampled_from([*PRESETS.values()]) | st.builds(
    Profile,
    delay_s=st.floats(0, 1),
    jitter_s=st.floats(0, 0.3),
    loss=st.floats(0, 1),
    burst_loss=st.floats(0, 1),
    burst_s=st.floats(0, 3),
    burst_every_s=st.floats(1, 20),
    bytes_per_s=st.sampled_from([0, 1_000, 50_000]),
)
pushes = st.lists(
    st.tuples(st.floats(0, 2) | st.just(0.0), st.integers(0, 20_000)), min_size=1, max_size=60
)


def steady(profile, seed, seconds, *, hz=20, size=100):
    """How long each message of a steady stream takes, and the pipe."""
    pipe = Pipe(profile, seed)
    sent = [tick / hz for tick in range(int(seconds * hz))]
    return [pipe.push(size, now) - now for now in sent], pipe


@given(profile=profiles, seed=st.integers(0, 2**40), gaps=pushes)
def test_nothing_overtakes_nothing_is_early_and_the_rate_is_kept(profile, seed, gaps):
    pipe, now, last, total, began = Pipe(profile, seed), 0.0, 0.0, 0, None
    for gap, size in gaps:
        now += gap
        began = now if began is None else began
        total += size
        arrives = pipe.push(size, now)
        assert arrives >= last, "a message overtook another"
        assert arrives >= now + profile.delay_s, "a message was faster than the link"
        if profile.bytes_per_s:
            busy_s = size / profile.bytes_per_s
            assert arrives + 1e-6 >= now + busy_s + profile.delay_s, "one was faster than the rate"
        last = arrives
    figures = pipe.statistics()
    assert (figures.messages, figures.bytes) == (len(gaps), total)


@given(seed=st.integers(0, 2**32), sizes=st.lists(st.integers(0, 9000), min_size=2, max_size=50))
def test_a_crowd_of_messages_at_once_leaves_at_the_rate(seed, sizes):
    profile = Profile(delay_s=0.1, jitter_s=0.01, bytes_per_s=10_000, queue_bytes=5_000)
    pipe, passed = Pipe(profile, seed), 0
    for size in sizes:
        arrives = pipe.push(size, 3.0)
        passed += size
        assert passed <= (arrives - 3.1) * 10_000 + 1e-6, "more arrived than the rate lets through"
    assert pipe.backlog(3.0) == pytest.approx(passed), "what waits is what was pushed"
    assert pipe.backlog(pipe.held_until(3.0)) == pytest.approx(min(passed, 5_000)), (
        "a sender that was held back goes on when the queue has room"
    )


@pytest.mark.parametrize("name", PRESETS)
def test_messages_take_on_average_what_the_profile_declares(name):
    profile = attrs.evolve(PRESETS[name], loss=0.0, burst_loss=0.0, bytes_per_s=0.0)
    times, pipe = steady(profile, 1, 2000)
    assert sum(times) / len(times) == pytest.approx(profile.mean_delay_s, abs=profile.jitter_s / 10)
    assert pipe.statistics().stalls == 0


def test_half_of_the_messages_have_less_than_the_jitter_and_few_much_more():
    profile = Profile(delay_s=0.1, jitter_s=0.01)
    times, _ = steady(profile, 5, 4000, hz=2)
    extra = sorted(time - 0.1 for time in times)
    assert extra[len(extra) // 2] == pytest.approx(0.01, abs=0.001)
    assert 0.028 < extra[int(len(extra) * 0.99)] < 0.038
    assert extra[-1] < 0.06


def test_jitter_wanders_and_does_not_jump():
    profile = Profile(jitter_s=0.01)
    pipe = Pipe(profile, 3)
    times = [pipe.push(1, now / 50) - now / 50 for now in range(20_000)]
    mean = sum(times) / len(times)

    def correlation(lag):
        pairs = zip(times, times[lag:], strict=False)
        spread = sum((time - mean) ** 2 for time in times)
        return sum((a - mean) * (b - mean) for a, b in pairs) / spread

    assert correlation(2) > 0.85, "a snapshot later the jitter is another"
    assert abs(correlation(200)) < 0.15, "four seconds later the jitter is still the same"


def test_a_lost_packet_holds_everything_up_for_one_to_two_round_trips():
    profile = Profile(delay_s=0.1, loss=0.02)
    times, pipe = steady(profile, 9, 2000, hz=2)  # seldom enough that no two stalls meet
    stalls = [time - 0.1 for time in times if time > 0.1 + 1e-9]
    figures = pipe.statistics()
    assert len(stalls) == figures.stalls
    assert len(stalls) / len(times) == pytest.approx(0.02, abs=0.006), (
        "packets are lost as declared"
    )
    least, most = (trips * profile.round_trip_s for trips in STALL_TRIPS)
    assert all(least - 1e-6 <= stall <= most + 1e-6 for stall in stalls)
    assert sum(stalls) / len(stalls) == pytest.approx((least + most) / 2, rel=0.1)
    assert figures.longest_stall_s == pytest.approx(max(stalls))
    assert figures.stalled_s == pytest.approx(sum(stalls))


def test_what_waits_behind_a_lost_packet_arrives_with_it_in_one_burst():
    profile = Profile(delay_s=0.1, loss=0.02)
    pipe = Pipe(profile, 4)
    arrivals = [pipe.push(100, tick / 50) for tick in range(1000)]
    together = max(arrivals.count(arrival) for arrival in set(arrivals))
    assert 10 <= together <= 22, "a stall of 0.2 to 0.4 s at 50 Hz ends in a burst of that length"


def test_large_messages_are_lost_by_the_packet():
    profile = Profile(delay_s=0.1, loss=0.01)
    _, small = steady(profile, 2, 400, hz=5, size=1400)
    _, large = steady(profile, 2, 400, hz=5, size=14_000)
    assert large.statistics().stalls > 5 * small.statistics().stalls


def test_bursts_of_loss_come_once_in_their_period():
    profile = Profile(delay_s=0.001, burst_loss=1.0, burst_s=1.0, burst_every_s=10.0)
    pipe = Pipe(profile, 6)
    stalled = [now / 50 for now in range(50 * 200) if pipe.push(9, now / 50) - now / 50 > 0.0015]
    for period in range(20):
        inside = [time for time in stalled if 10 * period <= time < 10 * period + 10]
        assert 48 <= len(inside) <= 53, "a second of fifty messages"
        assert inside[-1] - inside[0] <= 1.05, "one burst, and not several"
    assert len({round(time % 10) for time in stalled}) > 5, "bursts are not told by the clock"


def test_a_profile_may_be_replaced_on_the_way():
    pipe = Pipe(PRESETS["mobile"], 1)
    first = pipe.push(100, 1.0)
    pipe.profile = PRESETS["clean"]
    assert pipe.push(100, 1.0) == first, "what was sent later overtook"
    assert pipe.push(100, 9.0) == 9.0


def test_the_seed_decides_and_both_directions_differ():
    def times(pipe):
        return [pipe.push(100, tick / 20) for tick in range(50)]

    profile = PRESETS["average"]
    link, same, other = (ConditionedLink(profile, seed) for seed in (1, 1, 2))
    up, down = times(link.up), times(link.down)
    assert (up, down) == (times(same.up), times(same.down))
    assert len({tuple(up), tuple(down), tuple(times(other.up)), tuple(times(other.down))}) == 4


def test_an_unknown_link_is_answered_with_the_list_of_links():
    assert find_profile("poor") is PRESETS["poor"]
    with pytest.raises(ValueError, match="'bad' is no link; there are clean, good, average, poor"):
        find_profile("bad")


def test_the_vectors_are_what_the_model_gives():
    cases = json.loads(VECTORS.read_text(encoding="utf-8"))
    named = {case["name"]: Profile(**case["profile"]) for case in cases if case["name"]}
    assert named == dict(PRESETS), "the presets of the vectors are others"
    for case in cases:
        pipe = Pipe(Profile(**case["profile"]), case["seed"])
        assert [pipe.push(size, now) for size, now, _ in case["pushes"]] == [
            arrives for _, _, arrives in case["pushes"]
        ]
        assert attrs.asdict(pipe.statistics()) == case["statistics"]
