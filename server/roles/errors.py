"""What a role cannot do.

Must not know: roles.
"""

__all__ = ["NoWorldError"]


class NoWorldError(Exception):
    """There is an engine, and nobody on it runs the world."""
