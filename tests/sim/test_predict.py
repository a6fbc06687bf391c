"""Prediction: the server's motion on one row, ahead of its word, and what if it was wrong."""

from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.steps import Steps
from sim import World, limits
from sim.engine import TickInput
from sim.predict import Predictor

CROWD = 7  # others in the same columns


class Link:
    """A server with a crowd of boats, and the predictor of one of them `trip` ticks away.

    Inputs are meant for `lead` ticks after the tick that the client is told of when it sends them.
    """

    def __init__(self, game, *, trip=0, lead=2, late=0):
        self.world = World(game, seed=3)
        self.schema = game.describe()
        self.trip, self.lead, self.late = trip, lead, late
        self.tick = self.seq = self.applied = 0
        self.waiting = []  # (the tick at which the server takes it, seq, kind, wire values)
        self.words = []  # (when it arrives, arguments of correct)
        self.steps = Steps()
        self.truth = {}
        joins = [(session, f"b{session}") for session in range(1, CROWD + 2)]
        output = self._advance(joins=joins)
        self.entity = output.joined[CROWD]
        self.kind = self.world.private(self.entity)[0]
        self.predictor = Predictor(self.schema, self.kind)

    def send(self, name, **values):
        names = [kind["name"] for kind in self.schema["inputs"]]
        kind = names.index(name)
        fields = self.schema["inputs"][kind]["fields"]
        wire = [int((values[f["name"]] - f["lo"]) / f["step"] + 0.5) for f in fields]
        exact = {f["name"]: f["lo"] + w * f["step"] for f, w in zip(fields, wire, strict=True)}
        self.seq += 1
        aim = self.tick + 1 + self.lead
        self.predictor.apply(self.seq, aim, name, exact)
        self.waiting.append((aim + self.late, self.seq, kind, wire))

    def skip(self):
        """A tick in which the shard does not step."""
        self.tick += 1
        self._hear()

    def step(self):
        due = [entry for entry in self.waiting if entry[0] <= self.tick + 1]
        self.waiting = [entry for entry in self.waiting if entry[0] > self.tick + 1]
        self.applied = max([self.applied, *(entry[1] for entry in due)])
        self._advance(inputs=[(CROWD, kind, tuple(wire), 0) for _, _, kind, wire in due])
        course, place = self._look()
        self.truth[self.tick] = place
        ints = self.world.private(self.entity)[1]
        fields = self.schema["kinds"][self.kind]["private"]
        private = {f["name"]: f["lo"] + i * f["step"] for f, i in zip(fields, ints, strict=True)}
        word = (self.tick, self.world.step, course, private, self.applied)
        self.words.append((self.tick + self.trip, word))
        self._hear()

    def _hear(self):
        for _, word in [entry for entry in self.words if entry[0] <= self.tick]:
            self.steps.add(*word[:2])
            self.predictor.correct(*word, self.steps.pace)
        self.words = [entry for entry in self.words if entry[0] > self.tick]
        self.predictor.advance(self.tick + self.lead + 1)

    def _advance(self, **what):
        self.tick += 1
        given = TickInput(tick=self.tick, step=self.world.step + 1, **what)
        return self.world.advance(given)

    def _look(self):
        made = self.world.export(self.kind)
        row = made.ids.tolist().index(self.entity)
        course = tuple(int(column[row]) for column in made.course)
        return course, (float(made.x[row]), float(made.y[row]))


def steer(link, chance):
    link.send("Steer", dx=chance[0], dy=chance[1])
    if chance[2]:
        link.send("Burst")


def drawn(link, tick):
    """Where the avatar is drawn at a whole tick."""
    return link.predictor.position(tick, 0.0)[:2]


intents = st.lists(
    st.tuples(
        st.integers(-100, 100).map(lambda n: n / 100),
        st.integers(-100, 100).map(lambda n: n / 100),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(script=intents, trip=st.sampled_from([0, 1, 4, 12]))
def test_what_is_predicted_is_what_the_server_does_bit_for_bit(pond: SimpleNamespace, script, trip):
    link = Link(pond.game, trip=trip)
    predicted = {}
    for step in range(90):
        if step % 6 == 0 and step // 6 < len(script):
            steer(link, script[step // 6])
        link.step()
        ahead = link.tick + link.lead
        if link.predictor.ready:
            predicted[ahead] = drawn(link, ahead)
    assert link.predictor.corrections == 0, "a clean link was corrected"
    known = [tick for tick in predicted if tick in link.truth]
    assert len(known) > 60, "hardly anything was predicted"
    assert all(predicted[tick] == link.truth[tick] for tick in known), "the bits differ"
    assert link.predictor.offset == (0.0, 0.0), "something is drawn beside the prediction"


def test_inputs_of_this_very_tick_are_drawn_without_a_jump(pond):
    link = Link(pond.game, lead=0)
    link.step()
    for _ in range(40):
        now = link.tick + 1.6
        before = link.predictor.position(now, 0.0)
        link.send("Steer", dx=1.0, dy=-1.0)
        link.send("Burst")
        after = link.predictor.position(now, 0.0)
        assert after[:2] == pytest.approx(before[:2], abs=1e-9), "the avatar jumped as it was told"
        link.step()
    assert link.predictor.corrections == 0, "a client without latency was corrected"
    assert drawn(link, link.tick)[0] > 0, "nothing moved"


def test_a_late_input_is_reconciled(pond):
    link = Link(pond.game, trip=3, late=4)
    for step in range(60):
        if step == 10:
            link.send("Steer", dx=1.0, dy=0.0)
        link.step()
    assert link.predictor.corrections > 0, "the server's word was not noticed"
    for _ in range(60):
        link.step()
    assert link.predictor.rubber_bands == 0, "a late start was felt as a jump"
    ahead = link.tick + 2
    there = drawn(link, ahead)
    offset = link.predictor.offset
    for _ in range(2):
        link.step()
    told = link.truth[ahead]
    assert there == pytest.approx((told[0] + offset[0], told[1] + offset[1])), "it stays wrong"


def test_a_correction_is_not_seen_as_a_jump_and_fades(pond):
    link = Link(pond.game, trip=3)
    for _ in range(20):
        link.step()
    before = drawn(link, link.tick + 1.0)
    # The server pushes the boat by what no client can predict.
    link.world[pond.Boat].vx = link.world[pond.Boat].vx + 40.0
    link.predictor.advance(link.tick + 2)
    gaps = []
    last = before
    for frame in range(180):
        if frame % 3 == 0:
            link.step()
        spot = link.predictor.position(link.tick + 1 + frame % 3 / 3, 1 / 60)
        gaps.append(abs(spot[0] - last[0]))
        last = spot
    assert link.predictor.corrections == 1, "one push is one correction"
    # At most the boat's own pace, and the fading of an offset of some 10 units.
    assert max(gaps) < 180 / 60 + 10 * 0.15, "a correction jumped"
    assert abs(link.predictor.offset[0]) < 0.01, "the offset does not fade"


def test_small_offsets_fade_slowly_and_large_ones_fast(pond):
    link = Link(pond.game)
    for _ in range(5):
        link.step()
    left = {}
    for size, seconds in ((0.01, 0.225), (8.0, 0.071)):
        link.predictor._offset = (size, 0.0)
        link.predictor.position(link.tick, seconds)
        left[size] = link.predictor.offset[0] / size
    assert left == pytest.approx({0.01: 0.5, 8.0: 0.5}, abs=0.01), "half-lives are wrong"


def test_a_teleport_snaps_and_a_far_correction_is_counted(pond):
    link = Link(pond.game, trip=2)
    for _ in range(10):
        link.step()
    link.predictor.position(link.tick + 1, 0.0)
    boats = link.world[pond.Boat]
    boats.x = boats.x * 0 + 500.0
    for _ in range(4):
        link.step()
        link.predictor.position(link.tick + 1, 0.0)
    assert link.predictor.offset == (0.0, 0.0), "a teleport is drawn as a slide"
    bands = link.predictor.rubber_bands
    boats.x = boats.x + 20.0
    for _ in range(4):
        link.step()
        link.predictor.position(link.tick + 1, 0.0)
    assert link.predictor.rubber_bands == bands + 1, "a jump of 20 units was not counted"


def test_silence_does_not_send_the_avatar_away(pond):
    link = Link(pond.game)
    link.step()
    link.predictor.advance(link.tick + 10_000)
    assert link.predictor.tick == link.tick + limits.PREDICTED_TICKS, "silence is predicted on"
    for _ in range(limits.PREDICTED_INPUTS + 10):
        link.send("Steer", dx=0.5, dy=0.5)
    assert len(link.predictor._pending) == limits.PREDICTED_INPUTS, "inputs pile up"


def test_a_kind_without_a_motion_is_not_predicted(pond):
    kinds = [kind["name"] for kind in pond.game.describe()["kinds"]]
    predictor = Predictor(pond.game.describe(), kinds.index("Buoy"))
    assert not predictor.predictable, "a buoy steers"
    predictor.correct(1, 1, (0, 0, 0, 0, 0), {}, 0)
    assert predictor.position(1.0, 0.0) is None, "a buoy is drawn by prediction"


def test_what_the_avatar_does_next_begins_at_its_place_whatever_is_drawn(pond):
    link = Link(pond.game, trip=4)
    assert link.predictor.place(1) is None, "a place is known before the server said any"
    link.send("Steer", dx=1.0, dy=0.25)
    places = {}
    for _ in range(40):
        link.step()
        if link.predictor.ready:
            places[link.tick + link.lead] = link.predictor.place(link.tick + link.lead)
            link.predictor.position(link.tick + 0.4, 0.0)
    known = [tick for tick in places if tick in link.truth]
    assert len(known) > 30
    assert all(places[tick] == link.truth[tick] for tick in known)


def dilated(link, permille, ticks):
    """Let ticks pass at a pace; gives where the avatar is drawn, four frames a tick."""
    xs = []
    for _ in range(ticks):
        tick = link.tick + 1
        if tick * permille // 1000 != (tick - 1) * permille // 1000:
            link.step()
        else:
            link.skip()
        now = link.tick + link.lead
        if link.predictor.ready:
            xs += [link.predictor.position(now + frame / 4, 1 / 80)[0] for frame in range(4)]
    return xs


@pytest.mark.parametrize("permille", [760, 500, 350])
def test_a_shard_that_skips_ticks_slows_the_avatar_down_and_nobody_feels_it(pond, permille):
    link = Link(pond.game, trip=2, lead=4)
    link.send("Steer", dx=0.25, dy=0.0)
    dilated(link, 1000, 120)
    before = dilated(link, 1000, 10)
    full = (before[-1] - before[0]) / (len(before) - 1)
    assert full > 0.1, "it does not swim"
    assert link.predictor.corrections == 0
    dilated(link, permille, 50)  # it takes some intervals to see that it is a pace
    corrections, bands = link.predictor.corrections, link.predictor.rubber_bands
    xs = dilated(link, permille, 80)
    paces = [(after - at) / full for at, after in pairwise(xs)]
    assert link.predictor.corrections == corrections, "it is corrected all the time"
    assert link.predictor.rubber_bands == bands == 0
    assert sum(paces) / len(paces) == pytest.approx(permille / 1000, rel=0.05)
    assert min(paces) > 0, "it is drawn backwards"
    again = dilated(link, 1000, 60)[-40:]
    assert (again[-1] - again[0]) / (len(again) - 1) == pytest.approx(full, rel=0.02), (
        "it stays slow"
    )


def test_an_input_in_dilated_time_takes_effect_at_the_next_step(pond):
    link = Link(pond.game, trip=2, lead=4)
    dilated(link, 500, 60)
    corrections = link.predictor.corrections
    for turn in range(12):
        link.send("Steer", dx=(-1.0) ** turn, dy=0.5)
        dilated(link, 500, 8)
    assert link.predictor.corrections == corrections, "turns were predicted for another step"


def test_a_tick_that_was_missed_is_one_correction_and_no_pace(pond):
    link = Link(pond.game, trip=2, lead=4)
    link.send("Steer", dx=1.0, dy=0.0)
    dilated(link, 1000, 40)
    link.skip()
    xs = dilated(link, 1000, 40)[-80:]
    paces = [after - at for at, after in pairwise(xs)]
    assert link.predictor.corrections == 1, "one mishap is one correction"
    assert min(paces[8:]) == pytest.approx(max(paces[8:]), abs=0.02), "it goes on otherwise"
