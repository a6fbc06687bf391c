"""The fan-out of one tick: one non-blocking send per link.

Links that are on time get the same bytes as all others with their interest. Every other link is an
exception. One that only has an input reported gets the same with a head of its own, the others an
update since their own baseline. A late link gets nothing now and is an exception later. Snapshots
are never queued: what a link misses is merged into its next one.

Must not know: sessions' rules, mail, the bus.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

import attrs
import numpy as np

from protocol.messages import snapshot_head
from server.gateway import limits
from server.gateway.baseline import Baseline
from server.gateway.bodies import Bodies, Body
from server.gateway.feed import Feed, NotNowError
from server.gateway.followers import Followers
from server.gateway.interest import Interest
from server.gateway.lateness import Flows
from server.gateway.links import LinkState
from server.gateway.news import News
from server.gateway.ontime import OnTime
from server.gateway.shared import Shared, Tails
from server.gateway.streams import Streams, warm
from server.net import frames
from server.net.link import Send, Sent

__all__ = ["FanOut", "FanOutCounters"]

Shortfalls = list[tuple[int, int | OSError]]


@attrs.define(eq=False)
class FanOutCounters:
    """Totals since the gateway began; `late` counts snapshots that were skipped."""

    snapshots: int = 0
    bytes: int = 0
    late: int = 0
    exceptions: int = 0


class FanOut:
    """Writes the snapshots of one tick, link by link."""

    def __init__(
        self,
        tick: int,
        on_time: OnTime,
        flows: Flows,
        feeds: dict[int, Feed],
        *,
        news: News,
        counters: FanOutCounters,
        streams: Streams,
        broadcast: bytes = b"",
    ) -> None:
        self.baseline = Baseline(
            tick, {shard: feed.position for shard, feed in feeds.items() if feed.position}
        )
        self._tick = tick
        self._on_time = on_time
        self._flows = flows
        self._previous = previous = on_time.baseline
        self._bodies = Bodies(feeds, tick, previous)
        self._chained = self._bodies.chained
        self._news = news
        self._broadcast = broadcast
        self._shared = Shared(tick, self._bodies, previous, streams, Tails(news, broadcast))
        self._counters = counters
        self._feeds = feeds
        self._streams = streams
        self._followers = Followers(feeds, tick, streams)
        # What was sent, as runs of links that were sent as much; who could not take it.
        self._sent: list[int] = []
        self._counts: list[int] = []
        self._sizes: list[int] = []
        self._longer: list[tuple[int, int]] = []  # with a report, by how many bytes
        self._full: set[int] = set()

    def prepare(self, moved: Iterable[LinkState]) -> None:
        """Get ready for links whose interest has changed."""
        self._bodies.prepare(
            (state.sent, state.interest)
            for state in moved
            if state.interest is not None and not state.interest.rings
        )
        with suppress(NotNowError):
            warm(self._streams.ringed(), self._feeds)

    # --- on time ---------------------------------------------------------------------------------

    def write_on_time(self, now: float) -> Iterator[None]:
        """Write to all links that are on time, pausing after every few.

        The loop over links is the hottest of the server: it costs what it does, times all clients,
        times all ticks. So it does nothing but send; whatever else is to be noted of the links is
        noted of all at once.
        """
        on_time = self._on_time
        for state in on_time.late(self._flows, now):
            on_time.leave(state)
        on_time.begin(self.baseline)
        self._flows.begin_tick(self._tick)
        sent, counts, sizes = self._sent, self._counts, self._sizes
        pause_at = limits.LINKS_PER_STEP
        plan = on_time.plan
        frames = self._shared.prebuild(plan)
        for interest, made in zip(plan.interests, frames, strict=True):
            members = on_time.groups[interest]
            if not members:
                continue
            frame = made or (self._shared.frame(interest) if self._chained else b"")
            if not frame:
                for state in on_time.states(members):
                    on_time.leave(state)
                continue
            sent += members
            counts.append(len(members))
            sizes.append(len(frame))
            on_time.written.add(interest)
            if interest in on_time.reporting:
                self._send_with_reports(interest, frame, members)
            else:
                for row, taken in _send_to_all(frame, members):
                    self._fell_short(row, frame, taken)
            if len(sent) >= pause_at:
                pause_at = len(sent) + limits.LINKS_PER_STEP
                yield
        on_time.all_written = True

    def _send_with_reports(
        self, interest: Interest, frame: bytes, members: Mapping[int, Send]
    ) -> None:
        """Send a frame to all, with their reports to those that have one."""
        reporting = self._on_time.reporting.pop(interest)
        own = {
            row: self._shared.with_report(frame, state.report)
            for row, state in reporting.items()
            if state.report is not None
        }
        for row, taken in _send_each(frame, members, own):
            self._fell_short(row, own.get(row, frame), taken)
        for row, data in own.items():
            if row not in self._full:
                reporting[row].reported()
                self._longer.append((row, len(data) - len(frame)))

    def _fell_short(self, row: int, frame: bytes, taken: int | OSError) -> None:
        """A link did not take all of its frame: it keeps the rest, or has got nothing."""
        for state in self._on_time.states((row,)):
            full = state.link.fell_short(frame, taken) is Sent.FULL
            self._on_time.leave(state)
            if full:
                state.baseline = self._previous
                self._full.add(row)
                self._postpone(state)

    def finish(self, now: float) -> None:
        """Note what was sent; to be called when all links have been written to."""
        rows, sizes = np.array(self._sent, np.int64), np.repeat(self._sizes, self._counts)
        if self._full:
            taken = ~np.isin(rows, list(self._full))
            rows, sizes = rows[taken], sizes[taken]
        for row, more in self._longer:
            self._flows.sent[row] += more
            self._counters.bytes += more
        if len(rows):
            self._flows.sent_all(rows, sizes, self._tick, now)
            self._counters.snapshots += len(rows)
            self._counters.bytes += int(sizes.sum())
        self._flows.end_tick(self._tick, now)

    # --- all others ------------------------------------------------------------------------------

    def write_other(self, state: LinkState, now: float) -> None:
        """The exceptions: who is late, has moved, is new, or has something of its own waiting."""
        interest = state.interest
        if state.flow.row in self._full:
            return  # it has been tried at this tick
        if state.baseline is self.baseline:
            self._rejoin(state)
            return  # it was written, and something came into its way then
        if interest is None or state.flow.late(now):
            self._postpone(state)
            return
        try:
            if self._followers.concerns(state, interest):
                self._write_follower(state, interest, now)
            elif self._is_plain(state):
                self._write_plain(state, interest, now)
            else:
                self._write_exception(state, interest, self._body(state, interest), now)
        except NotNowError:
            self._postpone(state)
        self._rejoin(state)

    def _rejoin(self, state: LinkState) -> None:
        if (
            state.baseline is self.baseline
            and state.follows is None
            and state.sent is state.interest
            and self._is_done(state)
        ):
            self._on_time.join(state)

    def _is_plain(self, state: LinkState) -> bool:
        """Whether a link may get what all others with its interest get, but for a report."""
        return (
            state.baseline is self._previous
            and state.sent is state.interest
            and self._chained
            and not state.special
            and state.private is None
        )

    def _is_done(self, state: LinkState) -> bool:
        """Whether nothing is left to tell a link that was just written."""
        return not state.special and state.report is None and state.private is None

    def _write_plain(self, state: LinkState, interest: Interest, now: float) -> None:
        frame = self._shared.frame(interest, state.report)
        if not frame:  # it has become a crowd
            self._write_follower(state, interest, now)
        elif self._send(state, frame):
            state.reported()
            state.baseline = self.baseline
        else:
            self._postpone(state)

    def _write_follower(self, state: LinkState, interest: Interest, now: float) -> None:
        """A link that is not told everything at every tick, or was not until now."""
        if not state.special and state.private is None:
            groups = self._followers.shared(state, interest)
            if groups is not None:
                if self._send(state, self._shared.framed(interest, groups, state.report)):
                    state.reported()
                    state.baseline = self.baseline
                else:
                    self._postpone(state)
                return
        told = self._followers.tell(state, interest)
        if self._write_exception(state, interest, Body(told.groups, told.dropped), now):
            state.follows, state.lags = told.follows, told.lags

    # --- exceptions ------------------------------------------------------------------------------

    def _write_exception(
        self, state: LinkState, interest: Interest, body: Body, now: float
    ) -> bool:
        """Whether the link has taken it."""
        self._counters.exceptions += 1
        self._queue_news(state)
        head = snapshot_head(self._tick, state.report, state.private, body.dropped)
        messages = [*state.outbox, frames.frame(head, body.groups)]
        messages += [frames.frame(message) for message in state.events.messages(now)]
        scores = self._broadcast or state.scores
        if scores:
            messages.append(scores)
        if self._send(state, b"".join(messages)):
            self._settle(state, interest)
            return True
        self._followers.skip(state)
        return False

    def _body(self, state: LinkState, interest: Interest) -> Body:
        baseline = state.baseline
        if state.sent is None or baseline is None:
            return self._bodies.other(None, interest, _NOTHING)
        if state.damaged:
            known = state.sent.cell_set
            return self._bodies.repaired(known, known - state.damaged, interest, baseline)
        if state.sent is interest and baseline is self._previous:
            return self._bodies.on_time(interest)
        return self._bodies.other(state.sent, interest, baseline)

    def _settle(self, state: LinkState, interest: Interest) -> None:
        """The exception was written: the link is like the others again."""
        state.baseline = self.baseline
        state.sent = interest
        state.reported()
        state.private = None
        state.damaged = frozenset()
        state.scores = None
        state.outbox.clear()
        state.events.advance()
        state.special = len(state.events) > 0  # the others have to wait for the next tick

    def _postpone(self, state: LinkState) -> None:
        """The link gets nothing now: keep what must not be lost."""
        self._counters.late += state.interest is not None
        self._queue_news(state)
        self._followers.skip(state)
        if self._broadcast:
            state.scores = self._broadcast
            state.be_special()

    def _queue_news(self, state: LinkState) -> None:
        if not self._news:
            return
        entity = state.session.entity if state.session else 0
        for event in self._news.concerning(state.interest, entity):
            state.events.push(event)
            state.be_special()

    # --- bytes -----------------------------------------------------------------------------------

    def _send(self, state: LinkState, data: bytes) -> bool:
        if state.link.try_send(data) is Sent.FULL:
            return False
        self._sent.append(state.flow.row)
        self._counts.append(1)
        self._sizes.append(len(data))
        return True


def _send_to_all(frame: bytes, members: Mapping[int, Send]) -> Shortfalls:
    """Send a frame to all; gives those that did not take all of it, and how much they did.

    The hottest loop of the server.
    """
    size = len(frame)
    short: Shortfalls = []
    for row, send in members.items():
        try:
            taken = send(frame)
        except OSError as error:
            short.append((row, error))
        else:
            if taken != size:
                short.append((row, taken))
    return short


def _send_each(frame: bytes, members: Mapping[int, Send], own: Mapping[int, bytes]) -> Shortfalls:
    """The same, where those in `own` get that instead."""
    short: Shortfalls = []
    for row, send in members.items():
        data = own.get(row, frame)
        try:
            taken = send(data)
        except OSError as error:
            short.append((row, error))
        else:
            if taken != len(data):
                short.append((row, taken))
    return short


_NOTHING = Baseline(0, {})
