"""Whoever reads the page takes no player's place, and nobody reads more than is good for all."""

from server.net import limits
from server.net.doors import Doors
from server.net.seat import Seat
from server.net.visitors import Visitors


def test_a_visit_leaves_the_doors_to_those_who_play():
    doors = Doors(connections_max=1, per_address_max=1, handshakes_max=9)
    visitors = Visitors()
    assert doors.admit("a")
    seat = Seat(doors, visitors, "a")
    assert not doors.admit("a")
    seat.visit("a", lambda: None)
    assert doors.admit("a"), "its place is free"
    assert not seat.play(), "and now it is taken"
    doors.leave("a")
    seat.leave()
    assert (doors.connections, len(visitors)) == (0, 0)


def test_a_visit_that_turns_to_playing_is_counted_as_that():
    doors = Doors(connections_max=2, per_address_max=2, handshakes_max=9)
    visitors = Visitors()
    assert doors.admit("a")
    seat = Seat(doors, visitors, "a")
    seat.visit("a", lambda: None)
    assert (doors.connections, len(visitors)) == (0, 1)
    assert seat.play()
    assert (doors.connections, len(visitors)) == (1, 0)
    seat.leave()
    seat.leave()
    assert doors.connections == 0


def test_when_there_are_too_many_the_quietest_must_go(monkeypatch):
    monkeypatch.setattr(limits, "VISITS_MAX", 4)
    monkeypatch.setattr(limits, "VISITS_PER_ADDRESS_MAX", 2)
    visitors, given_up = Visitors(), []
    enter = [("a", 1), ("a", 2), ("b", 3), ("c", 4)]
    for origin, number in enter:
        assert visitors.enter(origin, lambda n=number: given_up.append(n)) == number
    assert visitors.may_ask(1, "a", 0.0)
    visitors.enter("a", lambda: given_up.append(5))
    assert given_up == [2], "of its own address, the one that asked least lately"
    visitors.enter("d", lambda: given_up.append(6))
    assert given_up == [2, 3], "of all"
    assert len(visitors) == 4
    for number in range(1, 7):
        visitors.leave(number)
    assert len(visitors) == 0
    assert not visitors._by_origin, "an address that has left costs nothing"


def test_an_address_that_asks_too_much_leaves_the_others_theirs():
    visitors = Visitors()
    number = visitors.enter("a", lambda: None)
    allowed = sum(visitors.may_ask(number, "a", 1.0) for _ in range(5000))
    assert abs(allowed - limits.ADDRESS_REQUESTS_BURST) <= 1
    assert visitors.may_ask(number, "b", 1.0)
    again = sum(visitors.may_ask(number, "a", 2.0) for _ in range(5000))
    assert abs(again - limits.ADDRESS_REQUESTS_PER_S) <= 1, "refusals are not held against it"


def test_many_addresses_together_are_bounded_in_requests_and_in_memory():
    visitors = Visitors()
    allowed = sum(visitors.may_ask(0, f"a{n}", 1.0) for n in range(5000))
    assert abs(allowed - limits.REQUESTS_BURST) <= 1
    assert len(visitors._budgets) == limits.ADDRESSES_KEPT


def test_closing_gives_up_every_visit_and_those_to_come():
    visitors, given_up = Visitors(), []
    for number in range(2):
        visitors.enter("a", lambda n=number: given_up.append(n))
    visitors.close()
    visitors.enter("b", lambda: given_up.append(2))
    assert given_up == [0, 1, 2]
    assert len(visitors) == 0
