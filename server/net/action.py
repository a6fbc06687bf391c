"""What the page may ask this server to do, and how it is made sure that it is this page that asks.

A browser sends whatever any page tells it to, also to the reader's own machine. So a POST must name
an origin that is this very server, by a number or as localhost: a name could have been pointed here
by whoever owns it. And it must be JSON, which no form can send and no foreign script without asking
first, and nobody here says yes to that.

Must not know: connections, what actions do.
"""

import json
from collections.abc import Callable, Collection
from ipaddress import ip_address
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import attrs

from server.net.request import Reply, Request, plain

__all__ = ["Action", "Told", "stranger"]

Told: TypeAlias = dict[str, Any]
"""What is said in JSON."""


@attrs.frozen(kw_only=True)
class Action:
    """Something that can be told of (GET) and asked for (POST), in JSON.

    `act` is given the object that was posted, which may hold anything, and returns an HTTP status
    and what to say. Neither may wait or raise.
    """

    tell: Callable[[], Told]
    act: Callable[[Told], tuple[int, Told]]

    def answer(self, request: Request) -> Reply:
        """The reply to a request that may be made."""
        match request.method:
            case "GET" | "HEAD":
                return _json(200, self.tell())
            case "POST":
                return self._post(request)
            case _:
                return plain(405, "", ("Allow", "GET, HEAD, POST"))

    def _post(self, request: Request) -> Reply:
        kind = (request.header(b"content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return plain(415, "this takes application/json")
        try:
            wish = json.loads(request.body)
        except (ValueError, RecursionError):
            wish = None
        if not isinstance(wish, dict):
            return plain(400, "this takes a JSON object")
        return _json(*self.act(wish))


def stranger(request: Request, origins: Collection[str]) -> str | None:
    """Why a request to act does not come from a page of ours; None if it does."""
    origin = (request.header(b"origin") or "").lower()
    if request.header(b"sec-fetch-site") not in {None, "same-origin"}:
        return "only the page itself may ask for this"
    if origin in {allowed.lower() for allowed in origins}:
        return None
    host = (request.header(b"host") or "").lower()
    if not host or origin not in {f"http://{host}", f"https://{host}"}:
        return "only the page itself may ask for this"
    if not _cannot_be_pointed_here(host):
        return "ask by the server's address, or have it started with --origins"
    return None


def _cannot_be_pointed_here(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or bool(ip_address(name))
    except ValueError:
        return False


def _json(status: int, told: Told) -> Reply:
    headers = ("Content-Type", "application/json"), ("Cache-Control", "no-store")
    return Reply(status, headers, json.dumps(told).encode())
