"""Ports of loopback: one that is free, and whether somebody is there.

Must not know: who listens.
"""

import socket
from typing import Final

__all__ = ["free_port", "listens"]

_HOST: Final = "127.0.0.1"


def free_port() -> int:
    """A TCP port of loopback on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody lets connections in there."""
    try:
        with socket.create_connection((_HOST, port), timeout=1):
            return True
    except OSError:
        return False
