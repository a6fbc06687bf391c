"""No durable event is handed out twice, and no other is passed over."""

import pytest

from protocol import limits
from protocol.events import Event, Heard


def test_what_was_told_is_passed_over_as_often_as_it_was_told() -> None:
    heard = Heard()
    told = [(7, 1, 0, (5, "ann")), (7, 1, 0, (5, "ann")), (8, 1, 0, (5, "ann"))]
    first = heard.begin()
    assert [first.is_new(*event) for event in told] == [True] * 3, "twins of one tick are two"
    for _ in range(2):
        again = heard.begin()
        assert [again.is_new(*event) for event in told] == [False] * 3
    assert again.is_new(7, 1, 0, (5, "ann")), "a third twin was not told before"
    assert again.is_new(7, 2, 0, (5, "ann"))
    assert again.is_new(7, 1, 0, ("5", "ann"))


def test_what_is_told_again_on_the_very_link_that_told_it_is_known() -> None:
    heard = Heard()
    assert heard.begin().is_new(1, 0, 0, ())
    assert heard.begin().is_new(2, 0, 0, ()), "the link is another one, and this is new"
    again = heard.begin()
    assert not again.is_new(1, 0, 0, ())
    assert not again.is_new(2, 0, 0, ()), "the server did not know that it had told it"


def test_memory_is_bounded() -> None:
    heard = Heard()
    for tick in range(limits.CLIENT_EVENTS + 1):
        heard.begin().is_new(tick, 0, 0, ())
    assert heard.begin().is_new(0, 0, 0, ()), "the oldest is forgotten"
    assert not heard.begin().is_new(2, 0, 0, ())


def test_an_event_has_its_values_by_name() -> None:
    event = Event("Hit", 3, 0, {"damage": 2.5})
    assert event.damage == 2.5
    with pytest.raises(AttributeError):
        _ = event.heal
