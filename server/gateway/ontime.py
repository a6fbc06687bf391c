"""The links that are on time: those that get what everybody with their interest gets.

Such a link has nothing special waiting, holds all of its interest, and was written at the previous
tick; so all that has to be known of it is how to send. Whatever makes it an exception (`leave`)
takes it out; when it has been written as an exception, and nothing is left that is its own, it is
back (`join`). The others that play are in `others`.

Invariants: a link that plays is in exactly one of the two; the baseline of those on time is
`baseline`, whatever their own says until they leave.

Must not know: what is sent.
"""

from collections.abc import Callable, Iterable

import numpy as np

from server.gateway.baseline import Baseline
from server.gateway.interest import Interest
from server.gateway.lateness import Flows
from server.gateway.links import LinkState
from server.net.link import Sent

__all__ = ["OnTime", "Push"]

Push = Callable[[bytes], Sent]


class OnTime:
    """Links by their interest, each as what sends to it."""

    def __init__(self) -> None:
        self.baseline = Baseline(0, {})
        self.others: dict[int, LinkState] = {}
        self._members: dict[Interest, dict[int, Push]] = {}
        self._states: dict[int, LinkState] = {}

    def __len__(self) -> int:
        """How many links are on time."""
        return len(self._states)

    def groups(self) -> list[tuple[Interest, dict[int, Push]]]:
        """The interests, and by the rows of their flows how to send to their links."""
        return list(self._members.items())

    def states(self, rows: Iterable[int]) -> list[LinkState]:
        """The links at these rows, but for those that are gone."""
        return [self._states[row] for row in rows if row in self._states]

    def late(self, flows: Flows, now: float) -> list[LinkState]:
        """Those that must be skipped at `now`."""
        late = flows.late(now)
        if not late.any():
            return []
        states = self._states
        return [states[row] for row in np.flatnonzero(late).tolist() if row in states]

    # --- coming and going ------------------------------------------------------------------------

    def admit(self, state: LinkState) -> None:
        """A link begins to play: it has been sent nothing yet."""
        self.others[state.flow.row] = state

    def join(self, state: LinkState) -> None:
        """A link that was just written, and holds its interest, is on time now."""
        assert state.interest is not None, "who wants nothing is sent nothing"
        row = state.flow.row
        del self.others[row]
        self._states[row] = state
        self._members.setdefault(state.interest, {})[row] = state.link.try_send
        state.on_disturbed = self.leave

    def leave(self, state: LinkState) -> None:
        """Something concerns this link alone: it is an exception until it has been told."""
        self._take_out(state)
        state.baseline = self.baseline
        self.others[state.flow.row] = state

    def remove(self, state: LinkState) -> None:
        """A link plays no more."""
        if state.on_disturbed is not None:
            self._take_out(state)
        self.others.pop(state.flow.row, None)

    def _take_out(self, state: LinkState) -> None:
        row = state.flow.row
        state.on_disturbed = None
        del self._states[row]
        assert state.sent is not None, "who is on time holds an interest"
        members = self._members[state.sent]
        del members[row]
        if not members:
            del self._members[state.sent]
