"""What a player sees between snapshots, against the truth."""

import itertools
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import courses
from protocol.playback import KEPT_S, Playback
from protocol.replica import Changes

FISH, ROCK = 0, 1
UNIT = 4096  # position integers in a unit; speeds are 64 integers to a unit a second
NUM, DEN = 16, 5


class Sea:
    """A replica as playback sees it, and the truth at every tick: courses in shards."""

    def __init__(self, schema):
        self.playback = Playback(schema)
        self.tick = 0
        self.tables = {}
        self.views = {}
        self.truth = {}

    def __len__(self):
        return len(self.views)

    def __contains__(self, entity):
        return entity in self.views

    def ids(self):
        return iter(self.views)

    def entity(self, entity):
        return self.views.get(entity)

    def snapshot(self, tick, *, shown=0.0, age=0, steps=None, **changes):
        """Entities of `steps` {shard: step} as they stand now are told at `tick`."""
        self.tick = tick
        for shard, step in (steps or {0: tick}).items():
            self.tables[shard] = SimpleNamespace(tick=tick - age, step=step)
        self.playback.feed(self, Changes(**changes), shown=shown)

    def put(self, entity, course, *, shard=0, fields=None, kind=FISH, place=(0.0, 0.0)):
        x, y = place
        self.views[entity] = SimpleNamespace(
            id=entity, kind=kind, shard=shard, x=x, y=y, fields=fields or {}, course=course
        )

    def at(self, tick, entity=1):
        shown = self.playback.screen(tick)[entity]
        return shown.x, shown.y


def place(course, step):
    x0, y0, vx, vy, step0 = course
    return tuple(
        courses.evaluate(p, v, step - step0, NUM, DEN) / UNIT for p, v in ((x0, vx), (y0, vy))
    )


def turned(course, step, vx, vy):
    """The course after a turn that shows at `step`."""
    age = step - 1 - course[4]
    x, y = (
        courses.evaluate(p, v, age, NUM, DEN)
        for p, v in ((course[0], course[2]), (course[1], course[3]))
    )
    return (x, y, vx, vy, step - 1)


@pytest.fixture
def sea(schema):
    return Sea(schema)


START = (100 * UNIT, 50 * UNIT, 640, -320, 100)  # 10 and -5 units a second


def test_a_straight_course_is_shown_exactly_at_every_fraction(sea):
    sea.put(1, START)
    sea.snapshot(101, entered=[1])
    for tick in range(102, 160):
        sea.snapshot(tick)
        shown = tick - 1.7
        x, y = sea.at(shown)
        assert x == pytest.approx(100 + (shown - 100) * 0.5, abs=1e-9), "off the straight line"
        assert y == pytest.approx(50 - (shown - 100) * 0.25, abs=1e-9), "off the straight line"
    spot = sea.playback.screen(157.3)[1]
    assert (spot.vx, spot.vy) == pytest.approx((10, -5)), "the velocity is in units per second"


@settings(max_examples=40)
@given(
    turns=st.dictionaries(
        st.integers(103, 150),
        st.tuples(st.integers(-1200, 1200), st.integers(-1200, 1200)),
        max_size=12,
    )
)
def test_turns_are_exact_at_whole_ticks_and_continuous_between(schema, turns):
    sea = Sea(schema)
    course = START
    sea.put(1, course)
    sea.snapshot(101, entered=[1])
    truth = {101: place(course, 101)}
    last = None
    for tick in range(102, 155):
        if tick in turns:
            course = turned(course, tick, *turns[tick])
            sea.put(1, course)
        sea.snapshot(tick, shown=tick - 3, turned=[1] if tick in turns else [])
        truth[tick] = place(course, tick)
        for frame in range(8):
            shown = tick - 2 + frame / 8
            if shown < 101:
                continue
            spot = sea.at(shown)
            if last is not None:
                # Speeds of up to 18.75 units a second; a Hermite curve may go twice as fast.
                assert abs(spot[0] - last[0]) < 18.75 * 2 / 160 + 1e-3, "a turn jumped"
                assert abs(spot[1] - last[1]) < 18.75 * 2 / 160 + 1e-3, "a turn jumped"
            last = spot
            if frame == 0:
                assert spot == pytest.approx(truth[tick - 2], abs=1 / UNIT), "not the truth"


def test_a_turn_that_is_told_late_is_shown_where_it_happened(sea):
    sea.put(1, START)
    sea.snapshot(101, entered=[1])
    course = turned(START, 110, 0, 640)
    sea.put(1, course)
    sea.snapshot(118, shown=104.5, turned=[1])  # a late link hears of 102..118 at once
    for tick in range(106, 118):
        told = place(START if tick < 110 else course, tick)
        assert sea.at(tick) == pytest.approx(told, abs=1 / UNIT), f"tick {tick} is not the truth"


def test_what_was_drawn_already_is_not_rewritten(sea):
    sea.put(1, START)
    sea.snapshot(101, entered=[1])
    sea.snapshot(108)
    course = turned(START, 110, -1200, 0)
    sea.put(1, course)
    before = sea.at(112.4)  # the server was silent and this was extrapolated
    sea.snapshot(118, shown=112.4, turned=[1])
    assert sea.at(112.4) == pytest.approx(before), "the entity jumped back in time"
    steps = [sea.at(112.4 + frame / 40)[0] for frame in range(160)]
    jumps = [abs(b - a) for a, b in itertools.pairwise(steps)]
    assert max(jumps) < 0.6, "it was not led back smoothly"
    assert sea.at(116) == pytest.approx(place(course, 116), abs=1 / UNIT), "it is not back"


def test_a_newcomer_is_shown_as_far_back_as_its_course_is_known(sea):
    sea.put(1, START)
    sea.snapshot(140, shown=137.2, entered=[1])
    assert 1 in sea.playback.screen(137.3), "somebody who was there all along pops in late"
    newborn = (0, 0, 64, 64, 139)
    sea.put(2, newborn)
    sea.snapshot(141, shown=138.2, entered=[2])
    assert 2 not in sea.playback.screen(138.4), "it is shown before it was born"
    assert 2 in sea.playback.screen(139.5), "it is not shown at all"


def test_a_teleport_snaps(sea):
    sea.put(1, START)
    sea.snapshot(101, entered=[1])
    there = (200 * UNIT, 50 * UNIT, 640, 0, 110)
    sea.put(1, there)
    sea.snapshot(110, shown=107.0, set=[1])
    sea.snapshot(111)
    xs = [sea.at(108 + frame / 10)[0] for frame in range(30)]
    assert all(x < 106 or x >= 199 for x in xs), "a teleport is drawn as a slide"


def test_a_clamp_is_no_teleport(sea):
    sea.put(1, START)
    sea.snapshot(101, entered=[1])
    sea.put(1, (104 * UNIT, 50 * UNIT, 0, 0, 110))
    sea.snapshot(110, shown=107.0, set=[1])
    sea.snapshot(111)
    xs = [sea.at(108 + frame / 10)[0] for frame in range(30)]
    jumps = [abs(b - a) for a, b in itertools.pairwise(xs)]
    assert max(jumps) < 0.4, "a small change of place is drawn as a jump"


def test_plain_positions_stand_until_the_tick_before_they_change(sea):
    sea.put(1, None, kind=ROCK, place=(10.0, 20.0))
    sea.snapshot(101, entered=[1])
    sea.put(1, None, kind=ROCK, place=(12.0, 20.0))
    sea.snapshot(130, shown=120.0, changed=[1])
    assert sea.at(128.9) == (10.0, 20.0), "a change smears over the idle time before it"
    assert sea.at(129.5) == pytest.approx((11.0, 20.0)), "it is not interpolated"
    assert sea.at(130.0) == (12.0, 20.0), "it does not arrive"


def test_fields_change_with_the_picture_not_with_the_snapshot(sea):
    sea.put(1, START, fields={"hp": 5.0})
    sea.snapshot(101, entered=[1])
    sea.put(1, START, fields={"hp": 4.0})
    sea.snapshot(110, shown=107.9, changed=[1])
    assert sea.playback.screen(109.5)[1].hp == 5.0, "the screen is ahead of the picture"
    assert sea.playback.screen(110.1)[1].hp == 4.0, "the screen is late"


def test_nobody_is_carried_on_for_more_than_a_quarter_second_of_silence(sea):
    sea.put(1, START)
    sea.snapshot(101, entered=[1])
    sea.snapshot(110)
    assert sea.at(112.5)[0] == pytest.approx(106.25), "silence freezes at once"
    assert sea.at(200)[0] == pytest.approx(100 + 15 * 0.5), "silence is extrapolated for ever"


def test_an_entity_between_two_shards_moves_on_without_a_gap(sea):
    sea.put(1, START)
    sea.snapshot(101, steps={0: 101, 1: 601}, entered=[1])
    for tick in range(102, 120):
        changes = {}
        if tick == 108:  # handed over: the source has let go, the other has not spoken yet
            changes = {"left": {1: 5}}
        if tick == 111:
            x, y = (int(p * UNIT) for p in place(START, 110))
            sea.put(1, (x, y, 640, -320, 610), shard=1)
            changes = {"entered": [1]}
        sea.snapshot(tick, shown=max(tick - 2.5, 0), steps={0: tick, 1: tick + 500}, **changes)
        for frame in range(4):
            shown = tick - 1.5 + frame / 4
            if shown >= 101:
                assert sea.at(shown)[0] == pytest.approx(100 + (shown - 100) / 2, abs=0.001), (
                    "the border was noticed"
                )
        assert sea.playback.screen(tick - 0.5)[1].held == (108 <= tick < 111)


def test_who_is_gone_is_shown_until_that_moment(sea):
    sea.put(1, START)
    sea.snapshot(101, entered=[1])
    del sea.views[1]
    sea.snapshot(110, left={1: 0})
    assert 1 in sea.playback.screen(109.5), "it vanished before it left"
    assert 1 not in sea.playback.screen(110.0), "it is shown after it left"
    assert len(sea.playback) == 0, "its track is kept"


def test_a_shard_that_skips_ticks_slows_everything_down_without_a_jump(sea):
    sea.put(1, START)
    step = 101
    sea.snapshot(101, steps={0: step}, entered=[1])
    xs = []
    for tick in range(102, 150):
        if tick % 2 == 0 or tick < 120:  # half the pace from 120 on
            step += 1
            sea.snapshot(tick, steps={0: step})
        else:
            sea.tick = tick
            sea.playback.feed(sea, Changes())
        if tick > 105:
            xs += [sea.at(tick - 4 + frame / 4)[0] for frame in range(4)]
    paces = [(b - a) * 4 for a, b in itertools.pairwise(xs)]
    assert all(0.24 < pace < 0.51 for pace in paces), "a dilated shard stutters"
    assert paces[-1] == pytest.approx(0.25, abs=0.01), "it does not slow down"


def test_what_is_to_come_goes_on_at_a_dilated_pace(sea):
    sea.put(1, START)
    step = 101
    sea.snapshot(101, steps={0: step}, entered=[1])
    xs = []
    for tick in range(102, 180):
        if tick % 3 == 0:
            step += 1
            sea.snapshot(tick, steps={0: step})
        else:
            sea.tick = tick
            sea.playback.feed(sea, Changes())
        if tick > 145:
            xs += [sea.at(tick - 0.5 + frame / 4)[0] for frame in range(4)]
    paces = [(b - a) * 4 for a, b in itertools.pairwise(xs)]
    assert paces == pytest.approx([0.5 / 3] * len(paces), abs=0.01), "it hurries on, and returns"


def test_after_another_link_the_old_picture_goes_on_and_the_absent_leave(sea):
    for entity in (1, 2):
        sea.put(entity, START)
    sea.snapshot(101, entered=[1, 2])
    sea.snapshot(110)
    before = sea.at(109.0)
    sea.playback.restart()
    del sea.views[2]
    sea.snapshot(112, shown=109.0, entered=[1])
    assert sea.at(109.0) == pytest.approx(before), "the picture blinked"
    assert 2 in sea.playback.screen(111.0), "it vanished too early"
    assert 2 not in sea.playback.screen(112.0), "somebody who is gone is still drawn"


def test_memory_stays_bounded_whether_or_not_anybody_looks(sea):
    course = START
    sea.put(1, course)
    sea.snapshot(101, entered=[1])
    for tick in range(102, 1200):
        course = turned(course, tick, tick % 97, -(tick % 89))
        sea.put(1, course)
        sea.put(tick, START)
        sea.snapshot(tick, turned=[1], entered=[tick], left={tick - 1: 0} if tick > 102 else {})
        sea.views.pop(tick - 1, None) if tick > 102 else None
    kept = KEPT_S * 20
    assert len(sea.playback._tracks[1].keys) <= kept + 2, "keys pile up"
    assert len(sea.playback) < 200, "tracks of those who left pile up"
