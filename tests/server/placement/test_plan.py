"""Shards are spread by what they cost, with few moves, and nobody is left without a home."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from server.placement.plan import EVEN, LEAST_COST, MOVES_MAX, STAY_S, Planner

NODES = ("a", "b")


def loads(planner: Planner, costs: dict[int, float], nodes: tuple[str, ...]) -> dict[str, float]:
    return {
        node: sum(max(costs[shard], LEAST_COST) for shard in planner.plan.of(node))
        for node in nodes
    }


def settle(
    planner: Planner, costs: dict[int, float], nodes: tuple[str, ...], *, seconds: int = 120
) -> None:
    for now in range(seconds):
        planner.decide(costs, nodes, costs, float(now))


def test_everybody_gets_a_home_at_once() -> None:
    planner = Planner()
    plan = planner.decide(range(4), NODES, {}, 0.0)
    assert Counter(plan.nodes.values()) == {"a": 2, "b": 2}
    assert plan.version == 1


def test_without_nodes_the_plan_stays() -> None:
    planner = Planner()
    before = planner.decide(range(4), NODES, {}, 0.0)
    assert planner.decide(range(4), (), {}, 1.0) is before


def test_a_node_that_is_gone_loses_its_shards_and_nobody_else_does() -> None:
    planner = Planner()
    before = dict(planner.decide(range(6), ("a", "b", "c"), {}, 0.0).nodes)
    after = planner.decide(range(6), ("a", "b"), {}, 1.0).nodes
    assert set(after.values()) == {"a", "b"}
    assert all(after[shard] == home for shard, home in before.items() if home != "c")


def test_a_node_that_comes_gets_its_share_one_move_at_a_time() -> None:
    planner = Planner()
    costs = dict.fromkeys(range(8), 0.1)
    planner.decide(costs, ("a",), costs, 0.0)
    moves = []
    for now in range(1, 60):
        before = planner.moves
        planner.decide(costs, NODES, costs, float(now))
        moves.append(planner.moves - before)
    assert max(moves) <= MOVES_MAX
    assert sum(moves) == 4, "no more than it takes"
    assert Counter(planner.plan.nodes.values()) == {"a": 4, "b": 4}


def test_a_shard_that_moved_stays_for_a_while() -> None:
    planner = Planner()
    costs = {0: 0.4, 1: 0.1, 2: 0.1}
    planner.decide(costs, NODES, costs, 0.0)
    for now in range(1, int(STAY_S)):
        costs = {0: 0.4 if now % 2 else 0.05, 1: 0.1, 2: 0.4 if now % 2 == 0 else 0.05}
        planner.decide(costs, NODES, costs, float(now))
    assert planner.moves == 0, "a load that swings is not chased"


def test_what_is_even_stays_as_it_is() -> None:
    planner = Planner()
    costs = dict.fromkeys(range(10), 0.08)
    settle(planner, costs, NODES)
    moves = planner.moves
    for now in range(120, 240):
        wobble = {shard: 0.08 + 0.002 * ((shard + now) % 3) for shard in costs}
        planner.decide(wobble, NODES, wobble, float(now))
    assert planner.moves == moves


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.integers(0, 60), st.floats(0.001, 0.2), min_size=8, max_size=50),
    st.integers(2, 5),
)
def test_nodes_end_within_a_shard_of_each_other(costs: dict[int, float], count: int) -> None:
    nodes = tuple("abcde"[:count])
    planner = Planner()
    settle(planner, costs, nodes)
    assert planner.plan.nodes.keys() == costs.keys()
    found = loads(planner, costs, nodes)
    gap = max(found.values()) - min(found.values())
    mean = sum(found.values()) / count
    assert gap <= max(*costs.values(), EVEN * mean, 0.011)
    moves = planner.moves
    for now in range(120, 140):
        planner.decide(costs, nodes, costs, float(now))
    assert planner.moves == moves, "and then nothing moves"
