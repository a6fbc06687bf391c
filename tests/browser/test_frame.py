"""What a frame costs with 300 bodies to see: sixty a second, even where a processor draws it all.

Another process may take the processor for a while, so the best of some windows counts. Prints the
figures: `python -m pytest tests/browser/test_frame.py -rP`.
"""

from tests.browser.play import Player, Stats, demo

BODIES = 300
WINDOW = 320  # frames; the page's figures are over its last 300
WINDOWS = 5
FRAME_MS = 1000 / 60 + 0.5  # clocks of browsers are coarse
SCRIPT_MS = 4.0


def window(player: Player) -> Stats:
    """The figures of the next frames."""
    frames = player.stats()["frames"]
    return player.until(lambda stats: stats["frames"] > frames + WINDOW, 30)


def is_smooth(stats: Stats) -> bool:
    return bool(stats["frame_ms_p95"] < FRAME_MS or stats["script_ms_p95"] < SCRIPT_MS)


def test_a_frame_of_three_hundred_bodies_is_cheap(player: Player) -> None:
    figures = ("frame_ms_p50", "frame_ms_p95", "script_ms_p50", "script_ms_p95")
    with demo("--bots", "0", "--shards", "1x1", game="tests.browser.dense:game") as url:
        player.open(url, "Ann")
        player.until(lambda stats: stats["visible"] >= BODIES)
        seen = []
        while len(seen) < WINDOWS and not any(is_smooth(stats) for stats in seen):
            seen.append(window(player))
            print({name: round(seen[-1][name], 2) for name in ("visible", *figures)})
        player.page.close()
    assert any(is_smooth(stats) for stats in seen)
    assert min(stats["script_ms_p50"] for stats in seen) < SCRIPT_MS
