"""Who comes back after a lost link is told the durable events again, wherever they happened."""

import hashlib
from typing import Any

from protocol import cbor
from server.shard.mail import Input, Join, Remind, Reminded
from sim.engine import EmittedEvent

ANN, BOB = 77, 78
FIRE = 1
MEDAL = 1


def digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def session_of(cluster: Any, number: int) -> tuple[Any, Any]:
    ((shard, session),) = [
        (shard, shard.sessions.get(number))
        for shard in cluster.shards
        if shard.sessions.get(number)
    ]
    return shard, session


def fire(cluster: Any, number: int) -> None:
    shard, session = session_of(cluster, number)
    seq = session.inputs.seen + 1
    entry = Input(number, session.generation, seq, cluster.now + 1, 0, FIRE, ())
    cluster.send(shard.id, entry)
    cluster.tick()


def remind(cluster: Any, shard: int, session: int, entity: int, *cells: int) -> Reminded:
    """Ask a shard what it remembers for a player, as the gateway of its new link does."""
    cluster.send(shard, Remind(session, 2, entity, cells))
    cluster.tick()
    cluster.watcher.follow()
    (answer,) = [item for item in cluster.watcher.mail if isinstance(item, Reminded)]
    cluster.watcher.mail.clear()
    assert (answer.session, answer.generation, answer.shard) == (session, 2, shard)
    return answer


def settled(cluster: Any) -> int:
    """Ann in shard 0 and bob in shard 1; ann's entity."""
    cluster.send(0, Join(ANN, digest(b"one"), "ann"), Join(BOB, digest(b"b"), "bob"))
    cluster.tick()
    shard, bob = session_of(cluster, BOB)
    shard.command(bob.entity, "shoal.place", x=400.0, y=100.0)
    for _ in range(6):
        cluster.tick()
    assert session_of(cluster, BOB)[0].id == 1
    return int(session_of(cluster, ANN)[1].entity)


def test_also_by_shards_that_do_not_own_its_avatar(cluster: Any) -> None:
    ann = settled(cluster)
    fire(cluster, BOB)
    happened = cluster.now
    cluster.tick()
    for _ in range(2):
        ((tick, item),) = remind(cluster, 1, ANN, ann).told
        assert (tick, cbor.loads(item)) == (happened, [MEDAL, 1]), "as often as it asks"
    assert remind(cluster, 0, ANN, ann).told == (), "nothing happened there"


def test_what_is_not_durable_yet_is_left_to_the_frames(cluster: Any) -> None:
    ann = settled(cluster)
    cluster.slow_journal = True
    fire(cluster, BOB)
    assert remind(cluster, 1, ANN, ann).told == ()
    cluster.write()
    assert len(remind(cluster, 1, ANN, ann).told) == 1


def test_what_concerned_others_is_not_told(cluster: Any) -> None:
    settled(cluster)
    news = cluster.shards[1]._newsroom
    place = cluster.geometry.cell_of(400.0, 100.0)
    events = [
        EmittedEvent(MEDAL, (1,), None, 7),
        EmittedEvent(MEDAL, (2,), None, 8),
        EmittedEvent(MEDAL, (3,), (400.0, 100.0), None),
        EmittedEvent(MEDAL, (4,), None, None),
    ]
    news.report(cluster.now, events, None)
    news.durable(cluster.now)

    def numbers(entity: int, *cells: int) -> list[int]:
        told = remind(cluster, 1, ANN, entity, *cells).told
        return [cbor.loads(item)[1] for _, item in told]

    assert numbers(7) == [1, 4]
    assert numbers(8, place) == [2, 3, 4]
    assert numbers(9, place + 1) == [4]
