"""Resume tokens: the session's id and a 128-bit secret.

The gateway makes them and gives them to clients; shards keep their hashes only. A token is shown to
its owner once, in the welcome, and replaced at every resume.
"""

import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import Final

import attrs

__all__ = ["TOKEN_BYTES", "Token", "TokenMaker"]

_SESSION_BYTES: Final = 8
_SECRET_BYTES: Final = 16
TOKEN_BYTES: Final = _SESSION_BYTES + _SECRET_BYTES


@attrs.frozen
class Token:
    """A resume token; its text form never shows the secret."""

    session: int
    secret: bytes = attrs.field(repr=False)

    @property
    def data(self) -> bytes:
        """The token as the client keeps it."""
        return self.session.to_bytes(_SESSION_BYTES, "little") + self.secret

    @property
    def hash(self) -> bytes:
        """SHA-256 of `data`: what shards keep."""
        return sha256(self.data).digest()

    @classmethod
    def parse(cls, data: bytes) -> "Token | None":
        """The token in `data`, None if that is not one."""
        if len(data) != TOKEN_BYTES:
            return None
        session = int.from_bytes(data[:_SESSION_BYTES], "little")
        return cls(session, data[_SESSION_BYTES:]) if session else None


@attrs.frozen
class TokenMaker:
    """Makes sessions and tokens from `random_bytes`; only simulated worlds use another source."""

    random_bytes: Callable[[int], bytes] = secrets.token_bytes

    def new_session(self) -> Token:
        """The first token of a new session, whose id is random and not 0."""
        session = 0
        while not session:
            session = int.from_bytes(self.random_bytes(_SESSION_BYTES), "little")
        return self.next_token(session)

    def next_token(self, session: int) -> Token:
        """The token that replaces the present one of `session`."""
        return Token(session, self.random_bytes(_SECRET_BYTES))
