"""How much a client may send: a bucket that refills with time.

Must not know: what is counted. Time is an argument.
"""

import attrs

__all__ = ["Budget"]


@attrs.define(eq=False)
class Budget:
    """`rate` units a second on the long run, and `burst` at once. It starts full."""

    rate: float
    burst: float
    _left: float = attrs.field(init=False)
    _at: float = attrs.field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._left = self.burst

    def spend(self, amount: float, now: float) -> bool:
        """Take `amount` at `now` seconds; False when more was taken than the budget allows."""
        earned = max(now - self._at, 0.0) * self.rate
        self._at = now
        self._left = min(self._left + earned, self.burst) - amount
        return self._left >= 0
