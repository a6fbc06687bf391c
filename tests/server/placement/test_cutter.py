"""What is dear is cut, what is cheap merges, and neither because of a moment."""

from collections.abc import Callable

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.geometry import Geometry
from server.placement.cutter import (
    CALM_S,
    COLD,
    COLD_S,
    HOT_LEAST_S,
    HOT_S,
    SETTLE_S,
    SHARDS_MAX,
    Change,
    Cutter,
    Load,
)
from server.placement.tree import Tree
from server.shard.load import Cut

BUDGET = 0.5
NODES = ("a", "b")


@attrs.define
class World:
    """A world whose shards' costs are told by `cost`; new shards run where they are placed."""

    cost: Callable[[Tree, int], float]
    tree: Tree = attrs.field(
        factory=lambda: Tree.founding(Geometry.grid(160, 160, 10, (10,), (2, 1)))
    )
    cutter: Cutter = attrs.field(factory=lambda: Cutter(BUDGET))
    nodes: tuple[str, ...] = NODES
    homes: dict[int, str] = attrs.field(factory=lambda: {0: "a", 1: "b"})
    share: float = 0.5
    rises: Callable[[int], float] = lambda _: 0.0  # a shard's cost, beyond what it is
    now: float = 0.0

    def load(self, shard: int) -> Load:
        leaf = {leaf.shard: leaf for leaf in self.tree.leaves}.get(shard)
        cut = None
        if leaf is not None:
            axis = 0 if leaf.x1 - leaf.x0 >= leaf.y1 - leaf.y0 else 1
            middle = (leaf[1 + axis] + leaf[3 + axis]) // 2
            if leaf[1 + axis] < middle:
                cut = Cut(axis, middle, self.share)
        cost = self.cost(self.tree, shard)
        return Load(self.homes[shard], cost, cost + self.rises(shard), cut)

    def second(self, passing: float = 1.0) -> Change:
        self.now += passing
        loads = {shard: self.load(shard) for shard in self.homes}
        change = self.cutter.decide(self.tree, loads, self.nodes, self.now, int(self.now * 20))
        self.tree = change.tree
        self.homes.update(change.place)
        assert self.homes.keys() == set(range(self.tree.count)), "who is opened is sent somewhere"
        return change

    def seconds(self, count: float) -> None:
        for _ in range(int(count)):
            self.second()


def area(tree: Tree, shard: int, of: tuple[float, float] = (1.0, 0.0)) -> float:
    """The share of one of the two founding halves that a shard has, as a cost."""
    for leaf in tree.leaves:
        if leaf.shard == shard:
            size = (leaf.x1 - leaf.x0) * (leaf.y1 - leaf.y0) / 128
            return size * of[leaf.x0 >= 8]
    return 0.0


def test_a_shard_over_its_budget_is_cut_and_the_half_runs_where_there_is_room() -> None:
    world = World(lambda tree, shard: area(tree, shard, (0.55, 0.1)))
    world.seconds(HOT_S)
    assert len(world.tree.leaves) == 2, "not because of a moment"
    assert world.homes[2] == "b", "but it is seen to that there is an heir"
    world.second()
    assert len(world.tree.leaves) == 3
    assert world.tree.since == int(world.now * 20)
    world.seconds(60)
    assert len(world.tree.leaves) == 3, "each half is within the budget, and not cold"


@pytest.mark.parametrize(
    ("cost", "within"), [(0.55, HOT_S), (0.65, 1.6), (0.75, 1.0), (1.5, HOT_LEAST_S)]
)
def test_the_further_over_its_budget_the_sooner_a_shard_is_cut(cost: float, within: float) -> None:
    world = World(lambda tree, shard: area(tree, shard, (cost, 0.1)))
    while len(world.tree.leaves) == 2:
        world.second(0.25)
    assert within <= world.now - 0.25 < within + 0.25


def test_a_shard_that_is_about_to_be_dear_is_cut_before_it_is() -> None:
    world = World(lambda tree, shard: area(tree, shard, (0.4, 0.1)))
    world.seconds(10)
    assert world.tree.count == 2
    world.rises = lambda shard: 0.1 * (shard == 0)
    world.seconds(10)
    assert world.tree.count == 3, "an heir is made ready"
    assert len(world.tree.leaves) == 2, "0.5 are within the budget"
    world.rises = lambda shard: 0.5 * (shard == 0)
    while len(world.tree.leaves) == 2:
        world.second(0.25)
    assert world.now <= 21.5


def test_a_cheap_shard_is_not_cut_whatever_is_foreseen() -> None:
    world = World(lambda tree, shard: area(tree, shard, (0.2, 0.1)), rises=lambda _: 9.0)
    world.seconds(60)
    assert len(world.tree.leaves) == 2


def test_shards_are_cut_at_once_and_each_half_is_left_alone_for_a_while() -> None:
    world = World(lambda tree, shard: area(tree, shard, (2.4, 2.4)))
    while len(world.tree.leaves) == 2:
        world.second(0.25)
    cut_at = world.now
    assert cut_at <= 1
    assert [leaf.shard for leaf in world.tree.leaves] == [0, 1, 2, 3]
    assert sorted(world.homes.values()) == ["a", "a", "b", "b"]
    while world.now < cut_at + SETTLE_S - 0.25:
        change = world.second(0.25)
        assert change.held >= {0, 1, 2, 3}
        assert len(world.tree.leaves) == 4
    for _ in range(4):
        world.second(0.25)
    assert len(world.tree.leaves) == 8


def test_the_half_goes_where_there_is_least_to_do_without_it() -> None:
    """On the other node it would make 0.8, and here nobody has more than before."""
    world = World(lambda tree, shard: 0.45 if shard == 1 else area(tree, shard, (0.7, 0.0)))
    world.seconds(HOT_S + 2)
    assert len(world.tree.leaves) == 3
    assert world.homes[2] == "a"


def test_nothing_is_cut_while_its_heir_does_not_run() -> None:
    world = World(lambda tree, shard: area(tree, shard, (0.9, 0.1)))
    while world.tree.count == 2:
        world.second()
    sent = world.homes.pop(2)  # placed, but not reported
    before = world.tree
    loads = {shard: world.load(shard) for shard in world.homes}
    for second in range(30):
        change = world.cutter.decide(before, loads, NODES, world.now + second, 0)
        assert change.tree.leaves == before.leaves
        assert change.tree.count == before.count, "one that waits is enough"
        assert change.place == {2: sent}


def test_a_resting_shard_is_moved_to_where_there_is_room_first() -> None:
    world = World(lambda tree, shard: area(tree, shard, (0.9, 0.1)))
    world.tree = world.tree.opened().opened().opened()
    world.homes |= {2: "a", 3: "a", 4: "a"}
    world.seconds(HOT_S + 2)
    assert world.homes == {0: "a", 1: "b", 2: "b", 3: "a", 4: "a"}
    assert world.tree.count == 5, "it is used before another one is opened"
    assert [leaf.shard for leaf in world.tree.leaves] == [0, 1, 2]


def test_the_only_shard_that_rests_on_a_node_is_left_there() -> None:
    """Which node has the least to do changes, and who rests would go to and fro."""
    world = World(lambda tree, shard: area(tree, shard, (0.9, 0.1)))
    world.tree = world.tree.opened()
    world.homes[2] = "a"
    world.seconds(HOT_S + 2)
    assert world.homes == {0: "a", 1: "b", 2: "a", 3: "b"}
    assert [leaf.shard for leaf in world.tree.leaves] == [0, 1, 3]


def test_a_cut_that_moves_next_to_nothing_is_left_alone() -> None:
    world = World(lambda tree, shard: area(tree, shard, (0.9, 0.1)), share=0.05)
    world.seconds(60)
    assert len(world.tree.leaves) == 2


def test_a_peak_cuts_nothing_and_a_lull_merges_nothing() -> None:
    hot = [True]
    world = World(lambda tree, shard: area(tree, shard, (0.9 if hot[0] else 0.45, 0.1)))
    for second in range(60):
        hot[0] = second % 3 == 0
        world.second()
    assert world.tree.count == 3, "there is an heir, and never a second one"
    assert len(world.tree.leaves) == 2
    hot[0] = True
    world.seconds(10)
    assert len(world.tree.leaves) == 3
    for second in range(120):
        world.cost = lambda tree, shard, s=second: area(tree, shard, (0.5 * (s % 15 == 0), 0.1))
        world.second()
    assert len(world.tree.leaves) == 3


def test_when_the_crowd_is_gone_the_world_is_what_it_was() -> None:
    world = World(lambda tree, shard: area(tree, shard, (3.6, 0.1)))
    founded = world.tree.leaves
    world.seconds(120)
    most = len(world.tree.leaves)
    assert most >= 9
    world.cost = lambda tree, shard: area(tree, shard, (0.05, 0.05))
    world.seconds((COLD_S + CALM_S + 2) * most)
    assert world.tree.leaves == founded
    assert world.cutter.merges == world.cutter.splits == most - 2
    count = world.tree.count
    world.cost = lambda tree, shard: area(tree, shard, (3.6, 0.1))
    world.seconds(120)
    assert world.tree.count == count, "those that rest are used again"


def test_a_cut_that_was_reported_before_the_shard_was_cut_is_passed_over() -> None:
    world = World(lambda tree, shard: area(tree, shard, (2.4, 0.1)))
    while len(world.tree.leaves) == 2:
        before = world.load(0)
        world.second()
    loads = {shard: world.load(shard) for shard in world.homes} | {0: before}
    for second in range(20):
        change = world.cutter.decide(world.tree, loads, NODES, world.now + second, 0)
        assert [leaf for leaf in change.tree.leaves if leaf.shard == 0] == [world.tree.leaves[0]]


def test_a_world_does_not_grow_for_ever() -> None:
    world = World(lambda *_: 1.0)
    world.tree = attrs.evolve(world.tree, count=SHARDS_MAX)
    leaves = {leaf.shard for leaf in world.tree.leaves}
    loads = {shard: world.load(shard) for shard in leaves}
    for second in range(20):
        change = world.cutter.decide(world.tree, loads, NODES, float(second), 0)
        assert change.tree.count == SHARDS_MAX


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), max_size=12), st.floats(0.0, 1.0))
def test_changes_are_apart_and_never_leave_a_leaf_to_nobody(
    costs: list[tuple[float, float]], share: float
) -> None:
    world = World(lambda *_: 0.0, share=share)
    changed_at: dict[int, float] = {}
    any_at = -CALM_S
    for cost in costs:
        world.cost = lambda tree, shard, c=cost: area(tree, shard, c)
        for _ in range(14):
            before = world.tree
            running = set(world.homes)
            change = world.second(0.5)
            if world.tree.version == before.version:
                continue
            if len(world.tree.leaves) < len(before.leaves):
                assert world.now - any_at >= CALM_S
                low, high = change.moved
                assert sum(world.cost(before, s) for s in (low, high)) < COLD * BUDGET
            else:
                assert all(world.now - changed_at.get(s, -9) >= SETTLE_S for s in change.moved)
                changed_at |= dict.fromkeys(change.moved, world.now)
            any_at = world.now
            assert {leaf.shard for leaf in world.tree.leaves} <= running


@settings(deadline=None, max_examples=50)
@given(st.floats(0.05, 4), st.floats(0.05, 4), st.floats(0.2, 0.8))
def test_a_world_whose_costs_stay_the_same_is_cut_no_more_after_a_while(
    left: float, right: float, share: float
) -> None:
    world = World(lambda tree, shard: area(tree, shard, (left, right)), share=share)
    world.seconds(150)
    before, placed = world.tree.version, dict(world.homes)
    world.seconds(120)
    assert world.tree.version == before
    assert world.homes == placed


@pytest.mark.parametrize("nodes", [(), ("a",)])
def test_whatever_nodes_there_are(nodes: tuple[str, ...]) -> None:
    world = World(lambda tree, shard: area(tree, shard, (0.9, 0.1)), nodes=nodes)
    world.homes = {0: "a", 1: "a"}
    world.seconds(20)
    assert len(world.tree.leaves) == (3 if nodes else 2)
