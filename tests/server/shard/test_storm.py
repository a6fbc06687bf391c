"""Whatever is late, paused, repeated or reordered: nobody is lost or doubled, ever."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from server.shard.mail import Input, Join

PLAYERS = 8
TOUCHES = 100  # the steps in which balls send commands


def play(cluster: Any, chance: random.Random) -> None:
    """Players push about through whichever shard holds them; nobody resends, nothing is urgent."""
    for shard in cluster.shards:
        for session in shard.sessions:
            if chance.random() < 0.2:
                push = (chance.randrange(201), chance.randrange(201))
                seq = session.inputs.seen + 1
                cluster.send(shard.id, Input(session.id, 1, seq, cluster.now + 2, 0, 0, push))


def deliver_again(cluster: Any, chance: random.Random) -> None:
    """Old outs come once more, in any order."""
    for shard in cluster.shards:
        source = chance.choice(shard.sources)
        records = cluster.journal.follow_nowait(source, shard.id, 0)[-10:]
        for record in chance.sample(records, len(records)):
            assert shard.deliver(source, record.position, record.data)


@pytest.mark.parametrize("seed", range(4))
def test_nobody_is_lost_or_doubled_in_a_storm(make_cluster: Callable[..., Any], seed: int) -> None:
    chance = random.Random(seed)
    cluster = make_cluster(balls=20, touch_until=TOUCHES)
    cluster.slow_journal = True
    cluster.order = lambda shards: chance.sample(shards, len(shards))
    for session in range(1, PLAYERS + 1):
        cluster.send(session % 4, Join(session, bytes(32), f"p{session}"))
    paused: dict[int, int] = {}
    for _ in range(150):
        if chance.random() < 0.05:
            paused[chance.randrange(4)] = cluster.now + chance.randrange(2, 30)
        play(cluster, chance)
        deliver_again(cluster, chance)
        cluster.tick(
            skip=frozenset(shard for shard, until in paused.items() if until > cluster.now)
        )
        if chance.random() < 0.4:
            cluster.write()
        tally = cluster.tally()
        assert not tally.lost, f"lost at tick {cluster.now}"
        assert not tally.duplicated, f"doubled at tick {cluster.now}"
    cluster.slow_journal = False
    while min(shard.world.step for shard in cluster.shards) < TOUCHES + 12:
        cluster.tick()
    while cluster.tally().in_transit:  # somebody crosses in most ticks, but not in all
        cluster.tick()
    tally = cluster.tally()
    assert tally.alive == tally.created == 4 * 21 + PLAYERS, "in the quiet everybody is somewhere"
    owners = {session.id: shard.id for shard in cluster.shards for session in shard.sessions}
    assert sorted(owners) == list(range(1, PLAYERS + 1)), "and so is every session"
    for shard in cluster.shards:
        for session in shard.sessions:
            assert shard.world.sessions[session.id] == session.entity
            assert shard.world.get(session.entity) is not None
    rows = [shard.world.export(0).fields for shard in cluster.shards]
    light, given = (sum(int(fields[name].sum()) for fields in rows) for name in ("light", "given"))
    undeliverable = sum(shard.statistics().undeliverable for shard in cluster.shards)
    assert light + undeliverable == given > 20, "each command is done once or known to be lost"
