"""What happened in a run: a hash over all of it, and the last notable things in words."""

import hashlib
from collections import deque
from typing import Any

import trio

__all__ = ["Trace"]

KEPT = 80


class Trace:
    """Everything that was published, appended, sent and broken, with its virtual time."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=16)
        self._told: deque[tuple[float, str]] = deque(maxlen=KEPT)
        self.faults: list[tuple[float, str]] = []
        self.entries = 0

    def add(self, *what: Any) -> None:
        """Put something into the hash: bytes as they are, anything else by its text."""
        self.entries += 1
        self._hash.update(b"%.6f" % trio.current_time())
        for each in what:
            self._hash.update(each if type(each) is bytes else repr(each).encode())
            self._hash.update(b"|")

    def tell(self, text: str) -> None:
        """Note something that somebody who looks for a cause wants to know."""
        self.add(text)
        self._told.append((trio.current_time(), text))

    def fault(self, text: str) -> None:
        """Note that something was broken on purpose."""
        self.tell(f"fault: {text}")
        self.faults.append((trio.current_time(), text))

    def digest(self) -> str:
        """The hash of everything so far."""
        return self._hash.copy().hexdigest()

    def story(self) -> str:
        """The faults, and the last things that happened."""
        lines = ["faults:", *(f"  {at:8.3f}  {text}" for at, text in self.faults)]
        lines += ["the last events:", *(f"  {at:8.3f}  {text}" for at, text in self._told)]
        return "\n".join(lines)
