"""A window is opened only where somebody could see it, and a browser's chatter stays away."""

import sys

import pytest

from server.browser import has_display, open_in_browser


@pytest.mark.parametrize(
    ("platform", "environment", "seen"),
    [
        ("linux", {}, False),
        ("linux", {"DISPLAY": ""}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("darwin", {}, True),
        ("darwin", {"SSH_CONNECTION": "192.0.2.1 22"}, False),
    ],
)
def test_a_display_is_where_one_is_named(platform, environment, seen):
    assert has_display(platform, environment) is seen


async def test_the_browser_of_the_environment_is_asked_and_says_nothing(
    tmp_path, monkeypatch, capfd
):
    browser = tmp_path / "browser"
    seen = tmp_path / "url"
    browser.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"print('chatter')\nopen({str(seen)!r}, 'w').write(sys.argv[1])\n"
    )
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    await open_in_browser("http://127.0.0.1:1/")
    assert seen.read_text() == "http://127.0.0.1:1/"
    assert capfd.readouterr() == ("", "")
