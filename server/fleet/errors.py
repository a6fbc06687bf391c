"""What a fleet cannot do.

Must not know: fleets.
"""

__all__ = ["MemberError", "NoEngineError"]


class NoEngineError(Exception):
    """There is no engine, and no program on this machine that could be one."""


class MemberError(Exception):
    """A member of the fleet cannot be started; the message is its own."""
