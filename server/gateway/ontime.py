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
from server.net.link import Link, Send, Sent

__all__ = ["OnTime"]

WithReport = Callable[[bytes, tuple[int, int]], bytes]


class OnTime:
    """Links by their interest, each as what sends to it.

    `with_report` gives a frame of this tick with a report in it; `longer` says of the rows that
    were sent one by how many bytes theirs was longer. `written` are the interests whose links have
    been sent their frames of the tick that is being composed, until `all_written`; whoever joins
    after that has been written as an exception. `next_baseline` is what they hold then.
    """

    def __init__(self) -> None:
        self.baseline = self.next_baseline = Baseline(0, {})
        self.written: set[Interest] = set()
        self.all_written = False
        self.others: dict[int, LinkState] = {}
        self.with_report: WithReport = _as_it_is
        self.longer: list[tuple[int, int]] = []
        self._members: dict[Interest, dict[int, Send]] = {}
        self._states: dict[int, LinkState] = {}

    def __len__(self) -> int:
        """How many links are on time."""
        return len(self._states)

    def groups(self) -> list[tuple[Interest, dict[int, Send]]]:
        """The interests, and by the rows of their flows how to send to their links."""
        return list(self._members.items())

    def begin(self, baseline: Baseline) -> None:
        """A tick is composed, after which links on time are at `baseline`."""
        self.next_baseline = baseline

    def finish(self) -> None:
        """It has been."""
        self.baseline = self.next_baseline
        self.written.clear()
        self.all_written = False

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
        self._members.setdefault(state.interest, {})[row] = self._send_of(state)
        state.lane = self

    def leave(self, state: LinkState) -> None:
        """Something concerns this link alone: it is an exception until it has been told."""
        assert state.sent is not None, "who is on time holds an interest"
        has_been = self.all_written or state.sent in self.written
        self._take_out(state)
        state.baseline = self.next_baseline if has_been else self.baseline
        self.others[state.flow.row] = state

    def report(self, state: LinkState) -> None:
        """Send this link its report with the next frame."""
        state.link.take_back()
        assert state.sent is not None, "who is on time holds an interest"
        self._members[state.sent][state.flow.row] = partial(self._send_reporting, state)

    def remove(self, state: LinkState) -> None:
        """A link plays no more."""
        if state.lane is not None:
            self._take_out(state)
        self.others.pop(state.flow.row, None)

    def _take_out(self, state: LinkState) -> None:
        row = state.flow.row
        state.lane = None
        state.link.take_back()
        del self._states[row]
        assert state.sent is not None, "who is on time holds an interest"
        members = self._members[state.sent]
        del members[row]
        if not members:
            del self._members[state.sent]

    def _send_of(self, state: LinkState) -> Send:
        """How to send to a link with nothing in the way."""
        lent = state.link.lend_send(partial(self.leave, state))
        return partial(_sent_whole, state.link) if lent is None else lent

    def _send_reporting(self, state: LinkState, frame: bytes) -> int:
        """The whole length of `frame` if what was sent in its place was taken."""
        assert state.report is not None, "there is something to report"
        data = self.with_report(frame, state.report)
        sent = state.link.try_send(data)
        if sent is Sent.FULL:
            return 0
        row = state.flow.row
        state.report = None
        self.longer.append((row, len(data) - len(frame)))
        assert state.sent is not None, "who is on time holds an interest"
        self._members[state.sent][row] = self._send_of(state)
        return len(frame)


def _sent_whole(link: Link, frame: bytes) -> int:
    """Links without anything cheaper: the whole length, or 0."""
    return 0 if link.try_send(frame) is Sent.FULL else len(frame)


def _as_it_is(frame: bytes, _: tuple[int, int]) -> bytes:
    return frame
