"""The inputs that a client has sent, until the server confirms that they have taken effect.

Must not know: links, clocks, what an input means.
"""

from collections import deque

from protocol import limits
from protocol.messages import Input

__all__ = ["Unconfirmed"]


class Unconfirmed:
    """Inputs in the order of their numbers, which begin at 1.

    `newest` is the number of the last one, `confirmed` the newest that has taken effect, `lost`
    how many had taken effect when a crash of the server undid them. Of those that wait, only the
    newest `limits.CLIENT_INPUTS` are kept.
    """

    def __init__(self) -> None:
        self.newest = self.confirmed = self.lost = 0
        self._repeated = 0  # the newest that was sent more than once
        self._waiting: deque[Input] = deque(maxlen=limits.CLIENT_INPUTS)

    def add(self, entry: Input) -> None:
        """Note one that is sent for the first time."""
        self.newest = entry.seq
        self._waiting.append(entry)

    def confirm(self, applied: int) -> bool:
        """The server says which is the newest that has taken effect.

        True if that is news, and news of an input that was sent once: how late a repeated one came
        says nothing of the link.
        """
        is_news = applied > self.confirmed
        if applied < self.confirmed:  # whoever simulates has lost what was not durable
            self.lost += self.confirmed - applied
        self.confirmed = applied
        while self._waiting and self._waiting[0].seq <= applied:
            self._waiting.popleft()
        return is_news and applied > self._repeated

    def again(self, latest: int) -> list[Input]:
        """What to send again on another link, nothing for a later tick than `latest`.

        While there was no link the ticks were counted on. If the world stood still, those that were
        meant for its future are meant for now.
        """
        self._repeated = self.newest
        for place, entry in enumerate(self._waiting):
            if entry.tick > latest:
                self._waiting[place] = entry._replace(tick=latest)
        return list(self._waiting)
