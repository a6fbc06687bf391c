"""The page is found where it is installed, has an address for browsers, and is in the wheel."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from server import page
from server.net.action import Action
from server.net.pages import PagesError
from server.net.request import Request
from server.settings import Settings

ROOT = Path(__file__).parents[2]
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
ENTRY = metadata.EntryPoint("demo", DECLARED[page.GROUP]["demo"], page.GROUP)


def install(monkeypatch, *entries: metadata.EntryPoint) -> None:
    monkeypatch.setattr(page, "entry_points", lambda group: entries if group == page.GROUP else ())


def test_the_installed_page_is_served_with_what_it_may_ask_for(monkeypatch):
    install(monkeypatch, ENTRY)
    action = Action(tell=lambda: {"n": 1}, act=lambda _: (202, {}))
    pages = page.load_pages(Settings(), {"/demo/bots": action})
    assert pages.answer(Request("GET", "/")).body.startswith(b"<!doctype html>")
    assert pages.answer(Request("GET", "/demo/bots")).body == b'{"n": 1}'


def test_the_page_is_declared_where_it_is_looked_for():
    (entry,) = metadata.entry_points(group=page.GROUP)
    assert entry.value == ENTRY.value, "what is installed is older than this checkout: make develop"


def test_a_page_that_is_not_there_or_not_alone_is_named(monkeypatch):
    install(monkeypatch)
    with pytest.raises(PagesError, match="there is none"):
        page.load_pages(Settings())
    install(monkeypatch, ENTRY, metadata.EntryPoint("other", "other.page:folder", page.GROUP))
    with pytest.raises(PagesError, match=r"client_demo.*other\.page"):
        page.load_pages(Settings())


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8642/"),
        ("localhost", "http://localhost:8642/"),
        ("0.0.0.0", "http://127.0.0.1:8642/"),
        ("192.0.2.1", "http://192.0.2.1:8642/"),
        ("::1", "http://[::1]:8642/"),
        ("::", "http://[::1]:8642/"),
    ],
)
def test_the_page_has_an_address_that_a_browser_on_this_machine_can_open(host, url):
    assert page.page_url(host, 8642) == url


def test_the_wheel_contains_every_file_of_the_page():
    web = ENTRY.load()()
    listed = {
        Path(file.distribution_path) for file in WheelBuilder(str(ROOT)).recurse_included_files()
    }
    files = {path.relative_to(ROOT) for path in web.rglob("*") if path.is_file()}
    assert Path("client_demo/web/index.html") in files
    assert files <= listed


def test_all_modules_of_the_page_are_asked_for_at_once():
    """Each level of imports would cost a stranger another round trip."""
    web = ENTRY.load()()
    page = (web / "index.html").read_text()
    asked = re.findall(r'<link rel="modulepreload" href="([^"]+)">', page)
    there = [path.relative_to(web).as_posix() for path in web.rglob("*.js")]
    assert sorted(asked) == sorted(there), "a module is found late, or is gone"


def test_nothing_on_the_page_is_inline():
    """The policy that it is served with would not let it."""
    for path in ENTRY.load()().rglob("*.html"):
        text = path.read_text().lower()
        assert "<style" not in text
        assert " style=" not in text
        assert "<script>" not in text
        assert " onclick=" not in text
        assert "http://" not in text
        assert "javascript:" not in text
