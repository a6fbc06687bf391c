"""The moving crowd goes where the benchmark says, and what is told of it is what happened."""

import attrs
import numpy as np
import pytest

from benchmarks.crowd.ticks import Cuts, Ticks
from benchmarks.crowd.timeline import Timeline, told
from benchmarks.crowd.world import CORNERS, HZ, Walker, game, press, window
from protocol.frame import Frame
from protocol.listing import SessionColumns
from server.placement.plan import Plan
from server.placement.tree import Tree, X
from server.placement.words import Beacon, geometry_data
from server.testing import Sim


def test_everybody_gathers_in_one_corner_and_then_in_the_other() -> None:
    sim = Sim(game, shards=(2, 2), seed=1)
    for number in range(2):
        sim.join(str(number))
    for corner, home in zip(range(len(CORNERS)), (0, 3), strict=True):
        begins, ends = window(corner)
        assert begins > sim.ticks
        while sim.ticks < (begins + ends) // 2:
            sim.tick()
        for shard, world in sim.worlds().items():
            assert (len(world[Walker]) > 0) == (shard == home), "within half of the time"


def test_pressing_feels_those_at_hand_and_costs_what_pairs_cost() -> None:
    x = np.array([0.0, 1.0, 500.0])
    felt = press(x, np.zeros(3), 2)
    assert felt[0] == pytest.approx(felt[1])
    assert felt[0] > felt[2]


def frame(shard: int, tick: int, sessions: list[int], gone: list[int] | None = None) -> Frame:
    empty = SessionColumns.empty()
    columns = {
        field.name: np.zeros(len(sessions), getattr(empty, field.name).dtype)
        for field in attrs.fields(SessionColumns)
        if isinstance(getattr(empty, field.name), np.ndarray)
    }
    columns["session"] = np.array(sessions, np.uint64)
    return Frame(
        shard=shard, epoch=1, tick=tick, step=tick, base=0 if gone is None else tick - 1,
        tree_version=1, dilation=900,
        keys=np.empty(0, np.uint32), offsets=np.zeros(1, np.uint32), blob=b"",
        sessions=SessionColumns(**columns), complete=gone is None,
        gone=np.array(gone or [], np.uint64), privates=[], events=[], handed=[], kinds=1, cells=1,
    )  # fmt: skip


def test_a_players_tick_goes_on_when_it_changes_its_shard() -> None:
    ticks = Ticks(Timeline(HZ, 75.0))
    ticks._take(frame(0, 1, [7, 8]), 1.0)
    ticks._take(frame(0, 2, [], gone=[8]), 1.05)
    ticks._take(frame(1, 2, [8]), 1.07)
    ticks._take(frame(1, 3, [7], gone=[]), 1.15)
    assert ticks.players == 2
    assert sorted(ticks.within(1, 9).round().tolist()) == [50, 70, 80, 100]
    assert sorted(ticks.within(3, 9).round().tolist()) == [80, 100]
    assert ticks.shards == {0: 1, 1: 2}
    assert ticks.slowest == 900


def test_cuts_and_moves_are_counted() -> None:
    sim = Sim(game, shards=(2, 2), seed=1)
    tree = Tree.founding(sim.geometry)
    timeline = Timeline(HZ, 75.0)
    cuts = Cuts(timeline)

    def hear(tree: Tree, homes: dict[int, str]) -> None:
        data = geometry_data(tree.partition(sim.geometry))
        cuts._take(
            Beacon(
                epoch=1, number=1, now_s=0, start_s=0, hz=20, identity=None, geometry=data,
                plan=Plan(1, homes),
            )
        )  # fmt: skip

    homes = dict.fromkeys(range(4), "a")
    hear(tree, homes)
    tree = tree.opened()
    hear(tree, homes | {4: "b"})
    hear(tree, homes | {4: "a"})  # it rests
    tree = tree.split(0, X, 4, 4, since=1)
    hear(tree, homes | {4: "b"})
    hear(tree, homes | {4: "b", 2: "b"})
    hear(tree.merge(0, 4, since=2), homes | {4: "b", 2: "b"})
    assert (cuts.splits, cuts.merges, cuts.migrations, cuts.most) == (1, 1, 1, 5)
    assert timeline.present.events == ["4 opens on b", "2 to b", "4 merges"]


def test_the_timeline_tells_what_a_second_was_like() -> None:
    timeline = Timeline(HZ, 75.0)
    timeline.plan({0: (0, 0, 8, 8)}, {0: "a", 9: "a"})
    intervals = np.array([0.05, 0.05, 0.05, 0.2])
    timeline.frame(9, 1, 16, 1000, np.empty(0))
    timeline.frame(9, 2, 22, 1000, np.empty(0))
    timeline.frame(0, 1, 20, 1000, intervals)
    timeline.frame(0, 2, 24, 870, intervals[:1])
    timeline.present.cores = {"a": 0.5, "others": 0.01}
    timeline.present.players = {0: 3, 1: 0, 2: 1}
    timeline.frame(0, 2, 40, 1000, intervals[:3])
    head, first, second = told(timeline, 1, 3).splitlines()
    assert head.split() == ["s", "worst", "late", "speed", "a", "othe", "off", "players"]
    assert first.split()[:7] == ["1", "200", "17%", "87%", "0.50", "0.01", "0"]
    assert first.endswith("0:3 2:1; 0 taken over, 3 ticks without")
    assert second.split()[:4] == ["2", "50", ".", "100%"]
    assert told(timeline, 2, 3).splitlines() == [head, second]
