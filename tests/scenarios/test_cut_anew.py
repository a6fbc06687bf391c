"""A world that is cut anew under its players: nobody notices but the map of its borders."""

from functools import partial
from itertools import pairwise
from math import hypot

import pytest

from examples.comets import Steer, game
from protocol.client import Client
from server.gateway.core import Gateway
from server.placement.tree import Tree, X, Y
from server.testing import Sim
from server.testing import sim as simulated

SPEED = 60.0
TICK_S = 1 / 20


@pytest.fixture(params=["all shards", "few shards"], autouse=True)
def _follows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway beside its shards, or one that takes the frames that its clients need."""
    if request.param == "few shards":
        selecting = partial(Gateway, follow=lambda _: None)  # the frames of others come in vain
        monkeypatch.setattr(simulated, "Gateway", selecting)


def split(sim: Sim, tree: Tree, shard: int, axis: int) -> Tree:
    """Cut a shard through its middle."""
    (leaf,) = [leaf for leaf in tree.leaves if leaf.shard == shard]
    tree = tree if tree.resting else tree.opened()
    middle = (leaf[1 + axis] + leaf[3 + axis]) // 2
    tree = tree.split(shard, axis, middle, tree.resting[0], since=sim.ticks + 1)
    sim.cut_anew(tree.partition(sim.geometry))
    return tree


def merge(sim: Sim, tree: Tree) -> Tree:
    tree = tree.merge(*tree.siblings[0], since=sim.ticks + 1)
    sim.cut_anew(tree.partition(sim.geometry))
    return tree


@pytest.mark.parametrize("latency", [0.0, 0.1])
def test_a_split_and_a_merge_have_no_gap_for_anybody(latency: float) -> None:
    sim = Sim(game, shards=(1, 1), seed=5)
    tree = Tree.founding(sim.geometry)
    ann = sim.join("ann", x=1200, y=465, latency=latency)
    bob = sim.join("bob", x=1260, y=500, latency=latency)
    ann.send(Steer(dx=1, dy=0.2))
    sim.tick(20)
    shards, places = set(), []
    for tick in range(80):
        if tick in (5, 25):
            tree = split(sim, tree, sim.find(ann.id)[0], X if tick == 5 else Y)
        elif tick in (45, 65):
            tree = merge(sim, tree)
        sim.tick()
        shards.add(sim.find(ann.id)[0])
        assert ann.id in ann.view, "the own avatar is always there"
        assert ann.id in bob.view, "and so it is for who watches"
        places.append(bob.screen()[ann.id])
    assert len(shards) > 1
    for before, after in pairwise(places):
        step = abs(after.x - before.x) + abs(after.y - before.y)
        assert 0 < step <= SPEED * TICK_S * 2, "it neither jumps nor stands still"
    assert ann.client.statistics().rubber_bands == 0, "prediction survives it"
    assert bob.mismatches == ann.mismatches == 0
    assert ann.client.geometry is not None
    assert ann.client.geometry.version == tree.version, "the map of the borders is told"


def changed(sim: Sim, tree: Tree, tick: int) -> Tree:
    """The largest leaf is cut, or now and then a pair merges."""
    if tree.siblings and tick % 60 == 3:
        return merge(sim, tree)
    largest = max(tree.leaves, key=lambda leaf: (leaf.x1 - leaf.x0) * (leaf.y1 - leaf.y0))
    return split(sim, tree, largest.shard, tick // 20 % 2)


def test_inputs_take_effect_throughout() -> None:
    sim = Sim(game, shards=2, seed=5)
    tree = Tree.founding(sim.geometry)
    ann = sim.join("ann", x=300, y=500, latency=0.05)
    for turn in range(60):
        if turn % 20 == 5:
            tree = split(sim, tree, sim.find(ann.id)[0], turn // 20 % 2)
        ann.send(Steer(dx=1, dy=0.01 * turn))
        sim.tick()
    sim.tick(10)
    assert sim.find(ann.id)[0] in range(5)
    assert sim.find(ann.id)[1].thrust_y == pytest.approx(0.59 / hypot(1, 0.59), abs=0.02)
    assert sim.statistics().inputs == 60


def test_observers_and_late_links_hold_the_truth_after_any_number_of_cuts() -> None:
    sim = Sim(game, shards=(2, 1), seed=9)
    tree = Tree.founding(sim.geometry)
    players = [sim.join(f"p{n}", x=200 + 180 * n, y=300 + 60 * n) for n in range(8)]
    slow = sim.connect(Client("slow", observe=True), latency=0.2, capacity=3000)
    watcher = sim.observe()
    for tick in range(240):
        if tick % 20 == 3:
            tree = changed(sim, tree, tick)
        if tick == 130:
            players.append(sim.join("late", x=1000, y=500))
        for n, player in enumerate(players):
            if tick % 8 == n % 8:
                player.send(Steer(dx=[1, -1][tick // 40 % 2], dy=[1, -1][n % 2]))
        sim.tick()
        tally = sim.census()
        assert (tally.lost, tally.duplicated) == (frozenset(), frozenset()), f"tick {tick}"
        assert all(player.id in player.view for player in players)
    sim.tick(150)
    for each in (*players, watcher, slow):
        assert each.closed is None
        assert each.checks > 0
        assert each.mismatches == 0
    for player in players:
        _, row = sim.find(player.id)
        for each in (watcher, player):
            seen = each.view[player.id]
            assert (seen.x, seen.y) == pytest.approx((row.x, row.y), abs=1 / 8)
    everybody = {player.id for player in players}
    assert set(watcher.view) == set(slow.view) == everybody
