"""Page requests over memory, in virtual time: whatever comes, and however slowly, a visit ends."""

from collections.abc import Callable
from typing import Any

import h11
import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from server.net import limits
from server.net.drain import Drain, OnReadable
from server.net.exchange import UPGRADE, Exchange, Upgrade
from server.net.pages import File, Pages
from server.net.request import BadRequestError, Request
from server.net.visit import Visit

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
WANTED = b"GET /game HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\nearly"
BIG = b"\x88" + bytes(50_000)  # begins like a Close frame
PAGES = Pages({"/": File(b"<p>", "text/html", '"a"'), "/big": File(BIG, "image/png", '"b"')})
SECONDS_MAX = (
    limits.HANDSHAKE_S
    + limits.VISIT_REQUESTS * (limits.VISIT_IDLE_S + limits.REPLY_S)
    + limits.CLOSE_S
)


class Line:
    """A `Transport` to a client that says `script` (pauses in seconds, bytes) and is silent then,
    or gone with `ends`. It takes `takes` bytes at once, and then only after `pause_s`.
    """

    def __init__(
        self,
        *script: bytes | float,
        ends: bool = False,
        takes: int = 1 << 20,
        pause_s: float = 0.0,
    ) -> None:
        self.heard = b""
        self.shut_down = False
        self._script = list(script)
        self._ends = ends
        self._takes = takes
        self._pause_s = pause_s
        self._full = False

    def send(self, data: bytes | memoryview) -> int:
        if self._full:
            raise BlockingIOError
        part = bytes(data[: self._takes])
        self.heard += part
        self._full = len(part) < len(data)
        return len(part)

    def receive(self, bytes_max: int) -> bytes:
        if not self._script:
            if self._ends:
                return b""
            raise BlockingIOError
        data = self._script[0]
        assert isinstance(data, bytes), "the pause was waited for"
        self._script[:1] = [data[bytes_max:]] if data[bytes_max:] else []
        return data[:bytes_max]

    async def wait_writable(self) -> None:
        await trio.sleep(self._pause_s)
        self._full = False

    async def wait_readable(self) -> None:
        await trio.lowlevel.checkpoint()
        while self._script and isinstance(self._script[0], int | float):  # noqa: ASYNC110
            await trio.sleep(float(self._script.pop(0)))
        if not self._script and not self._ends:
            await trio.sleep_forever()

    def shut(self) -> None:
        self.shut_down = True

    def close(self) -> None:
        raise NotImplementedError

    def enter(self, drain: Drain, on_readable: OnReadable) -> None:
        raise NotImplementedError

    def leave(self) -> None:
        raise NotImplementedError


async def visit(
    line: Line, may_ask: Callable[[Request, float], bool] = lambda *_: True
) -> Upgrade | None:
    """What a connection does with it."""
    guest = Visit(line, PAGES)
    with trio.fail_after(limits.HANDSHAKE_S):
        asked = await guest.next()
    if isinstance(asked, Request):
        asked = await guest.answer(asked, may_ask)
    if asked is UPGRADE:
        assert guest.data.endswith(WANTED), "trio-websocket will see all of it"
    return asked


def replies(heard: bytes, *methods: str) -> list[tuple[int, bytes]]:
    """Status and body of each reply, as another HTTP client reads them."""
    client = h11.Connection(h11.CLIENT)
    said = []
    client.receive_data(heard)
    for method in methods:
        client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        status, body = 0, b""
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                return said
        said.append((status, body))
        if client.our_state is not h11.DONE:
            break
        client.start_next_cycle()
    return said


async def test_requests_are_answered_one_after_the_other(autojump_clock):
    line = Line(
        GET + b"GET /big HTTP/1.1\r\nHost: x\r\n\r\nHEAD /big HT", b"TP/1.1\r\nHost: x\r\n\r\n"
    )
    assert await visit(line) is None
    assert replies(line.heard, "GET", "GET", "HEAD") == [(200, b"<p>"), (200, BIG), (200, b"")]
    assert b"Content-Length: 50001\r\n" in line.heard.rpartition(b"HTTP/1.1")[2]
    assert trio.current_time() == pytest.approx(limits.VISIT_IDLE_S), "then it has been idle"


async def test_a_browser_that_wants_the_game_after_the_page_gets_it(autojump_clock):
    assert await visit(Line(WANTED)) is UPGRADE
    assert await visit(Line(WANTED[:20], 1.0, WANTED[20:])) is UPGRADE
    line = Line(GET + WANTED)
    assert await visit(line) is UPGRADE
    assert replies(line.heard, "GET") == [(200, b"<p>")]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"\r\n\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nx: " + b"y" * 2 * limits.HEAD_BYTES, 431),
        (b"GET /.. HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n" + b"a" * 999, 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"40\r\n%b\r\n" % (b"a" * 64) * 5,
            413,
        ),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", 400),
    ],
)
async def test_what_is_no_page_request_gets_a_short_answer(autojump_clock, request_, status):
    line = Line(request_)
    assert await visit(line) is None
    ((said, body),) = replies(line.heard, "GET")
    assert said == status
    assert 0 < len(body) < 80
    assert b"Content-Type: text/plain" in line.heard


async def test_a_connection_that_should_close_is_told_so_and_lingers_shortly(autojump_clock):
    for first in (
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ):
        started = trio.current_time()
        line = Line(first + GET, 0.5, b"more", ends=True)
        assert await visit(line) is None
        assert line.heard.count(b"HTTP/1.1 200") == 1
        assert b"Connection: close\r\n" in line.heard
        assert line.shut_down
        assert trio.current_time() - started == pytest.approx(0.5), "until the peer is done"


async def test_after_so_many_requests_the_connection_is_closed(autojump_clock):
    line = Line(GET * (limits.VISIT_REQUESTS + 5), ends=True)
    assert await visit(line) is None
    assert line.heard.count(b"HTTP/1.1 200") == limits.VISIT_REQUESTS
    assert line.heard.count(b"Connection: close") == 1


async def test_who_asks_too_much_is_told_and_sent_away(autojump_clock):
    answers = iter([True, False])
    line = Line(GET * 3, ends=True)
    assert await visit(line, lambda *_: next(answers)) is None
    assert [status for status, _ in replies(line.heard, "GET", "GET", "GET")] == [200, 429]


async def test_a_request_that_drips_is_cut_off(autojump_clock):
    drips: list[Any] = [part for byte in GET * 9 for part in (0.9, bytes((byte,)))]
    with pytest.raises(trio.TooSlowError):
        await visit(Line(*drips))
    assert trio.current_time() == pytest.approx(limits.HANDSHAKE_S)
    line = Line(GET, *drips)
    assert await visit(line) is None
    assert trio.current_time() == pytest.approx(limits.HANDSHAKE_S + limits.VISIT_IDLE_S)
    assert line.heard.count(b"HTTP/1.1 200") == 1


async def test_a_client_that_takes_its_reply_too_slowly_is_cut_off(autojump_clock):
    line = Line(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n", takes=1000, pause_s=0.5)
    with pytest.raises(trio.TooSlowError):
        await visit(line)
    assert trio.current_time() == pytest.approx(limits.REPLY_S)
    assert len(line.heard) < len(BIG)


async def test_a_client_that_talks_on_after_the_last_reply_is_cut_off(autojump_clock):
    flood: list[Any] = [part for _ in range(1000) for part in (0.1, b"x")]
    await visit(Line(b"nonsense\r\n\r\n", *flood))
    assert trio.current_time() == pytest.approx(limits.CLOSE_S)
    await visit(Line(b"nonsense\r\n\r\n", b"x" * 10 * limits.LINGER_BYTES))
    assert trio.current_time() == pytest.approx(limits.CLOSE_S), "and at once if it talks a lot"


pieces = st.one_of(
    st.binary(max_size=300),
    st.sampled_from(
        [
            GET,
            WANTED[:-5],
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"3\r\nabc\r\n0\r\n\r\n",
            b"HEAD /big HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n",
            b"GET / HTTP/1.1\r\n",
            b"Host: x\r\n",
            b"Upgrade: h2c\r\n",
            b"Content-Length: 99999999999999999999\r\n",
            b"Content-Length: 5\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(pieces, st.floats(0, 3)), max_size=12), st.booleans(), st.booleans())
@example([b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: \xff\r\n\r\n"], True, False)
def test_no_bytes_crash_a_visit_or_keep_it(script, ends, slow):
    line = Line(*script, ends=ends, takes=4000 if slow else 1 << 20, pause_s=0.1)

    async def run() -> float:
        guest = Visit(line, PAGES)
        with trio.fail_after(SECONDS_MAX + 1):
            asked: object = None
            with trio.move_on_after(limits.HANDSHAKE_S):
                asked = await guest.next()
            if isinstance(asked, Request):
                await guest.answer(asked, lambda *_: True)
        return trio.current_time()

    assert trio.run(run, clock=MockClock(autojump_threshold=0)) <= SECONDS_MAX
    assert line.heard == b"" or line.heard.startswith(b"HTTP/1.1 ")


@given(st.lists(pieces, max_size=8), st.lists(st.integers(1, 50), min_size=1, max_size=10))
def test_how_the_bytes_are_cut_changes_nothing(parts, cuts):
    data = b"".join(parts)

    def outcome(chunks: list[bytes]) -> object:
        exchange = Exchange()
        for chunk in chunks:
            try:
                asked = exchange.feed(chunk)
            except BadRequestError as error:
                return error.status
            if isinstance(asked, Request):
                return asked
            if asked is UPGRADE:
                return UPGRADE
        return None

    chunks, at = [], 0
    while at < len(data):
        size = cuts[len(chunks) % len(cuts)]
        chunks.append(data[at : at + size])
        at += size
    whole = outcome([data] if data else [])
    assert outcome(chunks) == whole
