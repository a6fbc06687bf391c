"""A window without a screen."""

import pytest


@pytest.fixture(autouse=True)
def without_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """SDL draws into memory only."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
