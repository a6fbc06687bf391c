"""Who comes back after a lost link is told the durable events again, wherever they happened."""

import hashlib
from typing import Any

from protocol.frame import FrameEvent, Scope
from server.shard.mail import Confirm, Input, Join, Mail, Resume, resume_subject

ANN, BOB = 77, 78
FIRE = 1


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


def come_back(cluster: Any, number: int, token: bytes, following: bytes) -> None:
    mail = Mail("g1", (Resume(number, token, digest(following)),))
    cluster.bus.publish(resume_subject("w"), mail.encode())
    cluster.tick()
    shard, session = session_of(cluster, number)
    cluster.send(shard.id, Confirm(number, session.generation))


def told(cluster: Any, entity: int) -> list[FrameEvent]:
    """What the newest frames tell the player of an entity."""
    return [
        event
        for frame in cluster.watcher.latest.values()
        for event in frame.events
        if event.scope is Scope.ENTITY and event.target == entity
    ]


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
    cluster.watcher.follow()
    come_back(cluster, ANN, b"one", b"two")
    for _ in range(3):
        cluster.tick()
        cluster.watcher.follow()
        if told(cluster, ann):
            break
    (event,) = told(cluster, ann)
    assert (event.tick, event.shard) == (happened, 1)


def test_what_the_same_frame_tells_for_the_first_time_is_not_told_again(cluster: Any) -> None:
    ann = settled(cluster)
    cluster.order = lambda shards: shards[::-1]  # shard 1 hears of her return a tick later
    come_back(cluster, ANN, b"one", b"two")
    cluster.slow_journal = True
    fire(cluster, BOB)
    cluster.write()
    cluster.tick()
    cluster.watcher.follow()
    frame = cluster.watcher.latest[1]
    assert [event.scope for event in frame.events if event.kind == 1] == [Scope.WORLD]
    assert told(cluster, ann) == [], "the two would look like twins"
