"""A page request and its reply, as plain data.

Must not know: HTTP's syntax, connections, files.
"""

from http import HTTPStatus

import attrs

__all__ = ["BadRequestError", "Reply", "Request", "plain"]


class BadRequestError(Exception):
    """What came is no request that is answered here; `status` is the HTTP status to say so with."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@attrs.frozen
class Request:
    """What a browser asks for. `target` as it was written; names of headers in lower case."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: bytes) -> str | None:
        """The value of header `name` (lower case), several joined by commas; None without one."""
        values = [value for key, value in self.headers if key == name]
        return b", ".join(values).decode("latin-1") if values else None


@attrs.frozen
class Reply:
    """The answer. Content-Length is not among `headers`: it follows from `body`."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def plain(status: int, reason: str = "", *headers: tuple[str, str]) -> Reply:
    """A reply of one line of text; without `reason`, what HTTP calls the status."""
    text = f"{reason or HTTPStatus(status).phrase}\n"
    said = ("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")
    return Reply(status, (*said, *headers), text.encode())
