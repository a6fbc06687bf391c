"""What comes back from the game's own port over plain HTTP: to browsers the files of one folder and
a few actions, to load balancers how the server does.

The folder is listed and read once, at the start. From then on a path is only a key of a table, so
no request can lead out of it; and nothing waits for a disk while a world ticks.

Must not know: connections, HTTP's syntax, what is on the pages.
"""

import os
import re
from collections.abc import Collection, Mapping
from copy import copy
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote

import attrs

from server.net import limits
from server.net.action import Action, stranger
from server.net.health import Health
from server.net.request import Reply, Request, plain

__all__ = ["File", "Pages", "PagesError", "read_folder"]

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}
INDEX: Final = "index.html"
ACTIONS: Final = "/actions"  # where the page learns which it may use: asking in vain is an error

# Nothing inline, nothing from elsewhere, in no frame. Not every browser takes 'self' for the
# WebSocket of the same origin, so its addresses are named.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_GUARDS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_HOST: Final = re.compile(r"[\w.-]{1,255}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?", re.ASCII)


class PagesError(Exception):
    """A folder cannot be served; the message says why."""


@attrs.frozen
class File:
    """One file: its bytes, what they are, and a name for just these bytes."""

    body: bytes
    content_type: str
    etag: str


def read_folder(folder: Path) -> dict[str, File]:
    """Every file in `folder` whose kind is known, by the path that a browser asks for.

    Hidden files and links are left out. Raises PagesError when there is no index.html, or more
    than the bounds allow.
    """
    files: dict[str, File] = {}
    total = 0
    for path in _listing(folder):
        body = path.read_bytes()
        total += len(body)
        if len(files) >= limits.PAGE_FILES or total > limits.PAGE_BYTES:
            raise PagesError(f"page: {str(folder)!r} holds more than a page may")
        url = "/" + quote(path.relative_to(folder).as_posix())
        files[url] = File(body, TYPES[path.suffix], f'"{sha256(body).hexdigest()[:32]}"')
        if path.name == INDEX:
            files[url.removesuffix(INDEX)] = files[url]
    if "/" not in files:
        raise PagesError(f"page: there is no {INDEX} in {str(folder)!r}")
    return files


class Pages:
    """Answers requests: GET and HEAD for `files`, for `actions` what they do, and for `health`. The
    actions' paths are told at `ACTIONS`.

    `origins`: pages of these may use the actions besides those that came from here.
    """

    def __init__(
        self,
        files: Mapping[str, File],
        actions: Mapping[str, Action] | None = None,
        origins: Collection[str] = (),
        health: Health | None = None,
    ) -> None:
        self._files = files
        self._health = health
        told = {"actions": sorted(actions or {})}
        listing = Action(tell=lambda: told, act=lambda _: (405, told))
        self._actions = {ACTIONS: listing, **(actions or {})}
        self._origins = origins

    def with_health(self, health: Health) -> "Pages":
        """The same, and `health`."""
        pages = copy(self)
        pages._health = health  # noqa: SLF001 - it is one of these
        return pages

    def probes(self, request: Request) -> bool:
        """Whether it is asked how the server does."""
        return self._health is not None and self._health.concerns(request)

    def answer(self, request: Request) -> Reply:
        """The reply to any request at all."""
        return guarded(self._answer(request), request.header(b"host"))

    def _answer(self, request: Request) -> Reply:
        if self._health is not None and self._health.concerns(request):
            return self._health.answer(request)
        action = self._actions.get(request.path)
        if action is not None:
            refusal = stranger(request, self._origins) if request.method == "POST" else None
            return plain(403, refusal) if refusal else action.answer(request)
        file = self._files.get(request.path)
        if file is None:
            return plain(404)
        if request.method not in {"GET", "HEAD"}:
            return plain(405, "", ("Allow", "GET, HEAD"))
        named = ("ETag", file.etag), ("Cache-Control", "no-cache")  # ask each time, with the tag
        if _holds(request.header(b"if-none-match"), file.etag):
            return Reply(304, named)
        return Reply(200, (("Content-Type", file.content_type), *named), file.body)


def guarded(reply: Reply, host: str | None) -> Reply:
    """`reply` with the headers that keep a browser from doing more than the page needs."""
    # What a client wrote gets into a header here, so it must be a host and nothing else.
    known = host is not None and _HOST.fullmatch(host) is not None
    policy = _POLICY.format(sockets=f" ws://{host} wss://{host}" if known else "")
    headers = (*reply.headers, *_GUARDS, ("Content-Security-Policy", policy))
    return attrs.evolve(reply, headers=headers)


def _holds(if_none_match: str | None, etag: str) -> bool:
    """Whether the browser has just these bytes."""
    tags = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    return bool(tags & {etag, "*"})


def _listing(folder: Path) -> list[Path]:
    found = []
    for parent, folders, names in os.walk(folder):  # which follows no links
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(parent, name) for name in sorted(names) if not name.startswith(".")]
    return [path for path in found if path.suffix in TYPES and not path.is_symlink()]
