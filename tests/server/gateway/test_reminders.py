"""Who comes back over a new link is told what it may have missed, by every shard, and once."""

from collections.abc import Callable
from typing import Any

from protocol import cbor
from protocol.messages import Ack
from server.gateway import limits
from server.shard import mail
from tests.server.gateway.conftest import PRIZE


def back_again(world: Any) -> tuple[Any, int, int]:
    """A player over its second link; its session and generation."""
    client = world.join("ann", 100, 100)
    session = client.session
    client.pair.cut()
    world.tick()
    again = world.resume(client)
    world.tick()
    world.grant(world.resumes[-1])
    world.tick(3)
    return again, session, 2


def asked(world: Any, shard: int) -> list[mail.Remind]:
    return [item for item in world.shards[shard].items if isinstance(item, mail.Remind)]


def prize(value: int) -> bytes:
    return cbor.dumps([PRIZE, value])


def test_every_shard_is_asked_until_it_has_answered(world: Any) -> None:
    client, session, generation = back_again(world)
    for shard in world.shards:
        question = asked(world, shard)[0]
        assert (question.session, question.generation) == (session, generation)
        assert question.entity == client.entity
        assert world.geometry.cell_of(100, 100) in question.cells
    world.publish(
        "w.gateway.g0",
        mail.Mail(
            "shard-1", (mail.Reminded(session, generation, 1, ((5, prize(1)), (6, prize(2)))),)
        ).encode(),
    )
    before = [len(asked(world, shard)) for shard in world.shards]
    world.tick(20)
    after = [len(asked(world, shard)) for shard in world.shards]
    assert after[0] > before[0], "the other one has not answered"
    assert after[1] == before[1]
    assert client.events == [(PRIZE, 1), (PRIZE, 2)]


def test_an_answer_counts_once_and_for_its_own_link(world: Any) -> None:
    client, session, generation = back_again(world)
    for wrong in (generation - 1, generation + 1):
        world.answer(mail.Reminded(session, wrong, 0, ((5, prize(1)),)))
    world.answer(mail.Reminded(session + 1, generation, 0, ((5, prize(1)),)))
    world.answer(mail.Reminded(session, generation, 0, ((5, prize(1)),), 1))
    for _ in range(2):
        world.answer(mail.Reminded(session, generation, 0, ((5, prize(3)),)))
    world.tick()
    assert client.events == [(PRIZE, 3)]


def test_nobody_is_asked_about_who_joins_or_has_gone(make_world: Callable[[], Any]) -> None:
    world = make_world()
    world.join("ann", 100, 100)
    world.tick(10)
    assert not any(asked(world, shard) for shard in world.shards)
    client, _, _ = back_again(world)
    client.pair.cut()
    world.tick()
    before = len(asked(world, 0))
    world.tick(30)
    assert len(asked(world, 0)) == before


def test_an_answer_from_before_more_was_missed_does_not_count(world: Any) -> None:
    """It does not have what was let go since."""
    client, session, generation = back_again(world)
    old = asked(world, 0)[-1]
    client.acknowledges = False
    world.tick(40)
    for number in range(limits.EVENTS_LASTING + 1):
        world.shards[1].proclaim(number)
    world.tick()
    client.acknowledges = True
    client.say(Ack(client.snapshots[-1].tick))
    world.tick(2)
    world.answer(old.answer(0, ((5, prize(1)),)))
    world.tick(2)
    assert client.events == []
    new = asked(world, 0)[-1]
    assert (new.session, new.generation, new.times) == (session, generation, 1)
    world.answer(new.answer(0, ((5, prize(2)),)))
    world.tick(2)
    assert client.events == [(PRIZE, 2)]
