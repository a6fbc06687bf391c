"""A world that is cut anew while it runs: everybody goes on, once, whoever knows of it when."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from server.placement.tree import Tree, X, Y
from server.shard import limits
from server.shard.commit import Writer
from server.shard.mail import Input, Join
from server.shard.recovery import Rebuilding
from tests.server.shard.test_borders import assert_ghosts, assert_seen, truth_of


def run(cluster: Any, ticks: int) -> None:
    """Ticks in which everybody is checked to be there once, and to be shown."""
    for _ in range(ticks):
        cluster.tick()
        cluster.watcher.follow()
        assert_seen(cluster, truth_of(cluster))


def split(cluster: Any, tree: Tree, shard: int, axis: int, at: int) -> Tree:
    tree = tree.opened() if not tree.resting else tree
    return tree.split(shard, axis, at, tree.resting[0], since=cluster.now)


def where(cluster: Any) -> dict[int, set[int]]:
    return {shard.id: set(shard.world.owned_ids()) for shard in cluster.shards}


def assert_home(cluster: Any, tree: Tree) -> None:
    """Nobody is further beyond the border of its shard than may be."""
    margin = limits.BORDER_MARGIN_CELLS * cluster.geometry.cell
    space = tree.geometry(cluster.geometry)
    for entity, (_, x, y, _, owner) in truth_of(cluster).items():
        x0, y0, x1, y1 = space.rect(owner)
        assert x0 - margin <= x <= x1 + margin, f"{entity} is not in shard {owner}"
        assert y0 - margin <= y <= y1 + margin, f"{entity} is not in shard {owner}"


def test_a_split_hands_the_half_over_and_a_merge_brings_it_back(
    make_cluster: Callable[..., Any],
) -> None:
    cluster = make_cluster(shards=(2, 1))
    tree = Tree.founding(cluster.geometry)
    run(cluster, 40)
    founded = cluster.tally().created
    leaf = cluster.geometry.leaf(0)
    cut = split(cluster, tree, 0, Y, (leaf.y0 + leaf.y1) // 2)
    cluster.cut_anew(cut.partition(cluster.geometry))
    before = cluster.tally().crossings
    run(cluster, 10)
    assert_home(cluster, cut)
    assert len(where(cluster)[2]) > 10, "about half of them"
    assert cluster.tally().crossings - before > 10
    for _ in range(60):
        known = truth_of(cluster)
        run(cluster, 1)
        assert_ghosts_of(cluster, cut, known)
    merged = cut.merge(0, 2, since=cluster.now)
    cluster.cut_anew(merged.partition(cluster.geometry))
    run(cluster, 10)
    assert_home(cluster, merged)
    assert where(cluster)[2] == set()
    counted = cluster.tally()
    assert counted.created == founded, "a shard that begins later makes nobody by itself"


def assert_ghosts_of(cluster: Any, tree: Tree, known: dict[int, Any]) -> None:
    whole, cluster.geometry = cluster.geometry, tree.geometry(cluster.geometry)
    try:
        assert_ghosts(cluster, known)
    finally:
        cluster.geometry = whole


def test_a_shard_without_a_rectangle_rests(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster(shards=(2, 1))
    tree = Tree.founding(cluster.geometry).opened()
    cluster.cut_anew(tree.partition(cluster.geometry))
    run(cluster, 200)
    steps = cluster.shards[2].world.step
    assert 200 // limits.REST_TICKS <= steps <= 200 // limits.REST_TICKS + 1
    cluster.send(2)  # a gateway's sign of life
    run(cluster, 1)
    assert cluster.shards[2].world.step == steps + 1, "mail is heard at once"


def test_players_play_on_through_a_split_and_a_merge(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster(shards=(2, 1))
    tree = Tree.founding(cluster.geometry)
    sessions = range(1, 9)
    for session in sessions:
        cluster.send(session % 2, Join(session, bytes([session]) * 32, f"p{session}"))
    run(cluster, 5)

    def owners() -> dict[int, int]:
        return {s.id: shard.id for shard in cluster.shards for s in shard.sessions}

    def fired() -> dict[int, int]:
        rows = [
            (s.id, shard.world.get(s.entity).fired)
            for shard in cluster.shards
            for s in shard.sessions
        ]
        return dict(rows)

    for version in range(4):
        if version % 2 == 0:
            tree = split(cluster, tree, owners()[1], X if version else Y, 2 if version else 1)
        else:
            tree = tree.merge(*tree.siblings[0], since=cluster.now)
        cluster.cut_anew(tree.partition(cluster.geometry))
        run(cluster, 8)
        before = fired()
        for session, shard in owners().items():
            cluster.send(shard, Input(session, 1, version + 1, cluster.now + 1, 0, 1, ()))
        run(cluster, 4)
        assert fired() == {session: count + 1 for session, count in before.items()}
        assert sorted(owners()) == list(sessions)


@pytest.mark.parametrize("seed", range(3))
def test_everybody_is_there_once_however_late_who_hears_of_a_cut(
    seed: int, make_cluster: Callable[..., Any]
) -> None:
    """Shards take up cuts at different ticks, some skip ticks, and the journal is slow at times."""
    chance = random.Random(seed)
    touched = 150  # a shard's steps, from whenever it began
    cluster = make_cluster(balls=25, seed=seed, touch_until=touched)
    tree = Tree.founding(cluster.geometry)
    told: list[tuple[int, int, Any]] = []  # when, whom, what
    for now in range(300):
        if now % 25 == 10:
            if tree.siblings and chance.random() < 0.5:
                tree = tree.merge(*chance.choice(tree.siblings), since=cluster.now)
            else:
                tree = split(cluster, tree, *chance.choice(cuts_of(tree)))
            partition = tree.partition(cluster.geometry)
            cluster.cut_anew(partition, all_know=False)
            told += [(now + chance.randint(0, 12), s.id, partition) for s in cluster.shards]
        for at, shard, partition in told:
            if at == now and partition.age > cluster.shards[shard].partition.age:
                cluster.shards[shard].move(partition)
        slow = chance.random() < 0.1
        if cluster.slow_journal and not slow:
            cluster.write()
        cluster.slow_journal = slow
        skipped = {s.id for s in cluster.shards if chance.random() < 0.05}
        cluster.tick(skip=frozenset(skipped))
        counted = cluster.tally()
        assert not counted.lost
        assert not counted.duplicated
    cluster.slow_journal = False
    cluster.write()
    homes = {leaf.shard for leaf in tree.leaves}
    while any(s.world.step <= touched for s in cluster.shards if s.id in homes):
        cluster.tick()
    cluster.tick()
    while cluster.tally().in_transit:
        cluster.tick()
    assert_home(cluster, tree)
    given = sum(int(shard.world[kind_of(shard, 0)].given.sum()) for shard in cluster.shards)
    taken = sum(int(shard.world[kind_of(shard, 0)].light.sum()) for shard in cluster.shards)
    assert given == taken > 0, "commands find whom they are for, too"


def kind_of(shard: Any, index: int) -> type:
    return shard.game.rules.kinds[index].cls  # type: ignore[no-any-return]


def cuts_of(tree: Tree) -> list[tuple[int, int, int]]:
    return [
        (leaf.shard, axis, at)
        for leaf in tree.leaves
        for axis in (X, Y)
        for at in range(leaf[1 + axis] + 1, leaf[3 + axis])
    ]


@pytest.mark.parametrize("dies_after", range(0, 14, 2))
def test_whoever_dies_in_a_cut_is_recovered_to_where_it_was(
    dies_after: int, make_cluster: Callable[..., Any]
) -> None:
    """Both the shard that is cut and the one that takes its half die, in every phase of it."""
    cluster = make_cluster(shards=(1, 1), balls=150, digests_every=1)
    tree = Tree.founding(cluster.geometry)
    run(cluster, 20)
    tree = split(cluster, tree, 0, X, cluster.geometry.columns // 2)
    cluster.cut_anew(tree.partition(cluster.geometry))
    for _ in range(dies_after):
        cluster.tick()
    expected = [shard.world.digests() for shard in cluster.shards]
    for place, shard in enumerate(cluster.shards):
        shard.retire()
        position = cluster.journal.claim_nowait(shard.id, 2)
        rebuilding = Rebuilding(cluster.make(shard.id, epoch=2))
        for record in cluster.journal.read_nowait(shard.id, 0):
            rebuilding.take(record)
        missing = rebuilding.finish()
        position = cluster.journal.append_nowait(shard.id, missing, expect=position)
        again = cluster.shards[place] = rebuilding.shard
        cluster.writers[place] = Writer(cluster.journal, shard.id, position, again.out_numbers)
    assert [shard.world.digests() for shard in cluster.shards] == expected
    for _ in range(20):
        cluster.tick()
        counted = cluster.tally()
        assert (counted.lost, counted.duplicated) == (frozenset(), frozenset())
    assert_home(cluster, tree)


def test_a_checkpoint_in_the_middle_of_a_cut_goes_on_exactly(
    make_cluster: Callable[..., Any],
) -> None:
    cluster = make_cluster(shards=(1, 1), balls=300)
    tree = Tree.founding(cluster.geometry)
    run(cluster, 5)
    tree = split(cluster, tree, 0, X, cluster.geometry.columns // 2)
    cluster.cut_anew(tree.partition(cluster.geometry))
    run(cluster, 1)
    saved = [shard.checkpoint() for shard in cluster.shards]
    positions = [writer.position for writer in cluster.writers]
    run(cluster, 10)
    for place, shard in enumerate(cluster.shards):
        again = cluster.make(shard.id, epoch=2, saved=saved[place])
        rebuilding = Rebuilding(again)
        for record in cluster.journal.read_nowait(shard.id, positions[place]):
            rebuilding.take(record)
        assert again.world.digests() == shard.world.digests()
        assert again.world.bounds == shard.world.bounds
