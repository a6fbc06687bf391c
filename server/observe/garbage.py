"""Garbage collection without long pauses in the middle of play.

Python's collector looks at every object again each time their number has grown by a quarter: with
thousands of links that is a pause of half a second, and it finds next to nothing, since almost
everything here is freed by counting references. What remains are the cycles that a link leaves
behind when it ends. So young objects are looked at seldom, in larger numbers, and all objects only
after so many links have ended that it is worth it.

Must not know: what links are.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["Garbage", "few_collections"]

_YOUNG: Final = 50_000  # new objects that are still there: then those alone are looked at
_MIDDLE: Final = 20  # of the former: then also those that survived them
_NEVER: Final = 1 << 30
ENDED_LEAST: Final = 500
ENDED_SHARE: Final = 4  # all objects are looked at when one link in so many has ended


@contextmanager
def few_collections() -> Iterator[None]:
    """Collect young objects seldom, and all objects only when `Garbage` says so."""
    before = gc.get_threshold()
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Garbage:
    """Decides when all objects are looked at."""

    def __init__(self) -> None:
        self._ended = 0
        self.collections = 0

    def consider(self, *, ended: int, open_: int) -> bool:
        """Collect if that is worth it: `ended` links so far, `open_` now. Says whether it did."""
        if ended - self._ended < max(ENDED_LEAST, open_ // ENDED_SHARE):
            return False
        self._ended = ended
        self.collections += 1
        gc.collect()
        return True
