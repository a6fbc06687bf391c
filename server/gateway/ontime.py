"""The links that are on time: those that get what everybody with their interest gets.

Such a link has nothing special waiting, holds all of its interest, and was written at the previous
tick; so all that has to be known of it is how to send. Whatever makes it an exception (`leave`)
takes it out; when it has been written as an exception, and nothing is left that is its own, it is
back (`join`). The others that play are in `others`.

A link of which an input has taken effect stays: what sends to it puts the report into the frame,
once.

Invariants: a link that plays is in exactly one of the two; the baseline of those on time is
`baseline`, whatever their own says until they leave.

Must not know: what is sent.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from server.gateway.baseline import Baseline
from server.gateway.interest import Interest
from server.gateway.lateness import Flows
from server.gateway.links import LinkState
from server.net.link import Sent

__all__ = ["OnTime", "Push"]

Push = Callable[[bytes], Sent]
WithReport = Callable[[bytes, tuple[int, int]], bytes]


class OnTime:
    """Links by their interest, each as what sends to it.

    `with_report` gives a frame of this tick with a report in it; `longer` says of the rows that
    were sent one by how many bytes theirs was longer.
    """

    def __init__(self) -> None:
        self.baseline = Baseline(0, {})
        self.others: dict[int, LinkState] = {}
        self.with_report: WithReport = _as_it_is
        self.longer: list[tuple[int, int]] = []
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
        state.lane = self

    def leave(self, state: LinkState) -> None:
        """Something concerns this link alone: it is an exception until it has been told."""
        self._take_out(state)
        state.baseline = self.baseline
        self.others[state.flow.row] = state

    def report(self, state: LinkState) -> None:
        """Send this link its report with the next frame."""
        assert state.sent is not None, "who is on time holds an interest"
        self._members[state.sent][state.flow.row] = partial(self._push_reporting, state)

    def remove(self, state: LinkState) -> None:
        """A link plays no more."""
        if state.lane is not None:
            self._take_out(state)
        self.others.pop(state.flow.row, None)

    def _take_out(self, state: LinkState) -> None:
        row = state.flow.row
        state.lane = None
        del self._states[row]
        assert state.sent is not None, "who is on time holds an interest"
        members = self._members[state.sent]
        del members[row]
        if not members:
            del self._members[state.sent]

    def _push_reporting(self, state: LinkState, frame: bytes) -> Sent:
        assert state.report is not None, "there is something to report"
        data = self.with_report(frame, state.report)
        sent = state.link.try_send(data)
        if sent is not Sent.FULL:
            row = state.flow.row
            state.report = None
            self.longer.append((row, len(data) - len(frame)))
            assert state.sent is not None, "who is on time holds an interest"
            self._members[state.sent][row] = state.link.try_send
        return sent


def _as_it_is(frame: bytes, _: tuple[int, int]) -> bytes:
    return frame
