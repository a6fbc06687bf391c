"""Sending a gateway's clients elsewhere, spread over time: were all told at once, all would come to
the other gateways at once.

Whoever is on time and has been told everything goes first, right behind the tick's snapshot, so
that nothing is lost on the way. At the end everybody goes.

Must not know: the bus, snapshots' insides. Time is an argument.
"""

from math import ceil
from typing import Final

from protocol.errors import CloseCode
from server.gateway.links import LinkState, Phase
from server.gateway.roster import Roster

__all__ = ["Departure"]

_ROUNDING: Final = 1e-6  # of a client: sums of seconds are never quite even


class Departure:
    """The departure of all links of `roster` from `begins_at` to `ends_at`, in equal shares."""

    def __init__(self, roster: Roster, reason: str, *, begins_at: float, ends_at: float) -> None:
        self._roster = roster
        self._reason = reason
        self._ends_at = ends_at
        self._span_s = max(ends_at - begins_at, 0.0)
        self._total = len(roster)

    def some(self, now: float) -> None:
        """Say goodbye to those whose time has come by `now`."""
        left_s = self._ends_at - now
        if left_s <= 0:
            self._part(self._roster.all())
            return
        staying = ceil(self._total * left_s / self._span_s - _ROUNDING)
        count = len(self._roster) - staying
        if count > 0:
            ready = (state for state in self._roster.all() if self._told_all(state))
            self._part([state for state, _ in zip(ready, range(count), strict=False)])

    def _told_all(self, state: LinkState) -> bool:
        """Whether nothing waits for this link, and it has an answer to what it asked."""
        return (
            state.phase is Phase.PLAYING
            and not state.outbox
            and not state.events
            and not state.flow.late(self._roster.awake_at)
        )

    def _part(self, links: list[LinkState]) -> None:
        for state in links:
            self._roster.close(state, CloseCode.RESTART, self._reason)
