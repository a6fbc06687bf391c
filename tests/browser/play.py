"""A player in a browser, for tests: keys in, the page's own figures out."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SHOAL = [sys.executable, "-c", "from server.cli import main; main()"]
ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 20.0
POLL_S = 0.02
END_S = 15.0

Stats = dict[str, Any]


def do_without(reason: str) -> None:
    """Skip, or fail where nothing may be skipped."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def chromium() -> str:
    """The browser of this machine."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        do_without("the page is tested in Chromium (`apt install chromium`), which is not here")
    assert found is not None
    return found


@contextmanager
def demo(*flags: str, game: str | None = None) -> Iterator[str]:
    """A running `shoal demo`; gives the address of its page. It must end well."""
    argv = [*SHOAL, "demo", *([game] if game else [])]
    argv += ["--port", "0", "--no-open", *flags]
    with subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said: list[str] = []
        try:
            line = process.stdout.readline()
            found = re.match(r"Play in a browser: (http://\S+/)$", line.strip())
            assert found, line + process.stderr.read()
            readers = [
                threading.Thread(target=said.extend, args=(pipe,), daemon=True)
                for pipe in (process.stdout, process.stderr)
            ]
            for reader in readers:
                reader.start()
            yield found[1]
            process.send_signal(signal.SIGINT)
            assert process.wait(END_S) == 0, "".join(said)
        finally:
            process.kill()
        for reader in readers:
            reader.join(END_S)
        assert not any("Traceback" in line for line in said), "".join(said)


class Player:
    """One page on which somebody plays."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def open(self, url: str, name: str | None = None) -> float:
        """Load the page; gives in how many seconds one plays (0 with no name)."""
        began = time.monotonic()
        self.page.goto(url if name is None else f"{url}?name={name}")
        if name is None:
            return 0.0
        self.until(lambda stats: stats["playing"])
        return time.monotonic() - began

    def stats(self) -> Stats:
        """The page's figures; {"playing": False} while it does not play."""
        told: Stats | None = self.page.evaluate("window.shoalDemo?.stats()")
        return told or {"playing": False}

    def until(self, holds: Callable[[Stats], bool], seconds: float = PATIENCE_S) -> Stats:
        """Wait until something holds of the figures."""
        ends = time.monotonic() + seconds
        while True:
            stats = self.stats()
            if holds(stats):
                return stats
            assert time.monotonic() < ends, f"in vain for {seconds:g} s: {stats}"
            self.page.wait_for_timeout(POLL_S * 1000)

    @contextmanager
    def holding(self, key: str) -> Iterator[None]:
        """A key that is held down."""
        self.page.keyboard.down(key)
        try:
            yield
        finally:
            self.page.keyboard.up(key)

    def press(self, *keys: str) -> None:
        """Keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def pixels(self) -> list[int]:
        """How bright the sea is, at places evenly over the canvas: 0 to 255 each."""
        script = """() => {
          const sea = document.getElementById("sea");
          const { data } = sea.getContext("2d").getImageData(0, 0, sea.width, sea.height);
          const all = [];
          for (let at = 0; at < data.length; at += 4 * 997) all.push(data[at + 1]);
          return all;
        }"""
        values: list[int] = self.page.evaluate(script)
        return values
