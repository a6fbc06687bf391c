"""Visitors of the demo's page may have more bots, within bounds."""

import pytest
import trio

from server.crowd import BOTS_AT_ONCE_MAX, Crowd
from server.net.pages import Pages
from server.net.request import Request


async def test_more_bots_are_taken_up_to_the_bound(autojump_clock):
    crowd = Crowd(count=50, count_max=200)
    assert crowd.wish({"count": 100}) == (202, {"bots": 150, "bots_max": 200})
    assert crowd.wish({"count": 100}) == (202, {"bots": 200, "bots_max": 200}), "what fits"
    status, told = crowd.wish({"count": 1})
    assert (status, crowd.count) == (429, 200)
    assert "200" in told["error"]


@pytest.mark.parametrize(
    "wish",
    [
        {},
        *({"count": n} for n in (0, -1, BOTS_AT_ONCE_MAX + 1, 10**300)),
        *({"count": n} for n in ("9", True, 1.0, None, [1])),
    ],
)
async def test_any_other_wish_is_refused(autojump_clock, wish):
    crowd = Crowd(count=50, count_max=200)
    assert crowd.wish(wish)[0] == 400
    assert crowd.count == 50


async def test_wishes_come_at_a_bounded_rate(autojump_clock):
    crowd = Crowd(count=0, count_max=1000)
    assert [crowd.wish({"count": 1})[0] for _ in range(5)] == [202, 202, 202, 429, 429]
    await trio.sleep(1.1)
    assert crowd.wish({"count": 1})[0] == 202
    assert crowd.count == 4


async def test_only_the_page_may_wish(autojump_clock):
    crowd = Crowd(count=0, count_max=10)
    pages = Pages({}, {"/demo/bots": crowd.action})
    host, kind = (b"host", b"127.0.0.1:1"), (b"content-type", b"application/json")

    def post(*headers: tuple[bytes, bytes]) -> int:
        return pages.answer(Request("POST", "/demo/bots", headers, b'{"count": 5}')).status

    assert post(host, kind, (b"origin", b"http://evil.example")) == 403
    assert post(host, kind) == 403
    assert crowd.count == 0
    assert post(host, kind, (b"origin", b"http://127.0.0.1:1")) == 202
    assert crowd.count == 5
