"""A stranger's path, in a real browser: the page loads, one plays, crosses a border, comes back."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.browser.play import Player, demo

SOON_S = 3.0
STRANGERS = 3  # another process may take the processor for a while: the soonest counts
JUMP = 64.0  # units: the schema's; nobody moves so far in a frame


@pytest.fixture(scope="module")
def sea() -> Iterator[str]:
    """The address of a sea with few bots in it, cut into eight."""
    with demo("--bots", "6", "--bots-max", "30", "--shards", "4x2") as url:
        yield url


def test_the_page_asks_for_a_name_and_lets_one_in(player: Player, sea: str) -> None:
    player.open(sea)
    page = player.page
    assert page.title().startswith("Lanterns")
    page.get_by_label("Your name").fill("Ann <b>")
    page.keyboard.press("Enter")
    stats = player.until(lambda stats: stats["playing"])
    assert "Ann <b>" in stats["names"], "whatever the name is, it is only a name"
    assert page.locator("#door").is_hidden()
    page.reload()
    page.locator("#door").wait_for()
    assert page.get_by_label("Your name").input_value() == "Ann <b>", "it remembers the name"


def test_one_plays_within_three_seconds(new_player: Callable[..., Player], sea: str) -> None:
    seconds = []
    while len(seconds) < STRANGERS and min(seconds, default=SOON_S) >= SOON_S:
        player = new_player()
        seconds.append(player.open(sea, "Ann"))
    assert min(seconds) < SOON_S
    stats = player.until(lambda stats: stats["crc_checks"] > 5)
    assert stats["mismatches"] == 0
    assert stats["link"] == "none"
    assert len(set(player.pixels())) > 10, "there is something to see"


def test_one_swims_over_a_border(player: Player, sea: str) -> None:
    player.open(sea, "Ann")
    began = player.until(lambda stats: stats["shard"] is not None)
    key = "s" if began["y"] < 512 else "w"
    places: list[tuple[float, float]] = []

    def is_across(stats: dict[str, Any]) -> bool:
        places.append((stats["x"], stats["y"]))
        return bool(stats["shard"] != began["shard"] and abs(stats["y"] - 512) > 8)

    with player.holding(key):
        ended = player.until(is_across, seconds=60)  # a starved machine dilates time
    assert abs(ended["y"] - began["y"]) > 20
    assert ended["entity"] == began["entity"], "it is the same diver"
    steps = [abs(y - before) for (_, before), (_, y) in pairwise(places)]
    assert max(steps) < JUMP, "the border is not felt"
    assert ended["mismatches"] == 0


def test_a_dropped_connection_is_resumed(player: Player, sea: str) -> None:
    player.open(sea, "Ann")
    before = player.until(lambda stats: stats["snapshots"] > 10)
    player.press("k")
    assert player.stats()["notice"], "one is told"
    after = player.until(lambda stats: stats["resumes"] == 1)
    assert after["rejoins"] == 0
    on = player.until(lambda stats: stats["snapshots"] > after["snapshots"] + 10)
    assert on["entity"] == before["entity"]
    assert on["notice"] == ""
    began = on["x"]
    way = "d" if began < 1024 else "a"
    with player.holding(way):
        player.until(lambda stats: abs(stats["x"] - began) > 20)


def test_every_way_to_look_at_it(player: Player, sea: str) -> None:
    player.open(sea, "Ann")
    for mode in (1, 2, 3, 4):
        player.press(str(mode))
        assert player.stats()["mode"] == mode
        frames = player.stats()["frames"]
        player.until(lambda stats, frames=frames: stats["frames"] > frames + 5)
    player.press("v", "c", "g", "t", "r", "h", "Space", "f")
    stats = player.until(lambda stats: stats["split"])
    player.until(lambda later: later["frames"] > stats["frames"] + 30)
    page = player.page
    assert page.locator("#raw").is_visible()
    assert "full screen" in page.locator("#hud .help").inner_text()
    assert page.get_by_role("button", name="server-true positions").get_attribute(
        "aria-pressed"
    ) == ("true")


def test_a_bad_link_is_simulated_and_always_named(player: Player, sea: str) -> None:
    player.open(sea, "Ann")
    page = player.page
    page.get_by_label("preset").select_option("average")
    player.until(lambda stats: stats["round_trip_ms"] > 95)
    assert player.stats()["link"].startswith("average: 100 ms")
    assert "simulated link: average: 100 ms" in page.locator("#hud footer").inner_text()
    page.get_by_label("latency, both ways").fill("300")
    player.until(lambda stats: stats["link"].startswith("custom: 300 ms"))
    page.get_by_label("preset").select_option("off")
    player.until(lambda stats: stats["link"] == "none" and stats["round_trip_ms"] < 90, 30)
    page.keyboard.press("2")
    assert player.stats()["mode"] == 2, "keys steer again after the panel was used"


def test_players_see_each_other(new_player: Callable[..., Player]) -> None:
    with demo("--bots", "0", "--shards", "1x1", game="tests.browser.dense:game") as url:
        ann, bob = new_player(), new_player()
        ann.open(url, "Ann")
        bob.open(url, "Bob")
        ann.until(lambda stats: {"Ann", "Bob"} <= set(stats["names"]))
        bob.until(lambda stats: {"Ann", "Bob"} <= set(stats["names"]))
        bob.page.close()
        ann.until(lambda stats: "Bob" not in stats["names"], 5)
        ann.page.close()


def test_more_bots_are_a_button_away(player: Player, sea: str) -> None:
    player.open(sea, "Ann")
    player.page.get_by_role("button", name="+100 bots").click()
    player.page.get_by_text("30 of 30").wait_for(timeout=20_000)
    player.press("m", "m")
    told = player.page.get_by_text("there are 30 bots, and no more may join")
    told.wait_for(timeout=20_000)


def test_on_a_phone_a_thumb_swims(new_player: Callable[..., Player], sea: str) -> None:
    phone = new_player(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    phone.open(sea, "Ann")
    began = phone.stats()["x"]
    way = 60 if began < 1024 else -60
    touches = phone.page.context.new_cdp_session(phone.page)

    def touch(kind: str, *points: dict[str, int]) -> None:
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    touch("touchStart", {"x": 90, "y": 600})
    touch("touchMove", {"x": 90 + way, "y": 600})
    phone.until(lambda stats: abs(stats["x"] - began) > 20)
    touch("touchEnd")
    assert phone.page.get_by_role("button", name="flare").is_visible()
    preset = phone.page.get_by_label("preset")
    assert preset.is_hidden(), "the panel would cover the sea"
    phone.page.get_by_role("button", name="netcode").click()
    preset.select_option("poor")
    phone.until(lambda stats: stats["link"].startswith("poor"))
