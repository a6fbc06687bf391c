"""A shard is told of a lost link until it no longer lists the session, and not for ever."""

from collections.abc import Callable

from server.gateway import limits
from server.gateway.detached import Detached
from server.shard.mail import Detach, Leave


def owned_by(shard: int | None) -> Callable[[int, int], int | None]:
    return lambda _session, _generation: shard


def test_the_owner_is_told_at_once_and_then_each_second() -> None:
    detached = Detached()
    detached.add(Detach(7, 1))
    told = [
        now for now in range(5) if detached.due(owned_by(3), float(now))
    ]  # the clock starts at 0, as a monotonic one may
    assert told == [0, 1, 2, 3, 4]
    assert not detached.due(owned_by(3), 4.5), "half a second is too soon"


def test_a_session_that_no_frame_lists_is_forgotten_in_the_end() -> None:
    detached = Detached()
    detached.add(Leave(7, 1))
    now = 0.0
    while now <= limits.DETACH_FORGET_S:
        assert not detached.due(owned_by(None), now)
        assert len(detached) == 1, "it may be in transit"
        now += limits.DETACH_AGAIN_S
    detached.due(owned_by(None), now)
    assert len(detached) == 0, "it is over"


def test_a_player_who_left_does_not_come_back_as_lost() -> None:
    detached = Detached()
    detached.add(Leave(7, 1))
    detached.add(Detach(7, 1))
    assert detached.due(owned_by(0), 0.0) == [(0, Leave(7, 1))]
    detached.add(Detach(7, 2))
    assert detached.due(owned_by(0), 9.0) == [(0, Detach(7, 2))], "a newer link"
