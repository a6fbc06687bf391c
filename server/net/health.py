"""What load balancers and orchestrators ask over plain HTTP: whether the process lives, and whether
new clients should be sent to it.

`/healthz` is answered 200 as long as anything is answered at all. `/readyz` is 200 when nothing
speaks against new clients, else 503 with the reason in one line. Both cost a table look-up and a
few comparisons. Where there are numbers for monitoring, `/metrics` tells them.

Must not know: connections, HTTP's syntax, what is checked.
"""

from collections.abc import Callable
from typing import Final

from server.net.request import Reply, Request, plain

__all__ = ["ALIVE", "METRICS", "READY", "Check", "Health", "Read"]

ALIVE: Final = "/healthz"
READY: Final = "/readyz"
METRICS: Final = "/metrics"

Check = Callable[[], str | None]
"""Why no new clients should come, None when they may. It must not wait or raise."""

Read = Callable[[], tuple[str, bytes]]
"""A media type, and the numbers as text of that type."""


class Health:
    """Answers for one process. It is not ready before it is given something to `watch`."""

    def __init__(self) -> None:
        self._check: Check = _starting
        self._read: Read | None = None

    def watch(self, *checks: Check) -> None:
        """Be ready from now on when all of `checks` are well; the first that is not is told."""

        def check() -> str | None:
            return next(filter(None, (each() for each in checks)), None)

        self._check = check

    def measure(self, read: Read) -> None:
        """Tell from now on at `/metrics` what `read` gives. Not where players may ask."""
        self._read = read

    def concerns(self, request: Request) -> bool:
        """Whether it is a question for this."""
        if request.path == METRICS:
            return self._read is not None
        return request.path in {ALIVE, READY}

    def answer(self, request: Request) -> Reply:
        """The reply to a request that concerns this."""
        if request.method not in {"GET", "HEAD"}:
            return plain(405, "", ("Allow", "GET, HEAD"))
        if request.path == METRICS and self._read is not None:
            media_type, text = self._read()
            return Reply(200, (("Content-Type", media_type), ("Cache-Control", "no-store")), text)
        problem = self._check() if request.path == READY else None
        return plain(200, "ok") if problem is None else plain(503, problem)


def _starting() -> str | None:
    return "starting"
