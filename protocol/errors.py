"""Blame is in the type: `LocalProtocolError` is our own doing, `RemoteProtocolError` the peer's.

Close codes are those that a WebSocket is closed with; `protocol/SPEC.md` tells clients what to do
on each.
"""

from enum import IntEnum

__all__ = ["CloseCode", "LocalProtocolError", "ProtocolError", "RemoteProtocolError"]


class CloseCode(IntEnum):
    """Why a link ends."""

    LEAVING = 1001
    POLICY = 1008
    TOO_BIG = 1009
    CRASH = 1011
    RESTART = 1012
    FULL = 1013
    BAD_MESSAGE = 4400
    AUTH = 4401
    KICKED = 4403
    HELLO_TIMEOUT = 4408
    TAKEN_OVER = 4409
    VERSION = 4426
    RATE = 4429


class ProtocolError(Exception):
    """Somebody broke the protocol."""


class LocalProtocolError(ProtocolError):
    """We tried to send what the protocol forbids: a bug on this side."""


class RemoteProtocolError(ProtocolError):
    """The peer sent what the protocol forbids; `code` is what to close the link with."""

    def __init__(self, reason: str, code: CloseCode = CloseCode.BAD_MESSAGE) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
