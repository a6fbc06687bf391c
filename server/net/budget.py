"""How much a client may send: a bucket that refills with time.

It is kept as the time at which it will be full again, which takes one addition to spend and nothing
to refill.

Must not know: what is counted. Time is an argument.
"""

__all__ = ["Budget"]


class Budget:
    """`rate` units a second on the long run, and `burst` at once. It starts full."""

    __slots__ = ("_burst_s", "_full_at", "_unit_s")

    def __init__(self, rate: float, burst: float) -> None:
        self._unit_s = 1.0 / rate
        self._burst_s = burst / rate
        self._full_at = 0.0

    def spend(self, amount: float, now: float) -> bool:
        """Take `amount` at `now` seconds; False when more was taken than the budget allows."""
        full_at = self._full_at
        starts_at = full_at if full_at > now else now  # noqa: FURB136 - max() takes longer
        self._full_at = full_at = starts_at + amount * self._unit_s
        return full_at - now <= self._burst_s

    def afford(self, amount: float, now: float) -> bool:
        """Take `amount` at `now` seconds if it is there; False, and nothing is taken, otherwise.

        For those who are only put off: refusals leave no debt that would keep them away for longer.
        """
        full_at = max(self._full_at, now) + amount * self._unit_s
        if full_at - now > self._burst_s:
            return False
        self._full_at = full_at
        return True
