"""What is served is what lies in the folder, and nothing that a request says changes that."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.net import limits
from server.net.action import Action
from server.net.pages import File, Pages, PagesError, read_folder
from server.net.request import Reply, Request

HERE = (b"host", b"127.0.0.1:8642")
JSON = (b"content-type", b"application/json")
ORIGIN = (b"origin", b"http://127.0.0.1:8642")
SAME = (b"sec-fetch-site", b"same-origin")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page with a secret beside it, and links that lead there."""
    (tmp_path / "secret.json").write_text("{}")
    web = tmp_path / "web"
    (web / "shoal").mkdir(parents=True)
    (web / ".git").mkdir()
    (web / "index.html").write_text("<!doctype html><title>x</title>")
    (web / "shoal" / "cbor.js").write_text("export const a = 1;")
    (web / "sea.css").write_text("body{}")
    (web / "fish.svg").write_text("<svg/>")
    (web / "fish.png").write_bytes(b"\x88PNG")
    (web / "package.json").write_text("{}")
    (web / "notes.txt").write_text("unknown kinds are not served")
    (web / ".hidden.js").write_text("")
    (web / ".git" / "config.json").write_text("")
    (web / "link.json").symlink_to(tmp_path / "secret.json")
    (web / "out").symlink_to(tmp_path)
    return web


@pytest.fixture
def pages(folder: Path) -> Pages:
    return Pages(read_folder(folder))


def get(pages: Pages, target: str, *headers: tuple[bytes, bytes], method: str = "GET") -> Reply:
    return pages.answer(Request(method, target, (HERE, *headers)))


def named(reply: Reply, name: str) -> str | None:
    return dict(reply.headers).get(name)


def test_exactly_the_known_kinds_of_files_are_served(folder):
    assert set(read_folder(folder)) == {
        "/",
        "/index.html",
        "/shoal/cbor.js",
        "/sea.css",
        "/fish.svg",
        "/fish.png",
        "/package.json",
    }


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/shoal/cbor.js", "text/javascript; charset=utf-8"),
        ("/sea.css", "text/css; charset=utf-8"),
        ("/fish.svg", "image/svg+xml"),
        ("/fish.png", "image/png"),
        ("/package.json", "application/json"),
    ],
)
def test_a_file_says_what_it_is(pages, path, content_type):
    reply = get(pages, path + "?v=3")
    assert reply.status == 200
    assert named(reply, "Content-Type") == content_type
    assert named(reply, "X-Content-Type-Options") == "nosniff"


@pytest.mark.parametrize(
    "target",
    [
        "/../secret.json",
        "/shoal/../../secret.json",
        "/%2e%2e/secret.json",
        "/..%2fsecret.json",
        "//secret.json",
        "/shoal//cbor.js",
        "/shoal/./cbor.js",
        "/out/secret.json",
        "/link.json",
        "/.hidden.js",
        "/.git/config.json",
        "/shoal",
        "/shoal/",
        "/index.html/",
        "/index.html\\",
        "index.html",
        "",
        "*",
        "http://127.0.0.1:8642/",
        "/INDEX.HTML",
    ],
)
def test_no_path_leads_anywhere_else(pages, target):
    assert get(pages, target).status == 404


@given(st.text(max_size=40), st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "x"]))
def test_any_target_gets_a_listed_file_or_a_refusal(target, method):
    files = {"/": File(b"x", "text/html", '"x"')}
    reply = get(Pages(files), target, method=method)
    assert reply.status in {200, 404, 405}
    assert (reply.status == 200) <= (target.partition("?")[0] == "/")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get"])
def test_files_are_only_read(pages, method):
    reply = get(pages, "/", method=method)
    assert reply.status == 405
    assert named(reply, "Allow") == "GET, HEAD"


def test_a_browser_that_has_the_very_bytes_is_told_so(folder, pages):
    etag = named(get(pages, "/"), "ETag")
    assert etag is not None
    for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        reply = get(pages, "/", (b"if-none-match", held.encode()))
        assert (reply.status, reply.body) == (304, b"")
        assert named(reply, "ETag") == etag
    assert get(pages, "/", (b"if-none-match", b'"other"')).status == 200
    (folder / "index.html").write_text("changed")
    assert get(pages, "/").body != b"changed", "read once, at the start"
    assert get(Pages(read_folder(folder)), "/", (b"if-none-match", etag.encode())).status == 200


def test_nothing_may_be_inline_or_come_from_elsewhere(pages):
    for target in ("/", "/nothing"):
        policy = named(get(pages, target), "Content-Security-Policy")
        assert policy is not None
        rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
        assert rules == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self'",
            "connect-src": "'self' ws://127.0.0.1:8642 wss://127.0.0.1:8642",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": "'none'",
        }
        assert named(get(pages, target), "Referrer-Policy") == "no-referrer"
        assert named(get(pages, target), "Cross-Origin-Opener-Policy") == "same-origin"


@pytest.mark.parametrize(
    "host", [b"x; script-src *", b"x y", b"x,y", b"*", b"", b"a'b", b"[::1", b"x:1:2", b"\xff"]
)
def test_a_host_that_is_none_does_not_get_into_the_policy(pages, host):
    reply = pages.answer(Request("GET", "/", ((b"host", host),)))
    assert "connect-src 'self';" in (named(reply, "Content-Security-Policy") or "")


def test_a_folder_without_an_index_or_with_too_much_is_refused(tmp_path, folder, monkeypatch):
    with pytest.raises(PagesError, match=r"index\.html"):
        read_folder(tmp_path / "nowhere")
    monkeypatch.setattr(limits, "PAGE_BYTES", 20)
    with pytest.raises(PagesError, match="more than"):
        read_folder(folder)


class Bell:
    """Rings when it is asked to."""

    def __init__(self) -> None:
        self.rung: list[object] = []
        action = Action(tell=lambda: {"rung": len(self.rung)}, act=self._ring)
        self.pages = Pages({}, {"/bell": action}, origins=("https://play.example.org",))

    def _ring(self, wish: dict[str, object]) -> tuple[int, dict[str, object]]:
        self.rung.append(wish)
        return 202, {"rung": len(self.rung)}

    def post(self, *headers: tuple[bytes, bytes], body: bytes = b'{"n":1}') -> Reply:
        return self.pages.answer(Request("POST", "/bell", headers, body))


def test_the_page_itself_may_act():
    bell = Bell()
    reply = bell.post(HERE, ORIGIN, JSON, SAME)
    assert (reply.status, json.loads(reply.body)) == (202, {"rung": 1})
    assert bell.post(HERE, ORIGIN, JSON).status == 202, "where browsers do not say what site it is"
    assert bell.rung == [{"n": 1}] * 2
    reply = bell.pages.answer(Request("GET", "/bell", (HERE,)))
    assert (reply.status, json.loads(reply.body)) == (200, {"rung": 2})
    assert bell.pages.answer(Request("PUT", "/bell", (HERE, ORIGIN, JSON))).status == 405


@pytest.mark.parametrize(
    "headers",
    [
        (HERE, JSON),
        (HERE, JSON, (b"origin", b"null")),
        (HERE, JSON, (b"origin", b"http://evil.example")),
        (HERE, JSON, (b"origin", b"http://127.0.0.1:8643")),
        (HERE, JSON, (b"origin", b"ftp://127.0.0.1:8642")),
        (HERE, JSON, ORIGIN, ORIGIN),
        (JSON, ORIGIN),
        (JSON, (b"origin", b"http://")),
        (HERE, JSON, ORIGIN, (b"sec-fetch-site", b"cross-site")),
        (HERE, JSON, ORIGIN, (b"sec-fetch-site", b"same-site")),
        (HERE, JSON, ORIGIN, (b"sec-fetch-site", b"none")),
        # A name that its owner has pointed here: the page is his, and so is the origin.
        (JSON, (b"host", b"evil.example:8642"), (b"origin", b"http://evil.example:8642")),
    ],
)
def test_nobody_elses_page_may_act(headers):
    bell = Bell()
    reply = bell.post(*headers)
    assert reply.status == 403
    assert reply.body
    assert bell.rung == []


def test_a_page_of_a_named_origin_may_act():
    bell = Bell()
    origin = (b"origin", b"https://play.example.org")
    assert bell.post((b"host", b"play.example.org"), origin, JSON).status == 202


@pytest.mark.parametrize(
    "kind", [b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data", b""]
)
def test_what_a_form_can_send_does_nothing(kind):
    bell = Bell()
    assert bell.post(HERE, ORIGIN, (b"content-type", kind)).status == 415
    assert bell.post(HERE, ORIGIN).status == 415
    assert bell.rung == []


@given(st.binary(max_size=limits.BODY_BYTES) | st.just(b"[" * limits.BODY_BYTES))
def test_any_body_is_an_object_or_refused(body):
    bell = Bell()
    status = bell.post(HERE, ORIGIN, JSON, body=body).status
    assert status in {202, 400}
    assert (status == 202) == bool(bell.rung)
