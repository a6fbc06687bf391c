"""Takes the pictures of the page for the README: the sea, and two ways to see it over a bad link.

python -m tests.browser.picture docs
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.play import Player, Stats, chromium, demo

PATIENCE_S = 60
VIEWPORT = {"width": 1360, "height": 820}


def is_lively(stats: Stats) -> bool:
    """There is somebody to see, and much."""
    return bool(len(stats["names"]) > 2 and stats["visible"] > 24)


def take(folder: Path) -> None:
    """Swim until there is something to see; then simulate a bad link, and split the view."""
    with demo("--bots", "30", "--seed", "4") as url, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        player = Player(browser.new_page(viewport=VIEWPORT))
        player.open(url, "Ann")
        with player.holding("s" if player.stats()["y"] < 512 else "w"):
            player.until(lambda stats: abs(stats["y"] - 512) < 60)
        player.press("n", "p")
        with player.holding("d" if player.stats()["x"] < 1024 else "a"):
            player.until(is_lively, PATIENCE_S)
        player.page.wait_for_timeout(700)
        player.page.screenshot(path=folder / "sea.png")
        player.press("n", "p", "v", "t")
        player.page.get_by_label("preset").select_option("average")
        player.until(lambda stats: stats["round_trip_ms"] > 95)
        with player.holding("a"):
            player.until(is_lively, PATIENCE_S)
            player.page.wait_for_timeout(500)
            player.page.screenshot(path=folder / "netcode.png")
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]))
