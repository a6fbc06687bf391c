"""Opening an address in the browser of whoever sits before this machine, if somebody does."""

import os
import sys
from collections.abc import Mapping
from subprocess import DEVNULL

import trio

__all__ = ["has_display", "open_in_browser"]

OPEN_S = 20.0  # a browser that starts anew takes its time; nothing waits for it


def has_display(platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a browser's window could be seen."""
    if platform in {"darwin", "win32"}:
        return "SSH_CONNECTION" not in environment
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


async def open_in_browser(url: str) -> None:
    """Ask for a window with `url`. If there is no browser, nothing happens.

    The standard library's webbrowser runs in a process without input or output of ours: what
    browsers say would get into the map, and a browser for terminals must not take this one.
    """
    command = [sys.executable, "-m", "webbrowser", url]
    with trio.move_on_after(OPEN_S):
        await trio.run_process(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, check=False)
