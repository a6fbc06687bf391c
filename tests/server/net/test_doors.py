import socket

import pytest

from server.net.binding import ListenError, bind, close_all
from server.net.budget import Budget
from server.net.doors import Doors, origin_of
from server.net.head import Head


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_one_ipv6_host_counts_as_one_address_whatever_it_calls_itself(address, origin):
    assert origin_of(address) == origin


def test_doors_count_by_address_and_in_all_and_forget_who_has_left():
    doors = Doors(connections_max=3, per_address_max=2, handshakes_max=10)
    assert [doors.admit("a") for _ in range(3)] == [True, True, False]
    assert [doors.admit("b") for _ in range(2)] == [True, False], "the whole is full"
    doors.leave("a")
    assert doors.admit("b")
    assert doors.connections == 3
    for address in ("a", "b", "b"):
        doors.leave(address)
    assert doors.connections == 0
    assert not doors._by_origin, "an address that has left costs nothing"


def test_the_oldest_handshake_gives_way_to_the_newest():
    doors = Doors(connections_max=9, per_address_max=9, handshakes_max=2)
    given_up = []
    numbers = [doors.begin_handshake(lambda n=n: given_up.append(n)) for n in range(3)]
    assert given_up == [0]
    doors.end_handshake(numbers[1])
    doors.begin_handshake(lambda: given_up.append(3))
    assert given_up == [0], "one that is over makes room"


def test_a_budget_allows_its_burst_and_then_its_rate():
    budget = Budget(rate=10, burst=5)
    assert [budget.spend(1, now=0.0) for _ in range(6)] == [True] * 5 + [False]
    assert budget.spend(1, now=0.2), "one was earned to pay the debt, one to spend"
    assert not budget.spend(6, now=100.0), "more than the burst is never saved up"


def test_a_head_ends_at_the_blank_line_however_it_comes():
    request = b"GET / HTTP/1.1\r\nHost: x:1\r\noRIGIN:  http://x:1 \r\n\r\n"
    head = Head()
    passed = b"".join(head.feed(bytes((byte,))) for byte in request)
    assert head.complete
    assert passed == request
    head = Head()
    assert head.feed(request + b"\x82early") == request
    assert head.early == b"\x82early"
    assert head.line(b"origin") == b"http://x:1"
    assert head.line(b"host") == b"x:1"
    assert head.line(b"cookie") is None


async def test_all_addresses_of_a_name_share_one_port():
    listeners = await bind("localhost", 0)
    try:
        assert len({listener.getsockname()[1] for listener in listeners}) == 1
    finally:
        close_all(listeners)


async def test_a_taken_port_is_explained():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match=f"port {port} of 127.0.0.1 is taken"):
            await bind("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7", "\udcff"])
async def test_an_address_of_somebody_else_is_explained(host):
    with pytest.raises(ListenError, match="not an address of this machine"):
        await bind(host, 0)


def test_what_cannot_be_afforded_is_not_owed():
    budget = Budget(rate=10, burst=5)
    assert [budget.afford(1, now=0.0) for _ in range(50)] == [True] * 5 + [False] * 45
    assert budget.afford(1, now=0.11)
    assert not budget.afford(1, now=0.11)
