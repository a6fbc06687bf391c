"""No durable event is handed out twice, and no other is passed over."""

import pytest

from protocol import limits
from protocol.events import Event, Heard


def test_what_was_told_is_passed_over_after_a_resume_as_often_as_it_was_told() -> None:
    heard = Heard()
    told = [(7, 1, 0, (5, "ann")), (7, 1, 0, (5, "ann")), (8, 1, 0, (5, "ann"))]
    assert [heard.is_new(*event) for event in told] == [True] * 3, "twins of one tick are two"
    heard.came_back()
    assert [heard.is_new(*event) for event in told] == [False] * 3
    assert heard.is_new(7, 1, 0, (5, "ann")), "a third twin was not told before"
    assert heard.is_new(7, 2, 0, (5, "ann"))
    assert heard.is_new(7, 1, 0, ("5", "ann"))


def test_what_is_told_on_a_second_link_is_known_on_the_third() -> None:
    heard = Heard()
    assert heard.is_new(1, 0, 0, ())
    heard.came_back()
    assert not heard.is_new(1, 0, 0, ())
    assert heard.is_new(2, 0, 0, ())
    heard.came_back()
    assert not heard.is_new(1, 0, 0, ())
    assert not heard.is_new(2, 0, 0, ())


def test_memory_is_bounded() -> None:
    heard = Heard()
    for tick in range(limits.CLIENT_EVENTS + 1):
        heard.is_new(tick, 0, 0, ())
    heard.came_back()
    assert heard.is_new(0, 0, 0, ()), "the oldest is forgotten"
    assert not heard.is_new(2, 0, 0, ())


def test_an_event_has_its_values_by_name() -> None:
    event = Event("Hit", 3, 0, {"damage": 2.5})
    assert event.damage == 2.5
    with pytest.raises(AttributeError):
        _ = event.heal
