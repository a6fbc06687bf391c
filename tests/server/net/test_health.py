"""A load balancer is told the truth about a server, quickly, whatever else its port is asked."""

import pytest
import trio

from server.net import limits
from server.net.health import Health
from server.net.pages import File, Pages
from server.net.probes import answer_probes
from server.net.request import Request
from server.net.visitors import Visitors


def asked(health: Health, target: str, method: str = "GET") -> tuple[int, bytes]:
    reply = Pages({}, health=health).answer(Request(method, target))
    return reply.status, reply.body


def test_a_process_lives_before_it_is_ready() -> None:
    health = Health()
    assert asked(health, "/healthz") == (200, b"ok\n")
    assert asked(health, "/readyz") == (503, b"starting\n")


def test_it_is_ready_when_all_is_well_and_tells_the_first_reason_otherwise() -> None:
    problems: list[str | None] = [None, None]
    health = Health()
    health.watch(lambda: problems[0], lambda: problems[1])
    assert asked(health, "/readyz") == (200, b"ok\n")
    problems[1] = "the world is away"
    assert asked(health, "/readyz?verbose") == (503, b"the world is away\n")
    problems[0] = "draining"
    assert asked(health, "/readyz") == (503, b"draining\n")
    assert asked(health, "/healthz") == (200, b"ok\n"), "restarting it would not help"


def test_nothing_else_is_served_where_there_are_no_pages() -> None:
    health = Health()
    assert asked(health, "/")[0] == 404
    assert asked(health, "/healthz", "POST")[0] == 405
    assert asked(health, "/healthz/")[0] == 404


def test_numbers_are_told_where_there_are_any_and_nowhere_else() -> None:
    health = Health()
    assert asked(health, "/metrics")[0] == 404, "not where players ask"
    health.measure(lambda: ("text/plain; version=1", b"clients 3\n"))
    assert asked(health, "/metrics") == (200, b"clients 3\n"), "even before it is ready"
    assert asked(health, "/metrics", "POST")[0] == 405
    reply = Pages({}, health=health).answer(Request("GET", "/metrics"))
    assert dict(reply.headers)["Content-Type"] == "text/plain; version=1"


def test_health_does_not_hide_the_page() -> None:
    pages = Pages({"/": File(b"<p>", "text/html", '"a"')}).with_health(Health())
    assert pages.answer(Request("GET", "/")).body == b"<p>"
    assert pages.answer(Request("GET", "/healthz")).status == 200


def test_readers_of_the_page_cannot_spend_what_probes_need() -> None:
    visitors = Visitors()
    visits = [visitors.may_ask(0, f"a{n}", 1.0) for n in range(5000)]
    assert not visits[-1], "everybody's budget is spent"
    assert visitors.may_ask(0, "balancer", 1.0, probes=True)
    probes = sum(visitors.may_ask(0, "a flood", 1.0, probes=True) for _ in range(5000))
    assert probes == limits.ADDRESS_REQUESTS_BURST, "one address is bounded all the same"


async def test_a_port_of_its_own_answers_probes_and_has_no_game(serve) -> None:
    health = Health()
    health.watch(lambda: None)
    async with trio.open_nursery() as nursery:

        async def start(*, task_status) -> None:
            await answer_probes(health, host="127.0.0.1", port=0, task_status=task_status)

        listening = await nursery.start(start)
        for request, expected in (
            (b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"HTTP/1.1 200"),
            (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 404"),
        ):
            async with await trio.open_tcp_stream("127.0.0.1", listening.port) as stream:
                await stream.send_all(request)
                with trio.fail_after(5):
                    heard = b"".join([bytes(part) async for part in stream])
                assert heard.startswith(expected)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("pages", [None, Pages({"/": File(b"<p>", "text/html", '"a"')})])
async def test_the_games_own_port_answers_probes(serve, pages) -> None:
    health = Health()
    async with serve(pages=(pages or Pages({})).with_health(health)) as server:
        async with server.raw() as client:
            await client.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await client.read_head()).startswith(b"HTTP/1.1 503")
        async with server.opened():
            pass
