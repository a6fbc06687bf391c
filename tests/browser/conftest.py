"""A browser for the tests of the page. What it complains about fails the test that caused it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.play import Player, chromium, do_without

try:
    from playwright.sync_api import sync_playwright
except ImportError:
    sync_playwright = None

VIEWPORT = {"width": 1280, "height": 800}


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    if sync_playwright is None:
        do_without("the page is tested with Playwright: pip install 'shoal[browser]'")
    path = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()


@pytest.fixture
def new_player(browser: Any) -> Iterator[Callable[..., Player]]:
    """Makes players, each in a browser of its own; no page may complain of anything."""
    contexts = []
    complaints: list[str] = []

    def note_message(message: Any) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text} at {message.location}")

    def note_request(request: Any) -> None:
        if request.failure != "net::ERR_ABORTED":  # who leaves a page waits for nothing any more
            complaints.append(f"failed: {request.url}: {request.failure}")

    def make(**options: Any) -> Player:
        context = browser.new_context(**{"viewport": VIEWPORT, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", note_message)
        page.on("pageerror", lambda error: complaints.append(f"thrown: {error}"))
        page.on("requestfailed", note_request)
        return Player(page)

    yield make
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def player(new_player: Callable[..., Player]) -> Player:
    """One player."""
    return new_player()
