"""What an engine cannot do.

Must not know: how it is reached.
"""

from server.cluster.seams import JournalError, JournalUnavailable

__all__ = ["EngineError", "EngineRefused", "JetStreamError"]


class EngineError(Exception):
    """The engine cannot be used as configured; the message says why, and what would help."""


class JetStreamError(EngineError, JournalError):
    """JetStream answered with an error that stays. `number` is its own and says more than `code`.

    It is for those who use the directory as well as for those who use the journal.
    """

    def __init__(self, code: int, number: int, text: str) -> None:
        super().__init__(f"{text} ({number})")
        self.code = code
        self.number = number
        self.text = text


class EngineRefused(JournalUnavailable):
    """The engine stores no more for now: its disk is full, or a limit is reached."""
