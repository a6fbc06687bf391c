"""The clocks of a client, in virtual time, under the links that players have."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.clock import EXTRAPOLATE_S, InputPacer, RoundTrip, Timeline

HZ = 20
FRAME_S = 1 / 60


def arrivals(seed, seconds, *, base=0.05, jitter=0.0, stalls=(), drift=0.0, rise_at=None):
    """(arrival, tick) as a stream delivers: nothing overtakes, a stall ends in a burst."""
    chance = random.Random(seed)
    free_at = 0.0
    for tick in range(1, int(seconds * HZ)):
        sent = tick / HZ * (1 + drift)
        at = sent + base + chance.random() * jitter
        if rise_at is not None and sent > rise_at:
            at += 0.2
        for begin, length in stalls:
            if begin <= at < begin + length:
                at = begin + length
        free_at = max(free_at, at)
        yield free_at, tick


def play(timeline, trace, *, frame_s=FRAME_S):
    """Run frames over a trace; gives (now, shown tick, newest tick) of each frame."""
    rows = []
    now = 0.0
    for at, tick in trace:
        while now < at:
            rows.append((now, timeline.render_tick(now), timeline.newest))
            now += frame_s
        timeline.arrive(tick, at)
    return rows


def rates(rows):
    return [(b[1] - a[1]) / ((b[0] - a[0]) * HZ) for a, b in itertools.pairwise(rows)]


def starving(rows):
    """The share of frames that show more than has arrived."""
    return sum(shown > newest for _, shown, newest in rows) / len(rows)


@given(
    seed=st.integers(0, 1000),
    jitter=st.floats(0, 0.3),
    stalls=st.lists(st.tuples(st.floats(1, 9), st.floats(0.05, 2.0)), max_size=3),
    drift=st.floats(-0.001, 0.001),
    frame_s=st.sampled_from([1 / 144, 1 / 60, 1 / 7]),
)
def test_what_is_shown_never_goes_back(seed, jitter, stalls, drift, frame_s):
    trace = arrivals(seed, 10, jitter=jitter, stalls=stalls, drift=drift)
    shown = [row[1] for row in play(Timeline(HZ), trace, frame_s=frame_s)]
    assert shown == sorted(shown), "a player saw time run backwards"


def test_a_clean_link_is_shown_an_interval_and_half_a_frame_late_at_the_normal_pace():
    rows = play(Timeline(HZ), arrivals(1, 20))[300:]
    assert rates(rows) == pytest.approx([1.0] * (len(rows) - 1)), "the pace wavered for no reason"
    lags = [(now - 0.05) * HZ - shown for now, shown, _ in rows]
    assert max(lags) < 1.5, "a clean link is shown needlessly late"
    assert starving(rows) == 0.0, "the next snapshot was not there in time"


@pytest.mark.parametrize("jitter", [0.02, 0.06, 0.15])
def test_the_delay_covers_the_jitter(jitter):
    timeline = Timeline(HZ)
    rows = play(timeline, arrivals(2, 60, jitter=jitter))[1200:]
    assert starving(rows) < 0.02, "jitter shows"
    assert timeline.statistics().delay_s < 1 / HZ + jitter + 0.03, "later than the jitter asks for"


def test_the_pace_stays_within_five_percent():
    rows = play(Timeline(HZ), arrivals(3, 30, jitter=0.08))[120:]
    assert all(0.949 < rate < 1.051 for rate in rates(rows)), "a change of pace can be seen"


def test_a_stall_does_not_widen_the_delay():
    timeline = Timeline(HZ)
    stalls = [(5.0, 0.5), (12.0, 0.7), (20.0, 0.4)]
    rows = play(timeline, arrivals(4, 30, jitter=0.01, stalls=stalls))
    figures = timeline.statistics()
    assert figures.stalls == 3, "stalls were not told apart"
    assert figures.target_s < 0.1, "stalls were taken for jitter"
    assert figures.longest_gap_s == pytest.approx(0.7, abs=0.1), "the longest gap is wrong"
    assert starving(rows[-300:]) == 0.0, "after a stall playback did not find back"


def test_a_link_that_stays_slower_is_followed():
    timeline = Timeline(HZ)
    rows = play(timeline, arrivals(5, 40, rise_at=5.0))
    settled = [row for row in rows if row[0] > 12]
    assert starving(settled) < 0.01, "seven seconds after the rise playback still runs dry"
    assert timeline.statistics().delay_s < 0.2, "the delay did not come down again"


@pytest.mark.parametrize("drift", [-0.0005, 0.0005])
def test_a_clock_that_drifts_is_followed(drift):
    rows = play(Timeline(HZ), arrivals(6, 120, jitter=0.01, drift=drift))
    late = rows[-600:]
    assert starving(late) < 0.01, "playback ran away from a drifting clock"
    # 500 parts in a million are more than any two clocks drift.
    assert max(newest - shown for _, shown, newest in late) < 4, "playback fell behind"


def test_a_hidden_tab_comes_back_to_the_present():
    timeline = Timeline(HZ)
    for at, tick in arrivals(7, 60):
        timeline.arrive(tick, at)
        if at < 5 or at > 50:
            timeline.render_tick(at)
    assert timeline.newest - timeline.render_tick(60.0) < 3, "old times are shown"


def test_another_link_does_not_turn_time_back():
    timeline = Timeline(HZ)
    before = play(timeline, arrivals(8, 10))[-1][1]
    timeline.restart()
    assert timeline.render_tick(12.0) == before, "time went on without knowing how"
    timeline.arrive(300, 15.2)
    later = [timeline.render_tick(15.2 + frame / 60) for frame in range(120)]
    assert later[0] >= before, "time went back"
    assert later == sorted(later), "time went back"
    assert later[-1] == pytest.approx((15.2 + 119 / 60 - 0.2) * HZ, abs=4), "it did not catch up"


@pytest.mark.parametrize("away_s", [0.3, 1.0, 5.0, 60.0])
def test_a_world_that_stood_still_goes_on_where_it_stood(away_s):
    """As after a restart of the server, which goes on with the tick at which it ended."""
    timeline = Timeline(HZ)
    drawn = [row[1] for row in play(timeline, arrivals(10, 10))]

    def draw(now):
        drawn.append(min(timeline.render_tick(now), timeline.newest + EXTRAPOLATE_S * HZ))

    lost_at = 10.0
    for frame in range(int(away_s * 60)):
        draw(lost_at + frame / 60)
    timeline.restart()
    back_at, newest = lost_at + away_s, timeline.newest
    for frame in range(180):
        if frame % 3 == 0:
            timeline.arrive(newest + 1 + frame // 3, back_at + frame / 60)
        draw(back_at + frame / 60)
    assert drawn == sorted(drawn), "what is drawn went back"
    resumed = drawn[-180:]
    still = sum(after == before for before, after in itertools.pairwise(resumed))
    assert still <= 0.45 * 60, f"the picture stood still for {still / 60:.2f} s"
    assert timeline.newest - resumed[-1] < 3, "old times are shown"


def test_after_a_short_loss_one_is_in_the_present_at_once():
    timeline = Timeline(HZ)
    play(timeline, arrivals(11, 10))
    for frame in range(36):
        timeline.render_tick(10.0 + frame / 60)
    timeline.restart()
    for number in range(3):
        timeline.arrive(212 + number, 10.65 + number / HZ)
    shown = [timeline.render_tick(10.75 + frame / 60) for frame in range(3)]
    assert shown[-1] == pytest.approx((10.75 + 2 / 60 - 0.05) * HZ, abs=2.5), "one lags behind"


def test_a_fixed_delay_is_kept():
    timeline = Timeline(HZ, fixed_delay_s=0.3)
    rows = play(timeline, arrivals(9, 20, base=0.0))[600:]
    assert all(now - shown / HZ == pytest.approx(0.3, abs=0.01) for now, shown, _ in rows)


def test_the_round_trip_is_the_least_of_eight():
    trip = RoundTrip()
    assert trip.seconds == 0.0
    for seconds in [0.3, 0.1, *[0.2] * 7]:
        trip.add(seconds)
    assert trip.seconds == 0.1
    trip.add(0.25)
    assert trip.seconds == 0.2, "an old measurement is still believed"


def paced(trip_s, *, seconds=20.0, change=None):
    """Send an input each tick over a link; gives the margins that the server saw."""
    pacer = InputPacer(HZ)
    on_way, reports, margins, ticks = [], [], [], []
    for frame in range(int(seconds * 60)):
        now = frame / 60
        if change is not None and now > change[0]:
            trip_s = change[1]
        for due, margin in [report for report in reports if report[0] <= now]:
            pacer.report(margin, now, trip_s)
            reports.remove((due, margin))
        aim = pacer.tick(max(now - trip_s / 2, 0) * HZ, now)
        ticks.append(aim)
        if frame % 3 == 0:
            on_way.append((now + trip_s / 2, int(aim)))
        for at, tick in [entry for entry in on_way if entry[0] <= now]:
            margins.append((now, tick - int(now * HZ) - 1))
            reports.append((now + trip_s / 2, margins[-1][1]))
            on_way.remove((at, tick))
    assert ticks == sorted(ticks), "the input tick went back"
    return margins


@pytest.mark.parametrize("trip_s", [0.0, 0.05, 0.2, 0.4])
def test_inputs_come_two_ticks_early(trip_s):
    late = [margin for now, margin in paced(trip_s) if now > 10]
    assert all(1 <= margin <= 3 for margin in late), f"margins wander: {sorted(set(late))}"


@pytest.mark.parametrize("change", [(10.0, 0.4), (10.0, 0.05)])
def test_pacing_follows_a_link_that_changes(change):
    late = [margin for now, margin in paced(0.15, seconds=30, change=change) if now > 22]
    assert all(0 <= margin <= 4 for margin in late), f"margins wander: {sorted(set(late))}"


def test_a_measured_round_trip_gives_the_first_aim():
    pacer = InputPacer(HZ)
    pacer.round_trip(0.4)
    assert pacer.tick(100.0, 5.0) == pytest.approx(100 + 8 + 2)


def test_the_input_tick_is_slewed_within_a_tenth():
    pacer = InputPacer(HZ)
    last = pacer.tick(100.0, 5.0)
    pacer.report(-4, 5.0, 0.1)
    for frame in range(1, 120):
        aim = pacer.tick(100.0 + frame / 3, 5.0 + frame / 60)
        assert 0.9 <= (aim - last) * 3 <= 1.1 + 1e-9, "the avatar's time jumped"
        last = aim
    assert last == pytest.approx(100.0 + 119 / 3 + 4 + 3, abs=0.01), "the aim was not reached"


def test_one_input_that_was_held_up_does_not_delay_the_next():
    pacer = InputPacer(HZ)
    pacer.tick(100.0, 5.0)
    lead = pacer.lead
    pacer.report(-40, 5.1, 0.05)
    assert pacer.lead == lead, "a stall was taken for a slow link"
    pacer.report(2, 5.2, 0.05)
    pacer.report(-40, 5.3, 0.05)
    assert pacer.lead == lead, "stalls that lie apart were taken for a slow link"
    pacer.report(-20, 5.4, 0.05)
    assert pacer.lead == lead + 22, "what is late again and again must be sent earlier"


def test_after_a_restart_inputs_are_for_the_time_that_the_world_goes_on_with():
    pacer = InputPacer(HZ)
    for frame in range(600):
        before = pacer.tick(100.0 + frame / 3, 5.0 + frame / 60)
    pacer.restart()
    assert pacer.tick(0.0, 15.0) == before, "nobody knows yet where the world is"
    assert pacer.tick(110.0, 15.1) == 110.0 + pacer.lead, "it waits for a time that did not come"
    assert pacer.tick(60.0, 15.2) == 110.0 + pacer.lead, "it went back again"
    pacer.restart()
    assert pacer.tick(113.0, 15.2) >= 110.0 + pacer.lead, "it went back for a trifle"
