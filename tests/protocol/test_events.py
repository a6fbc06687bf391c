"""No durable event is handed out twice, and no other is passed over."""

from typing import Any

import pytest

from protocol import limits
from protocol.events import Event, Heard


def tell(heard: Heard, *events: tuple[Any, ...]) -> list[bool]:
    """Which events of one message are new."""
    heard.begin()
    return [heard.is_new(*event) for event in events]


def test_what_was_told_is_passed_over_as_often_as_it_was_told() -> None:
    heard = Heard()
    told = [(7, 1, 0, (5, "ann")), (7, 1, 0, (5, "ann")), (8, 1, 0, (5, "ann"))]
    assert tell(heard, *told) == [True] * 3, "twins of one tick are two"
    assert tell(heard, *told) == [False] * 3
    assert tell(heard, *told[:2], told[0]) == [False, False, True], "a third twin is new"
    assert tell(heard, (7, 2, 0, (5, "ann")), (7, 1, 0, ("5", "ann"))) == [True, True]


def test_what_a_link_has_brought_before_it_was_told_again_is_no_news() -> None:
    """The server tells again what happened while nobody knew whether the link was there."""
    heard = Heard()
    assert tell(heard, (1, 0, 0, ())) == [True], "on the first link"
    assert tell(heard, (2, 0, 0, ())) == [True], "on the second, which is told all of it now"
    assert tell(heard, (1, 0, 0, ()), (2, 0, 0, ()), (3, 0, 0, ())) == [False, False, True]


def test_memory_is_bounded() -> None:
    heard = Heard()
    for tick in range(limits.CLIENT_EVENTS + 1):
        assert tell(heard, (tick, 0, 0, ())) == [True]
    assert tell(heard, (0, 0, 0, ())) == [True], "the oldest is forgotten"
    assert tell(heard, (2, 0, 0, ())) == [False]


def test_an_event_has_its_values_by_name() -> None:
    event = Event("Hit", 3, 0, {"damage": 2.5})
    assert event.damage == 2.5
    with pytest.raises(AttributeError):
        _ = event.heal
