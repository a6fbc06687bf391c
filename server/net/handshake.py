"""The terms of the opening handshake: the subprotocol, and from which web pages one may come.

Cookies play no part (the token is in the first message), so the Origin list only keeps strangers'
pages from using their visitors' addresses. A client that is no browser sends no Origin.

Must not know: streams, sockets.
"""

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from protocol.limits import SUBPROTOCOL

__all__ = ["refusal"]


def refusal(
    *,
    subprotocols: Sequence[str],
    origin: bytes | None,
    host: bytes | None,
    origins: Collection[str],
) -> tuple[int, str] | None:
    """Why a request must be refused, as HTTP status and reason; None if it is welcome.

    `origins` are allowed besides pages from the very `host` that the request names.
    """
    if SUBPROTOCOL not in subprotocols:
        return 400, f"the WebSocket subprotocol {SUBPROTOCOL} is required\n"
    if origin is not None and not _welcome(_text(origin), _text(host), origins):
        return 403, "pages of this origin may not connect\n"
    return None


def _welcome(origin: str, host: str, origins: Collection[str]) -> bool:
    if origin in {allowed.lower() for allowed in origins}:
        return True
    try:
        return bool(host) and urlsplit(origin).netloc == host
    except ValueError:
        return False


def _text(header: bytes | None) -> str:
    return (header or b"").decode("latin-1").lower()
