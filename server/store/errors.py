"""What a store cannot do.

Must not know: how anything is stored.
"""

from server.cluster.seams import JournalError

__all__ = ["StoreBroken", "StoreDamaged", "StoreFull"]


class StoreDamaged(JournalError):  # noqa: N818 - reads as the fact that it is
    """What was durable is not there, or not what was written; the message says what and where."""


class StoreFull(JournalError):  # noqa: N818 - as above
    """The disk takes no more. Nothing was written; the same may be tried again."""


class StoreBroken(JournalError):  # noqa: N818 - as above
    """The disk failed to make something durable: nothing may be promised any more.

    After a failed sync nobody knows what reached the disk, so the process has to end and recover.
    """
