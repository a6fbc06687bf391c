"""Getting hold of the addresses to listen on, with errors that a person can act on."""

import errno
import os
import socket
from typing import Any, Final

import trio

from server.net import limits

__all__ = ["ListenError", "authority", "bind"]

# A name may stand for IPv4 and IPv6 addresses of which this machine has only the ones.
_ABSENT: Final = frozenset((errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL))


class ListenError(Exception):
    """The server cannot listen where it was told to; the message says why and what to do."""


async def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets for every address of `host`, all on one port; port 0 finds a free one.

    Raises ListenError.
    """
    try:
        found = await trio.socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError):
        raise ListenError(f"{host!r} is not an address of this machine") from None
    listeners: list[socket.socket] = []
    absent = None
    for family, _, _, _, address in found:
        try:
            listeners.append(_listener(family, address, listeners))
        except OSError as error:
            if error.errno in _ABSENT:
                absent = error
                continue
            close_all(listeners)
            raise ListenError(_explain(error, host, port)) from None
    if not listeners:
        assert absent is not None, "a name without addresses does not resolve"
        raise ListenError(_explain(absent, host, port))
    return listeners


def close_all(listeners: list[socket.socket]) -> None:
    """Let go of listening sockets; those that are closed already are left alone."""
    for listener in listeners:
        if listener.fileno() >= 0:
            trio.lowlevel.notify_closing(listener.fileno())
            listener.close()


def authority(host: str, port: int) -> str:
    """Host and port as an address bar has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _listener(family: int, address: Any, others: list[socket.socket]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)  # noqa: FBT003 - the only way to call it
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Its own family only, whatever the system's default, so that both can be had.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if others and not address[1]:
            address = (address[0], others[0].getsockname()[1], *address[2:])
        listener.bind(address)
        listener.listen(limits.BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _explain(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} of {host} is taken; stop what uses it, or choose another port"
        case errno.EACCES:
            return f"port {port} needs rights that this process lacks; choose one above 1023"
        case errno.EADDRNOTAVAIL:
            return f"{host} is not an address of this machine"
        case number:
            return f"cannot listen on port {port} of {host}: {os.strerror(number or 0)}"
