"""One port for the page and the game: each gets its own, and neither disturbs the other.

Real sockets; the game's handshake is also tested in `test_hardening.py`, without pages.
"""

import random
from contextlib import suppress

import h11
import pytest
import trio

from server.net import limits
from server.net.frames import frame
from server.net.link import Sent
from server.net.pages import File, Pages
from tests.server.net.hostility import (
    GARBAGE,
    STRANGE_HEADERS,
    assert_still_serves,
    hostile,
    send_until_broken,
)

GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
BIG = random.Random(1).randbytes(8_000_000)  # more than the kernels of both ends hold
PAGES = Pages({"/": File(b"<p>", "text/html", '"a"'), "/big": File(BIG, "image/png", '"b"')})


async def fetch(server, target: str = "/") -> tuple[int, bytes]:
    """Status and body, as a browser gets them."""
    http = h11.Connection(h11.CLIENT)
    status, body = 0, b""
    async with server.raw() as client:
        request = h11.Request(method="GET", target=target, headers=[("Host", "127.0.0.1")])
        await client.send(http.send(request) + http.send(h11.EndOfMessage()))
        with trio.fail_after(5):
            while not isinstance(event := http.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    http.receive_data(await client.stream.receive_some())
                elif isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    body += event.data
    return status, body


async def test_a_plain_get_gets_the_page_and_an_upgrade_the_game(serve):
    async with serve(pages=PAGES) as server:
        assert await fetch(server) == (200, b"<p>")
        assert await fetch(server, "/big") == (200, BIG)
        assert (await fetch(server, "/nothing"))[0] == 404
        assert server.links == []
        await assert_still_serves(server)
        assert len(server.links) == 1
        await server.wait_connections(0)
        assert server.listening.statistics().visits == 3


async def test_without_pages_there_is_only_the_game(serve):
    async with serve() as server:
        async with server.raw() as client:
            await client.send(GET)
            assert (await client.read_head()).startswith(b"HTTP/1.1 400")
        assert server.listening.statistics().visits == 0


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_ends_that_connection_alone(serve, garbage):
    async with serve(pages=PAGES) as server:
        async with server.raw() as client:
            await client.send(garbage)
            await client.stream.send_eof()
            assert not (await client.read_head()).startswith(b"HTTP/1.1 101")
            await server.wait_connections(0)
        await assert_still_serves(server)


@pytest.mark.parametrize("headers", STRANGE_HEADERS)
async def test_strange_header_bytes_end_that_connection_alone(serve, headers):
    async with serve(pages=PAGES) as server:
        async with server.raw() as client:
            await client.send(client.request(headers))
            with trio.move_on_after(0.2):
                await client.read_head()
        await server.wait_connections(0)
        await assert_still_serves(server)


UPGRADES = [
    (b"Sec-WebSocket-Protocol: shoal.v2\r\n", b"101"),
    (b"Sec-WebSocket-Protocol: chat\r\n", b"400"),
    (b"", b"400"),
    (b"Sec-WebSocket-Protocol: shoal.v2\r\nOrigin: http://127.0.0.1\r\n", b"101"),
    (b"Sec-WebSocket-Protocol: shoal.v2\r\nOrigin: https://play.example.org\r\n", b"101"),
    (b"Sec-WebSocket-Protocol: shoal.v2\r\nOrigin: http://evil.example\r\n", b"403"),
    (b"Sec-WebSocket-Protocol: shoal.v2\r\nOrigin: null\r\n", b"403"),
]


@pytest.mark.parametrize("cut", [None, 1, 20, 100])
@pytest.mark.parametrize(("extra", "status"), UPGRADES)
async def test_an_upgrade_is_judged_as_it_is_without_pages(serve, extra, status, cut):
    """By the byte: what trio-websocket says depends on all that it has seen."""
    answers = []
    for pages in (PAGES, None):
        origins = ("https://play.example.org",)
        async with serve(pages=pages, origins=origins) as server, server.raw() as client:
            request = client.request(extra)
            if cut is not None:
                await client.send(request[:cut])
                await trio.sleep(0.01)
            await client.send(request[cut or 0 :])
            answers.append(await client.read_head())
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"HTTP/1.1 " + status)


async def test_frames_that_come_with_the_request_are_not_lost(serve):
    async with serve(pages=PAGES) as server, server.raw() as client:
        early = client.frame(2, b"early") + client.frame(2, b"bird")
        await client.send(client.request() + early)
        (link,) = await server.wait_links(1)
        assert await server.wait_drained(link, 2) == [b"early", b"bird"]
        assert link.statistics().bytes_received == len(client.request() + early)


async def test_a_kept_connection_may_turn_to_the_game(serve):
    """As a proxy's may that holds some for whoever comes."""
    async with serve(pages=PAGES, clients_per_address_max=1) as server, server.raw() as client:
        await client.send(GET)
        assert (await client.read_head()).startswith(b"HTTP/1.1 200")
        assert await client.stream.receive_some(3) == b"<p>"
        await client.send(client.request() + client.frame(2, b"hello"))
        assert (await client.read_head()).startswith(b"HTTP/1.1 101")
        (link,) = await server.wait_links(1)
        assert await server.wait_drained(link, 1) == [b"hello"]
        async with server.raw() as second:
            assert await second.read_head() == b"", "it is counted as one that plays"


async def test_visits_take_nobodys_place(serve, monkeypatch):
    monkeypatch.setattr(limits, "VISITS_MAX", 9)
    monkeypatch.setattr(limits, "VISITS_PER_ADDRESS_MAX", 3)
    async with (
        serve(pages=PAGES, clients_per_address_max=2) as server,
        trio.open_nursery() as nursery,
    ):

        async def stay() -> None:
            async with server.raw() as client:
                await client.send(GET)
                await client.read_head()
                await trio.sleep_forever()

        for count in range(1, 13):
            nursery.start_soon(stay)
            await server._until(
                lambda count=count: server.listening.statistics().visits == count, "no visit"
            )
        await server.wait_connections(3)
        async with server.opened(), server.opened():
            assert (await fetch_or_nothing(server)) == b"", "two is what it may hold"
            await server.wait_connections(5)
        nursery.cancel_scope.cancel()


async def fetch_or_nothing(server) -> bytes:
    async with server.raw() as client:
        with suppress(trio.BrokenResourceError):
            await client.send(GET)
            return await client.read_head()
    return b""


async def test_a_slow_reader_of_a_page_is_cut_off(serve, monkeypatch):
    monkeypatch.setattr(limits, "REPLY_S", 0.3)
    monkeypatch.setattr(limits, "CLOSE_S", 0.1)
    async with serve(pages=PAGES) as server, server.raw() as client:
        await client.send(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        started = trio.current_time()
        assert (await client.read_head()).startswith(b"HTTP/1.1 200")
        await server.wait_connections(0)
        assert trio.current_time() - started < 2
        received = 0
        with suppress(trio.BrokenResourceError):
            while data := await client.stream.receive_some():
                received += len(data)
        assert received < len(BIG)


async def test_a_request_that_drips_is_freed(serve, monkeypatch):
    monkeypatch.setattr(limits, "HANDSHAKE_S", 0.2)
    async with serve(pages=PAGES) as server, server.raw() as client:
        with suppress(trio.BrokenResourceError):
            for byte in GET:
                await client.send(bytes((byte,)))
                await trio.sleep(0.02)
        await server.wait_connections(0)


async def test_resets_at_any_moment_end_that_connection_alone(serve):
    async with serve(pages=PAGES) as server:
        for length in (0, 1, len(GET), len(GET) * 3):
            for reads in (False, True):
                async with server.raw() as client:
                    await client.send((GET * 3)[:length])
                    if reads and length >= len(GET):
                        await client.read_head()
                    client.reset()
        await server.wait_connections(0)
        await assert_still_serves(server)


async def test_stopping_ends_visits_at_once(serve):
    async with serve(pages=PAGES) as server, server.raw() as client:
        await client.send(GET)
        await client.read_head()
        server.listening.stop_accepting()
        with trio.fail_after(1):
            await server.listening.wait_closed()


async def test_many_who_read_the_page_leave_a_players_snapshots_alone(serve):
    """Thousands of requests, wild ones among them, while one client is served 20 times a second."""
    received, answered = [], []

    async def read(client) -> None:
        while True:
            received.append(await client.get_message())

    async def browse(server) -> None:
        while True:
            with suppress(trio.BrokenResourceError, OSError):
                async with server.raw() as client:
                    await client.send(GET * 50)
                    while data := await client.stream.receive_some():
                        answered.append(data.count(b"HTTP/1.1 "))
            await trio.sleep(0.01)

    async def attack(server, seed: int) -> None:
        async with server.raw() as client:
            await send_until_broken(client, GET + hostile(client, seed))
            with trio.move_on_after(0.05), suppress(trio.BrokenResourceError):
                while await client.stream.receive_some():
                    pass

    async with serve(pages=PAGES) as server, server.client() as good:
        (link,) = await server.wait_links(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, good)
            for _ in range(20):
                nursery.start_soon(browse, server)
            for tick in range(30):
                nursery.start_soon(attack, server, tick)
                assert link.try_send(frame(bytes((tick,)) * 500)) is Sent.ALL
                await trio.sleep(0.03)
            await trio.sleep(0.2)
            nursery.cancel_scope.cancel()
        assert received == [bytes((tick,)) * 500 for tick in range(30)]
        assert sum(answered) > 300
        await server.wait_connections(1)
