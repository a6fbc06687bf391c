"""The links that are on time: those that get what everybody with their interest gets.

Such a link has nothing special waiting, holds all of its interest, and was written at the previous
tick; so all that has to be known of it is how to send. Whatever makes it an exception (`leave`)
takes it out; when it has been written as an exception, and nothing is left that is its own, it is
back (`join`). The others that play are in `others`.

A link of which an input has taken effect stays: it is in `reporting`, so that its next frame gets
the report.

Invariants: a link that plays is in exactly one of the two; the baseline of those on time is
`baseline`, whatever their own says until they leave.

Must not know: what is sent.
"""

from collections.abc import Iterable
from functools import partial

import numpy as np

from server.gateway.baseline import Baseline
from server.gateway.interest import Interest
from server.gateway.lateness import Flows
from server.gateway.links import LinkState
from server.gateway.prebuilt import Plan
from server.net.link import Link, Send, Sent

__all__ = ["OnTime"]


class OnTime:
    """Links by their interest, each as what sends to it.

    `groups` are the interests, and by the rows of their flows how to send to their links; `plan`
    has the same interests. A group that has become empty stays for a while, so that the plan lasts.
    `reporting` has, by interest, those whose next frame gets their report.

    `written` are the interests whose links have been sent their frames of the tick that is being
    composed, until `all_written`; whoever joins after that has been written as an exception.
    `next_baseline` is what they hold then.
    """

    def __init__(self) -> None:
        self.baseline = self.next_baseline = Baseline(0, {})
        self.written: set[Interest] = set()
        self.all_written = False
        self.others: dict[int, LinkState] = {}
        self.groups: dict[Interest, dict[int, Send]] = {}
        self.reporting: dict[Interest, dict[int, LinkState]] = {}
        self._plan: Plan | None = None
        self._empty = 0
        self._states: dict[int, LinkState] = {}

    def __len__(self) -> int:
        """How many links are on time."""
        return len(self._states)

    @property
    def plan(self) -> Plan:
        """The interests of `groups`, in their order."""
        if self._plan is None:
            self._plan = Plan(tuple(self.groups))
        return self._plan

    def cut_anew(self) -> None:
        """Interests are divided otherwise among the shards: what was worked out is void."""
        self._plan = None

    def begin(self, baseline: Baseline) -> None:
        """A tick is composed, after which links on time are at `baseline`."""
        self.next_baseline = baseline

    def finish(self) -> None:
        """It has been."""
        self.baseline = self.next_baseline
        self.written.clear()
        self.all_written = False
        if 2 * self._empty > len(self.groups):
            self.groups = {each: members for each, members in self.groups.items() if members}
            self._plan = None
            self._empty = 0

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
        members = self.groups.get(state.interest)
        if members is None:
            members = self.groups[state.interest] = {}
            self._plan = None
        elif not members:
            self._empty -= 1
        members[row] = self._send_of(state)
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
        assert state.sent is not None, "who is on time holds an interest"
        self.reporting.setdefault(state.sent, {})[state.flow.row] = state

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
        members = self.groups[state.sent]
        del members[row]
        self._empty += not members
        if state.report is not None:
            self.reporting.get(state.sent, {}).pop(row, None)

    def _send_of(self, state: LinkState) -> Send:
        """How to send to a link with nothing in the way."""
        lent = state.link.lend_send(partial(self.leave, state))
        return partial(_sent_whole, state.link) if lent is None else lent


def _sent_whole(link: Link, frame: bytes) -> int:
    """Links without anything cheaper: the whole length, or 0."""
    return 0 if link.try_send(frame) is Sent.FULL else len(frame)
