"""A recording is paused, sped up and stepped by keys and by the page, and by nothing else."""

import pytest

from server.net.pages import ACTIONS, Pages
from server.net.request import Request
from server.replay.deck import REPLAY_ACTION, Deck


@pytest.fixture
def deck() -> Deck:
    return Deck(first=1, last=2401, hz=20, tick=1)


def test_space_pauses_and_plays(deck) -> None:
    assert deck.due() == 1
    deck.press(" ")
    assert (deck.paused, deck.due()) == (True, 0)
    deck.press(" ")
    assert (deck.paused, deck.due()) == (False, 1)


def test_a_dot_goes_one_tick_on_while_paused_and_pauses_what_runs(deck) -> None:
    deck.press(".")
    assert (deck.paused, deck.due()) == (True, 0)
    deck.press(".")
    deck.press(".")
    assert [deck.due(), deck.due()] == [2, 0], "each of them once"


def test_keys_change_the_speed(deck) -> None:
    for key, speed in (("4", 4), ("+", 8), ("+", 8), ("-", 4), ("1", 1), ("-", 0.5), ("-", 0.25)):
        deck.press(key)
        assert deck.speed == speed
    deck.press("-")
    deck.press("x")
    assert deck.speed == 0.25
    assert [deck.due() for _ in range(8)] == [0, 0, 0, 1, 0, 0, 0, 1]
    deck.press("8")
    assert [deck.due(), deck.due()] == [8, 8]


def test_it_ends_at_the_last_tick(deck) -> None:
    deck.tick, deck.speed = 2398, 8
    assert (deck.due(), deck.ended) == (3, False)
    deck.tick = 2401
    assert (deck.due(), deck.ended) == (0, True)
    assert deck.line().startswith("ended 8x · 2:00 of 2:00 · tick 2401 of 2401")


def test_the_page_does_the_same(deck) -> None:
    assert deck.wish({"paused": True, "speed": 4})[0] == 200
    assert (deck.paused, deck.speed) == (True, 4.0)
    status, told = deck.wish({"step": True})
    assert (status, told["paused"], deck.due()) == (200, True, 1)
    assert deck.tell() == {
        "tick": 1,
        "first": 1,
        "last": 2401,
        "hz": 20,
        "speed": 4.0,
        "speeds": [0.25, 0.5, 1.0, 2.0, 4.0, 8.0],
        "paused": True,
        "ended": False,
    }


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"tick": 5},
        {"paused": 1},
        {"paused": None},
        {"speed": 3},
        {"speed": True},
        {"speed": "4"},
        {"speed": [4]},
        {"step": 1},
        {"paused": True, "speed": 10**400},
    ],
)
def test_any_other_wish_is_refused_as_a_whole(deck, wish) -> None:
    before = deck.tell()
    status, told = deck.wish(wish)
    assert (status, set(told)) == (400, {"error"})
    assert deck.tell() == before


def test_the_page_learns_that_it_may_ask(deck) -> None:
    pages = Pages({}, {REPLAY_ACTION: deck.action})
    assert pages.answer(Request("GET", ACTIONS)).body == b'{"actions": ["/replay"]}'
    assert pages.answer(Request("GET", REPLAY_ACTION)).status == 200
    assert Pages({}).answer(Request("GET", ACTIONS)).body == b'{"actions": []}'
