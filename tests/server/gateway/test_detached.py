"""A shard is told of a lost link until it no longer lists the session, and not for ever."""

from collections.abc import Callable

from server.gateway import limits
from server.gateway.detached import Detached
from server.shard.mail import Detach, Leave


def owned_by(shard: int | None) -> Callable[[int, int], int | None]:
    return lambda _session, _generation: shard


def test_the_owner_is_told_at_once_and_then_each_second() -> None:
    detached = Detached()
    detached.add(Detach(7, 1), (3,))
    told = [
        now for now in range(5) if detached.due(owned_by(3), float(now))
    ]  # the clock starts at 0, as a monotonic one may
    assert told == [0, 1, 2, 3, 4]
    assert not detached.due(owned_by(3), 4.5), "half a second is too soon"


def test_a_session_that_no_frame_lists_is_forgotten_in_the_end() -> None:
    detached = Detached()
    detached.add(Leave(7, 1), (3,))
    now = 0.0
    assert not detached.due(owned_by(None), now), "it may be in transit"
    while now + limits.DETACH_AGAIN_S <= limits.DETACH_FORGET_S:
        now += limits.DETACH_AGAIN_S
        assert detached.due(owned_by(None), now) == [(None, Leave(7, 1))], "somebody may know it"
    now += limits.DETACH_AGAIN_S
    detached.due(owned_by(None), now)
    assert len(detached) == 0, "it is over"


def test_a_player_who_left_does_not_come_back_as_lost() -> None:
    detached = Detached()
    detached.add(Leave(7, 1), (3,))
    detached.add(Detach(7, 1), (3,))
    assert detached.due(owned_by(0), 0.0) == [(0, Leave(7, 1))]
    detached.add(Detach(7, 2), (0,))
    assert detached.due(owned_by(0), 9.0) == [(0, Detach(7, 2))], "a newer link"


def test_where_it_is_told_is_where_the_session_was_and_went() -> None:
    detached = Detached()
    detached.add(Detach(7, 1), (3, 4))
    detached.add(Detach(8, 1), (5,))
    detached.handed(7, 6)
    detached.handed(9, 2)
    assert detached.shards == {3, 4, 5, 6}
    detached.due(owned_by(6), 0.0)
    assert detached.shards == {6}, "there it is listed"
    detached.forget(7)
    detached.forget(8)
    assert not detached.shards
