"""A recording in a real browser: one looks on, and has its buttons in hand."""

import subprocess
from pathlib import Path

import pytest

from server.testing import Sim
from sim.games.lanterns import game
from tests.browser.play import ROOT, SHOAL, Player


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sea") / "sea.shoal"
    sim = Sim(game, shards=(2, 2), seed=3)
    sim.join("Ann")
    sim.tick(200 - sim.ticks)
    sim.record("sim.games.lanterns:game").save(path)
    return path


def test_one_looks_on_and_pauses_and_steps_and_speeds_up(player: Player, recording: Path) -> None:
    command = [*SHOAL, "replay", str(recording), "--port", "0", "--speed", "0.25"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            player.open(process.stdout.readline().split()[-1])
            stats = player.until(lambda stats: stats.get("crc_checks", 0) > 3 and stats["names"])
            assert (stats["playing"], stats["mismatches"]) == (False, 0)
            assert stats["names"] == ["Ann"]
            assert stats["visible"] > 100, "all of the sea"
            page = player.page
            assert page.locator("#door").is_hidden()
            deck = page.locator("#deck")
            deck.get_by_text("0.25x").wait_for()
            player.press("Space")
            deck.get_by_role("button", name="pause or play").get_by_text("play").wait_for()
            page.wait_for_timeout(300)
            before = deck.locator(".place").inner_text()
            player.press(".")
            page.wait_for_function(
                "before => document.querySelector('#deck .place').textContent !== before",
                arg=before,
            )
            assert int(deck.locator(".place").inner_text().split()[-1]) == 1 + int(
                before.split()[-1]
            )
            player.press("k")
            dropped = player.until(lambda stats: bool(stats["notice"]))
            back = player.until(lambda stats: stats["snapshots"] > dropped["snapshots"] + 10)
            assert back["notice"] == "", "one looks on again"
            assert back["visible"] > 100
            for _ in range(5):
                deck.get_by_role("button", name="faster").click()
                page.wait_for_timeout(200)
            deck.get_by_text("8x").wait_for()
            player.press("Space")
            deck.get_by_text("the end").wait_for(timeout=30_000)
            page.close()
        finally:
            process.kill()
