"""What is known of leases: who holds which name, and when that was last heard of.

The newest message of a name is the newest word on its lease: held, with the epoch, the time to live
and the holder's meta, or released. It is replaced by compare-and-set on its sequence alone. A
holder renews by replacing it with the same again; a contender takes over by replacing it after it
has seen no renewal for a whole time to live, by its own monotonic clock. So nothing depends on
clocks that agree, on the engine expiring anything, or on its version; and whoever replaces a word
that was renewed meanwhile is refused by the engine.

The epoch is the sequence in the stream of the word that granted the lease: sequences only rise.

Must not know: how messages are fetched, what time it is.
"""

from collections.abc import Callable, Mapping
from typing import Final

import attrs

from server.cluster.nats.jetstream import Stored
from server.cluster.seams import DirectoryEvent, Entry

__all__ = ["LeaseTable", "Word", "held_headers", "read_word", "released_headers"]

EPOCH: Final = "Shoal-Epoch"  # not in the word that grants: its own sequence is the epoch
TTL: Final = "Shoal-Ttl-Ms"  # not in a release
HOLDER: Final = "Shoal-Holder"

FORGET_BEYOND: Final = 1024  # names; with more, those that are held no longer are forgotten
FORGET_AFTER_S: Final = 600.0


@attrs.frozen
class Word:
    """The word on a lease at one place in the stream. `entry` is None when it is released."""

    sequence: int
    holder: str
    ttl_s: float
    entry: Entry | None


def held_headers(holder: str, ttl_s: float, epoch: int | None) -> dict[str, str]:
    """How a holder says that it holds; with the epoch when it renews."""
    headers = {HOLDER: holder, TTL: str(round(ttl_s * 1000))}
    if epoch is not None:
        headers[EPOCH] = str(epoch)
    return headers


def released_headers(holder: str) -> dict[str, str]:
    """How a holder says that it holds no longer."""
    return {HOLDER: holder}


def read_word(name: str, stored: Stored) -> Word:
    """What a message says of the lease of `name`. ValueError if it is none of ours."""
    headers = stored.headers
    if HOLDER not in headers:
        raise ValueError(f"the message {stored.sequence} on the lease {name} has no holder")
    ttl_ms = headers.get(TTL)
    if ttl_ms is None:
        return Word(stored.sequence, headers[HOLDER], 0.0, None)
    entry = Entry(name, int(headers.get(EPOCH, stored.sequence)), stored.data)
    return Word(stored.sequence, headers[HOLDER], int(ttl_ms) / 1000, entry)


@attrs.define
class _Known:
    word: Word
    heard_s: float
    shown: Entry | None  # what watchers were told last


class LeaseTable:
    """The newest words, and who is told of changes. Times are of one monotonic clock."""

    def __init__(self, tell: Callable[[DirectoryEvent], None]) -> None:
        self._known: dict[str, _Known] = {}
        self._tell = tell

    def hear(self, name: str, word: Word, now_s: float) -> None:
        """Take in a word, unless a newer one is known."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = _Known(word, now_s, None)
        elif word.sequence <= known.word.sequence:
            return
        known.word, known.heard_s = word, now_s
        shown, entry = known.shown, word.entry
        if shown is not None and (entry is None or entry.epoch != shown.epoch):
            self._tell(DirectoryEvent("gone", shown))
            shown = None
        if entry is not None and entry != shown:
            self._tell(DirectoryEvent("put", entry))
        known.shown = entry
        if len(self._known) > FORGET_BEYOND:
            self._forget(now_s)

    def ends_s(self, name: str, word: Word) -> float:
        """When a word has not been renewed for its whole time to live; needs `hear` before."""
        known = self._known.get(name)
        if known is None or known.word.sequence != word.sequence:
            return float("inf")
        return known.heard_s + word.ttl_s

    def expire(self, name: str, sequence: int | None) -> None:
        """Nobody renewed the word at this sequence, or there is no word any more (None)."""
        known = self._known.get(name)
        if known is None or known.shown is None:
            return
        if sequence is None or sequence == known.word.sequence:
            self._tell(DirectoryEvent("gone", known.shown))
            known.shown = None

    def due(self) -> Mapping[str, float]:
        """When each name that is shown as held ends unless it is renewed."""
        return {
            name: known.heard_s + known.word.ttl_s
            for name, known in self._known.items()
            if known.shown is not None
        }

    def _forget(self, now_s: float) -> None:
        """Let go of names that nobody has held for long: no older word comes so late."""
        for name in [
            name
            for name, known in self._known.items()
            if known.shown is None and now_s - known.heard_s > FORGET_AFTER_S
        ]:
            del self._known[name]

    def held(self, prefix: str) -> list[Entry]:
        """The entries that are shown as held, sorted by name."""
        return [
            known.shown
            for name, known in sorted(self._known.items())
            if known.shown is not None and name.startswith(prefix)
        ]
