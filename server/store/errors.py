"""What a store cannot do.

Must not know: how anything is stored.
"""

from server.cluster.seams import JournalError, JournalUnavailable

__all__ = ["StoreBroken", "StoreBusy", "StoreDamaged", "StoreFull", "StoreMismatch"]


class StoreDamaged(JournalError):  # noqa: N818 - reads as the fact that it is
    """What was durable is not there, or not what was written; the message says what and where."""


class StoreFull(JournalUnavailable):
    """The disk takes no more. Nothing was written; the same may be tried again."""


class StoreBroken(JournalError):  # noqa: N818 - as above
    """The disk failed to make something durable: nothing may be promised any more.

    After a failed sync nobody knows what reached the disk, so the process has to end and recover.
    """


class StoreBusy(JournalError):  # noqa: N818 - as above
    """Another process has the store open."""


class StoreMismatch(JournalError):  # noqa: N818 - as above
    """The store cannot be this world's; the message says in what they differ."""
