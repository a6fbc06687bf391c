"""Players join, steer, cross borders, lose their link and come back; strangers cannot interfere."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from protocol import cbor
from protocol.errors import CloseCode
from protocol.listing import COLUMNS
from protocol.news import Scope
from server.shard.mail import (
    Confirm,
    Detach,
    Ended,
    Input,
    Join,
    Joined,
    Leave,
    Mail,
    Refused,
    Resume,
    Resumed,
    Superseded,
    resume_subject,
)

ANN = 2**63 + 5  # sessions are random u64
PLAYER = 2
PUSH, FIRE = 0, 1
EAST, STOP = (200, 100), (100, 100)  # dx, dy in wire steps of 1/100 from -1


def digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


@pytest.fixture
def world(make_cluster: Callable[..., Any]) -> Any:
    """A cluster where ann has joined shard 0 through gateway g1, near the border to shard 1."""
    cluster = make_cluster(balls=2, grace_ticks=30)
    cluster.send(0, Join(ANN, digest(b"one"), "ann"))
    step(cluster)
    return cluster


def step(cluster: Any, ticks: int = 1) -> None:
    for _ in range(ticks):
        cluster.tick()
        cluster.watcher.follow()


def mailed(cluster: Any, kind: type) -> list[Any]:
    return [item for item in cluster.watcher.mail if isinstance(item, kind)]


def row_of(cluster: Any, session: int = ANN) -> tuple[int, dict[str, int]]:
    """The shard with the highest hop that lists the session, and its row."""
    found = []
    for shard, listing in cluster.watcher.listings.items():
        if session in listing.rows:
            row = dict(zip(COLUMNS, listing.rows[session], strict=True))
            found.append((row["hop"], shard, row))
    _, shard, row = max(found, key=lambda each: each[:2])
    return shard, row


def push(cluster: Any, shard: int, seq: int, values: tuple[int, int], **other: Any) -> None:
    given = {"generation": 1, "tick": cluster.now + 1, "view": 0, "kind": PUSH} | other
    sender = given.pop("sender", "g1")
    cluster.send(shard, Input(ANN, seq=seq, values=values, **given), sender=sender)


def player_of(cluster: Any) -> Any:
    shard, row = row_of(cluster)
    return cluster.shards[shard].world.get(row["entity"])


def test_a_join_is_answered_once_durable_and_shown_in_the_frame(world: Any) -> None:
    (joined,) = mailed(world, Joined)
    assert (joined.session, joined.shard, joined.hop, joined.generation) == (ANN, 0, 0, 1)
    shard, row = row_of(world)
    assert shard == 0
    assert row["entity"] == joined.entity
    assert row["centre"] == world.geometry.cell_of(216, 100)
    ((session, section),) = world.watcher.latest[0].privates
    assert session == ANN
    assert cbor.loads(section) == [joined.entity, PLAYER, 1, 0]


def test_a_promise_waits_for_the_journal(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster(balls=2)
    cluster.slow_journal = True
    cluster.send(0, Join(ANN, digest(b"one"), "ann"))
    step(cluster, 2)
    assert mailed(cluster, Joined) == [], "nothing is promised that a crash would undo"
    cluster.write()
    step(cluster)
    assert len(mailed(cluster, Joined)) == 1


def test_who_is_back_before_the_journal_has_answered_is_at_home(world: Any) -> None:
    """That it went away was not told yet, and must not be told any more: inputs would follow."""
    world.slow_answers = True
    _, row = row_of(world)
    handed = []
    for shard, x in ((0, 300.0), (1, 200.0)):
        world.shards[shard].command(row["entity"], "shoal.place", x=x, y=100.0)
        step(world, 2)
    world.answer()
    for _ in range(3):
        world.tick()
        for frame in world.watcher.follow():
            listed = list(world.watcher.listings[frame.shard].rows)
            assert listed == ([ANN] if frame.shard == 0 else []), "once, and where it is"
            handed += [(frame.shard, *each) for each in frame.handed]
    assert handed == [(1, ANN, 0)]
    shard, row = row_of(world)
    assert (shard, row["hop"]) == (0, 2)


def test_an_input_before_which_another_is_missing_waits_for_it_to_come_again(world: Any) -> None:
    push(world, 0, 1, EAST)
    push(world, 0, 3, STOP, after=2)
    step(world, 2)
    assert row_of(world)[1]["applied"] == 1
    assert world.shards[0].statistics().desk.gaps == 1
    push(world, 0, 2, STOP, after=1)
    push(world, 0, 3, EAST, after=2)
    step(world, 2)
    assert row_of(world)[1]["applied"] == 3
    assert player_of(world).vx > 0
    push(world, 0, 7, STOP)
    step(world, 2)
    assert row_of(world)[1]["applied"] == 7, "those between are not kept any more"


def test_an_input_that_makes_no_sense_does_not_stop_those_behind_it(world: Any) -> None:
    push(world, 0, 1, (999, 100))
    push(world, 0, 2, EAST, after=1)
    step(world, 2)
    assert row_of(world)[1]["applied"] == 2
    assert player_of(world).vx > 0


def test_joining_again_makes_no_second_avatar_also_after_a_handoff(world: Any) -> None:
    push(world, 0, 1, EAST)
    for _ in range(40):
        world.send(0, Join(ANN, digest(b"one"), "ann"))
        step(world)
    assert sum(len(shard.world.export(PLAYER).ids) for shard in world.shards) == 1
    shard, row = row_of(world)
    last = mailed(world, Joined)[-1]
    assert (last.shard, last.hop, last.entity) == (shard, row["hop"], row["entity"])
    assert shard == 1, "the test is about a handoff"


def test_an_input_moves_its_player_and_is_reported(world: Any) -> None:
    push(world, 0, 1, EAST, tick=world.now + 3)
    step(world)
    assert row_of(world)[1]["applied"] == 0
    step(world, 2)
    assert row_of(world)[1]["applied"] == 1
    assert row_of(world)[1]["margin"] == 2, "it came two ticks early"
    assert player_of(world).vx == pytest.approx(60)


def test_a_session_crosses_with_its_inputs_and_its_hop(world: Any) -> None:
    push(world, 0, 1, EAST)
    push(world, 0, 2, STOP, tick=world.now + 30)  # waits beyond the crossing
    step(world, 20)
    shard, row = row_of(world)
    assert (shard, row["hop"], row["applied"]) == (1, 1, 1)
    step(world, 15)
    assert row_of(world)[1]["applied"] == 2, "an input that was buffered travelled along"
    assert player_of(world).vx == 0
    push(world, 1, 2, EAST)
    step(world)
    assert player_of(world).vx == 0, "a known sequence number is not applied again"
    push(world, 1, 3, EAST)
    step(world)
    assert player_of(world).vx > 0


def test_the_frame_says_where_a_session_went(world: Any) -> None:
    push(world, 0, 1, EAST)
    handed = []
    for _ in range(20):
        world.tick()
        for frame in world.watcher.follow():
            handed += [(frame.shard, *pair) for pair in frame.handed]
            listed = ANN in world.watcher.listings[frame.shard].rows
            assert listed or frame.shard != 0 or handed, "a session is listed until handed"
    assert handed == [(0, ANN, 1)]


def test_only_the_holder_of_the_link_steers(world: Any) -> None:
    push(world, 0, 1, EAST, sender="liar")
    push(world, 0, 2, EAST, generation=2)
    world.send(0, Leave(ANN, 1), Detach(ANN, 1), Confirm(ANN, 1), sender="liar")
    step(world, 2)
    assert player_of(world).vx == 0
    assert world.shards[0].sessions.get(ANN).linked
    assert world.shards[0].statistics().desk.astray == 5


@pytest.mark.parametrize(
    ("kind", "values"), [(9, (1, 1)), (PUSH, (1,)), (PUSH, (1, -1)), (PUSH, (1, "x")), (FIRE, (1,))]
)
def test_inputs_out_of_range_are_dropped_and_counted(
    world: Any, kind: int, values: tuple[Any, ...]
) -> None:
    push(world, 0, 1, values, kind=kind)
    step(world)
    assert row_of(world)[1]["applied"] == 0
    assert world.shards[0].statistics().desk.out_of_range == 1


def test_what_cannot_be_read_does_not_stop_the_world(world: Any) -> None:
    for subject in ("w.inbox.0", "w.resume", "w.taken.0", "w.gateway.shard-0", "w.frame.1"):
        world.bus.publish(subject, b"\xff nonsense")
    world.watcher.frames.take_nowait()  # ours to send, not to follow
    world.send(0, Joined(1, 1, 1, 1, 1, 1))
    step(world)
    statistics = world.shards[0].statistics()
    assert statistics.malformed == 5
    assert statistics.desk.misplaced == 1


def test_a_lost_link_has_grace_and_a_resume_ends_it(world: Any) -> None:
    world.send(0, Detach(ANN, 1))
    step(world, 20)
    world.bus.publish(
        resume_subject("w"), Mail("g1", (Resume(ANN, b"one", digest(b"two")),)).encode()
    )
    step(world)
    (resumed,) = mailed(world, Resumed)
    assert (resumed.shard, resumed.generation, resumed.next_hash) == (0, 2, digest(b"two"))
    assert [session for session, _ in world.watcher.latest[0].privates] == [ANN], (
        "a new link is told the private section, changed or not"
    )
    step(world, 40)
    assert mailed(world, Ended) == []
    world.send(0, Detach(ANN, 2))
    step(world, 31)
    (ended,) = mailed(world, Ended)
    assert (ended.session, ended.generation) == (ANN, 2)
    assert len(world.shards[0].world.export(PLAYER).ids) == 0, "the avatar leaves with the session"
    assert world.tally().destroyed == 1


def test_another_gateway_takes_a_session_over(world: Any) -> None:
    other = world.watch("g2")
    world.bus.publish(
        resume_subject("w"), Mail("g2", (Resume(ANN, b"one", digest(b"two")),)).encode()
    )
    step(world)
    assert [item.generation for item in mailed(world, Superseded)] == [1]
    other.frames.take_nowait()
    other.follow()
    assert [type(item) for item in other.mail] == [Resumed]
    push(world, 0, 1, EAST)
    step(world)
    assert player_of(world).vx == 0, "the old link is dead"
    push(world, 0, 1, EAST, sender="g2", generation=2)
    step(world)
    assert player_of(world).vx > 0


def test_a_wrong_token_is_refused_at_once(world: Any) -> None:
    mail = Mail("g1", (Resume(ANN, b"guess", digest(b"two")),))
    world.bus.publish(resume_subject("w"), mail.encode())
    step(world)
    (refused,) = mailed(world, Refused)
    assert (refused.code, refused.next_hash) == (CloseCode.AUTH, digest(b"two"))


def test_an_input_acknowledges_the_new_token(world: Any) -> None:
    mail = Mail("g1", (Resume(ANN, b"one", digest(b"two")),)).encode()
    world.bus.publish(resume_subject("w"), mail)
    step(world)
    push(world, 0, 1, EAST, generation=2)
    step(world)
    world.bus.publish(resume_subject("w"), mail)
    step(world)
    assert [item.code for item in mailed(world, Refused)] == [CloseCode.AUTH]


def test_a_leave_ends_the_session_at_once(world: Any) -> None:
    world.send(0, Leave(ANN, 1))
    step(world)
    assert len(mailed(world, Ended)) == 1
    assert not world.watcher.listings[0].rows
    assert not world.tally().lost


def test_joining_and_leaving_in_one_tick_leaves_nothing_behind(world: Any) -> None:
    world.send(0, Join(4, digest(b"x"), "bob"), Leave(4, 1))
    step(world, 2)
    assert len(world.shards[0].world.export(PLAYER).ids) == 1
    assert len(world.shards[0].sessions) == 1


def test_a_draining_shard_takes_nobody_new(world: Any) -> None:
    world.shards[0].drain()
    world.send(0, Join(4, digest(b"x"), "bob"), Join(ANN, digest(b"one"), "ann"))
    step(world)
    assert [(item.session, item.code) for item in mailed(world, Refused)] == [(4, 1012)]
    assert len(mailed(world, Joined)) == 2, "who is here is still answered"


def test_events_are_addressed_and_durable_ones_wait(world: Any) -> None:
    world.slow_journal = True
    push(world, 0, 1, (), kind=FIRE)
    step(world)
    (flash,) = world.watcher.latest[0].events
    assert (flash.scope, flash.target) == (Scope.CELL, world.geometry.cell_of(216, 100))
    assert cbor.loads(flash.values) == [0, 1]
    step(world)
    assert world.watcher.latest[0].events == []
    assert not any(bulletin.events for bulletin in world.watcher.told.get(0, ()))
    world.write()
    step(world)
    assert world.watcher.latest[0].events == [], "it concerns others, too"
    ((medal,),) = [bulletin.events for bulletin in world.watcher.told[0]]
    assert (medal.kind, medal.scope) == (1, Scope.WORLD)


def test_private_sections_and_classes_follow_the_player(world: Any) -> None:
    for seq in range(1, 4):
        push(world, 0, seq, (), kind=FIRE)
        step(world)
        ((_, section),) = world.watcher.latest[0].privates
        assert cbor.loads(section)[3] == 3 * seq
    step(world)
    assert world.watcher.latest[0].privates == [], "what did not change is not sent"
    assert row_of(world)[1]["cls"] == 1
