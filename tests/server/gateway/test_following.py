"""A gateway follows the shards that its clients need, and misses nothing for it."""

from typing import Any

import pytest

from protocol.messages import Hello
from server.gateway import limits
from server.shard import mail
from tests.server.gateway.conftest import HZ, SPARK

WEST, EAST = 0, 1


@pytest.fixture
def world(make_world: Any) -> Any:
    """A gateway that selects, and two shards side by side; the border is at 512."""
    return make_world(selects=True)


def settle(world: Any) -> None:
    world.tick(4)


def test_nobody_is_followed_without_clients_and_all_are_heard_of(world: Any) -> None:
    settle(world)
    assert world.followed == frozenset()
    assert world.gateway.statistics().followed == 0
    assert world.gateway.unready(world.now) is None, "bulletins say that the shards live"
    assert not world.published["w.inbox.0"], "who has nothing to say to a shard says nothing"


def test_only_the_shard_is_followed_in_which_somebody_plays(world: Any) -> None:
    ann = world.join("ann", 100, 100)
    world.add_dot(110, 110)
    settle(world)
    world.tick(round(limits.UNFOLLOW_AFTER_S * HZ) + 2)  # it may have been asked of another one
    assert world.followed == {WEST}
    assert ann.seen() == world.truth(ann)
    before = world.published["w.inbox.1"]
    world.tick(HZ)
    assert world.published["w.inbox.1"] == before, "and hears no heartbeats"


def test_the_neighbour_is_followed_ahead_of_who_comes_near_and_left_later(world: Any) -> None:
    ann = world.join("ann", 100, 100)
    world.add_dot(530, 100)
    settle(world)
    world.tick(round(limits.UNFOLLOW_AFTER_S * HZ) + 2)
    mine = world.dots[ann.entity]
    while mine.x < 500:
        mine.x += 8.0
        world.tick()
        if world.truth(ann).keys() != {ann.entity}:
            assert EAST in world.followed
            assert ann.seen() == world.truth(ann), "what comes into view is there at once"
    assert ann.seen() == world.truth(ann)
    assert len(ann.seen()) == 2
    while mine.x > 300:
        mine.x -= 8.0
        world.tick()
    gone = world.tick_number
    while EAST in world.followed:
        world.tick()
        assert ann.seen() == world.truth(ann)
    assert world.tick_number - gone > (limits.UNFOLLOW_AFTER_S - 1.5) * HZ, "it may come back"
    world.dots[max(world.dots)].hp = 7  # unseen
    while mine.x < 500:
        mine.x += 8.0
        world.tick()
    settle(world)
    assert ann.seen() == world.truth(ann), "it is followed again from where the shard is now"


def test_a_session_is_followed_to_wherever_it_is_handed(world: Any) -> None:
    ann = world.join("ann", 100, 100)
    settle(world)
    world.tick(round(limits.UNFOLLOW_AFTER_S * HZ) + 2)
    row = world.shards[WEST].rows.pop(ann.session)
    row.hop += 1
    world.shards[EAST].rows[ann.session] = row
    world.dots[ann.entity].x = 900.0  # far beyond what anybody here sees
    world.shards[WEST].handed = [(ann.session, EAST)]
    settle(world)
    assert EAST in world.followed
    assert ann.seen() == world.truth(ann)
    ann.aim(33)
    world.tick(2)
    assert [entry.values for entry in world.shards[EAST].inputs] == [(33,)]
    world.tick(round(limits.UNFOLLOW_AFTER_S * HZ) + 2)
    assert world.followed == {EAST}


def test_a_session_that_nobody_has_any_more_is_looked_for_everywhere(world: Any) -> None:
    ann = world.join("ann", 100, 100)
    settle(world)
    world.tick(round(limits.UNFOLLOW_AFTER_S * HZ) + 2)
    row = world.shards[WEST].rows.pop(ann.session)  # and it is not said where it went
    row.hop += 1
    world.shards[EAST].rows[ann.session] = row
    world.dots[ann.entity].x = 900.0
    ann.aim(33)
    world.tick(3 * HZ)
    questions = [item for item in world.resumes if isinstance(item, mail.Seek)]
    assert questions
    assert questions[0] == mail.Seek(ann.session, row.generation)
    world.answer(mail.Found(ann.session, row.generation, EAST))
    settle(world)
    assert ann.seen() == world.truth(ann)
    assert {entry.values for entry in world.shards[EAST].inputs} == {(33,)}, "it is sent again"
    asked = len(questions)
    world.tick(3 * HZ)
    assert sum(isinstance(item, mail.Seek) for item in world.resumes) == asked, "it was found"


def test_who_resumes_here_is_followed_to_its_shard(world: Any) -> None:
    ann = world.join("ann", 900, 100)
    settle(world)
    ann.pair.cut()
    world.tick()
    again = world.resume(ann)
    world.tick()
    world.grant(world.resumes[-1])
    settle(world)
    assert EAST in world.followed
    assert again.seen() == world.truth(again)


def test_the_shard_of_a_lost_session_is_followed_until_it_lists_it_no_more(world: Any) -> None:
    ann = world.join("ann", 900, 100)
    settle(world)
    ann.pair.cut()
    world.tick(round(2 * limits.UNFOLLOW_AFTER_S * HZ))
    lost = [item for item in world.shards[EAST].items if isinstance(item, mail.Detach)]
    assert len(lost) > 5, "it is told as long as it lists the session"
    assert EAST in world.followed
    session = ann.session
    del world.shards[EAST].rows[session]
    world.answer(mail.Ended(session, 1, "the link did not come back in time"))
    world.tick(round(limits.UNFOLLOW_AFTER_S * HZ) + 2)
    assert world.followed == frozenset()


def test_an_observer_sees_everything(world: Any) -> None:
    for x in (100, 300, 700, 900):
        world.add_dot(x, 100)
    observer = world.connect(Hello(observe=True))
    settle(world)
    assert world.followed == {WEST, EAST}
    assert len(observer.seen()) == 4


def test_everybody_is_told_what_concerns_everybody(world: Any) -> None:
    ann = world.join("ann", 100, 100)
    settle(world)
    world.tick(round(limits.UNFOLLOW_AFTER_S * HZ) + 2)
    assert world.followed == {WEST}
    world.shards[EAST].shout()
    world.shards[EAST].scores = [(9, "far", 70)]
    world.tick(round(limits.SCORES_EVERY_S * HZ) + 2)
    assert ann.events == [(SPARK, 1)]
    assert ann.scores[-1].rows == ((9, "far", 70),)


def test_a_lost_answer_is_asked_for_again(world: Any) -> None:
    ann = world.join("ann", 100, 100)
    world.tick(round(limits.UNFOLLOW_AFTER_S * HZ) + 4)
    world.lose = lambda subject: subject == "w.gateway.g0"
    mine = world.dots[ann.entity]
    mine.x = 500.0
    world.add_dot(530, 100)
    world.tick(HZ)
    assert EAST in world.followed
    assert set(ann.seen()) == {ann.entity}, "the shard could not be heard yet"
    world.lose = lambda _: False
    world.tick(HZ)
    assert ann.seen() == world.truth(ann)
    assert len(ann.seen()) == 2
