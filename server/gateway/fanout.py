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
import numpy.typing as npt

from protocol.messages import snapshot_head
from server.gateway import limits
from server.gateway.baseline import Baseline
from server.gateway.bodies import Bodies, Body
from server.gateway.events import messages_of
from server.gateway.feed import Feed, NotNowError
from server.gateway.followers import Followers
from server.gateway.interest import Interest
from server.gateway.lateness import Flows
from server.gateway.links import LinkState
from server.gateway.news import News
from server.gateway.ontime import OnTime
from server.gateway.prebuilt import Prebuilt
from server.gateway.streams import Streams, warm
from server.net.frames import binary_header, payload_of
from server.net.link import Send, Sent

__all__ = ["FanOut", "FanOutCounters"]

Ints = npt.NDArray[np.int64]


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
        self._has_tail = bool(news or broadcast)
        self._head = snapshot_head(tick)
        self._shared: dict[Interest, tuple[int, bytes]] = {}
        self._built: Prebuilt | None = None
        self._places: dict[Interest, int] = {}
        self._tails: dict[Interest, bytes] = {}
        self._counters = counters
        self._feeds = feeds
        self._streams = streams
        self._followers = Followers(feeds, tick, streams)
        # What was sent, as runs of links that were sent as much; who could not take it.
        self._sent: list[int] = []
        self._counts: list[int] = []
        self._sizes: list[int] = []
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
        on_time.with_report = self._with_report
        on_time.begin(self.baseline)
        sent, counts, sizes = self._sent, self._counts, self._sizes
        pause_at = limits.LINKS_PER_STEP
        groups = on_time.groups()
        self._prebuild([interest for interest, _ in groups])
        for interest, members in groups:
            frame = self._frame(interest) if self._chained else b""
            if not frame:
                for state in on_time.states(members):
                    on_time.leave(state)
                continue
            sent += members
            counts.append(len(members))
            sizes.append(len(frame))
            short = _send_to_all(frame, members)
            on_time.written.add(interest)
            for row, taken in short:
                self._fell_short(row, frame, taken)
            if len(sent) >= pause_at:
                pause_at = len(sent) + limits.LINKS_PER_STEP
                yield
        on_time.all_written = True

    def _fell_short(self, row: int, frame: bytes, taken: int | OSError) -> None:
        """A link did not take all of its frame: it keeps the rest, or has got nothing."""
        for state in self._on_time.states((row,)):
            full = state.report is not None or state.link.fell_short(frame, taken) is Sent.FULL
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
        for row, more in self._on_time.longer:
            self._flows.sent[row] += more
            self._counters.bytes += more
        self._on_time.longer.clear()
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
        body = self._body_of(interest)
        if body is None:  # it has become a crowd
            self._write_follower(state, interest, now)
        elif self._send(state, _joined(snapshot_head(self._tick, state.report), *body)):
            state.report = None
            state.baseline = self.baseline
        else:
            self._postpone(state)

    def _write_follower(self, state: LinkState, interest: Interest, now: float) -> None:
        """A link that is not told everything at every tick, or was not until now."""
        if not state.special and state.private is None:
            groups = self._followers.shared(state, interest)
            if groups is not None:
                head = snapshot_head(self._tick, state.report)
                tail = self._tail(interest) if self._has_tail else b""
                data = b"".join((binary_header(len(head) + len(groups)), head, groups, tail))
                if self._send(state, data):
                    state.report = None
                    state.baseline = self.baseline
                else:
                    self._postpone(state)
                return
        told = self._followers.tell(state, interest)
        if self._write_exception(state, interest, Body(told.groups, told.dropped), now):
            state.follows, state.lags = told.follows, told.lags

    # --- what all links with an interest are sent ------------------------------------------------

    def _prebuild(self, interests: list[Interest]) -> None:
        """Make the frames of nearly all interests at once."""
        if self._streams.calm:
            self._built = self._bodies.prebuilt(interests, self._head)
            if self._built is not None:
                self._places = {interest: place for place, interest in enumerate(interests)}

    def _prebuilt(self, interest: Interest) -> tuple[Prebuilt, int] | None:
        """Where what was made for an interest is; None if it must be made, or looked at, alone."""
        place = self._places.get(interest)
        if place is None or self._built is None:
            return None
        size = self._built.size(place)
        return (self._built, place) if 0 < size <= self._streams.budget_bytes else None

    def _frame(self, interest: Interest) -> bytes:
        """What everybody on time with an interest is sent, unless there is something to report.

        Nothing for an interest that is not told everything at every tick.
        """
        found = self._prebuilt(interest)
        if found is not None:
            built, place = found
            frame = built.frame(place)
            return frame + self._tail(interest) if self._has_tail else frame
        body = self._body_of(interest)
        return b"" if body is None else _joined(self._head, *body)

    def _with_report(self, frame: bytes, report: tuple[int, int]) -> bytes:
        """A frame of `_frame` with a report in its head."""
        start, end = payload_of(frame)
        head = snapshot_head(self._tick, report)
        groups, tail = frame[start + len(self._head) : end], frame[end:]
        return b"".join((binary_header(len(head) + len(groups)), head, groups, tail))

    def _body_of(self, interest: Interest) -> tuple[int, bytes] | None:
        """What follows the head of a snapshot: the length of its groups; the groups, and whatever
        messages come after it. None for an interest that is not told everything at every tick.
        """
        body = self._shared.get(interest)
        if body is None:
            found = self._prebuilt(interest)
            groups = found[0].groups(found[1]) if found is not None else self._made(interest)
            if groups is None:
                return None
            tail = self._tail(interest) if self._has_tail else b""
            body = self._shared[interest] = len(groups), groups + tail
        return body

    def _made(self, interest: Interest) -> bytes | None:
        """The groups for an interest by itself, or None."""
        if self._streams.of(interest) is not None:
            return None
        groups = self._bodies.shared(interest)
        if self._streams.crowded(interest, len(groups), self._previous.positions):
            return None
        return groups

    # --- exceptions ------------------------------------------------------------------------------

    def _write_exception(
        self, state: LinkState, interest: Interest, body: Body, now: float
    ) -> bool:
        """Whether the link has taken it."""
        self._counters.exceptions += 1
        self._queue_news(state)
        head = snapshot_head(self._tick, state.report, state.private, body.dropped)
        messages = [*state.outbox]
        messages += [binary_header(len(head) + len(body.groups)), head, body.groups]
        for message in state.events.messages(now):
            messages += [binary_header(len(message)), message]
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
        state.report = None
        state.private = None
        state.damaged = frozenset()
        state.scores = None
        state.outbox.clear()
        state.events.clear()
        state.special = False

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

    def _tail(self, interest: Interest) -> bytes:
        tail = self._tails.get(interest)
        if tail is None:
            tail = self._tails[interest] = self._events_of(interest) + self._broadcast
        return tail

    def _events_of(self, interest: Interest) -> bytes:
        frames = []
        for message in messages_of(self._news.of(interest)):
            frames += [binary_header(len(message)), message]
        return b"".join(frames)


def _send_to_all(frame: bytes, members: Mapping[int, Send]) -> list[tuple[int, int | OSError]]:
    """Send a frame to all; gives those that did not take all of it, and how much they did."""
    size = len(frame)
    short: list[tuple[int, int | OSError]] = []
    for row, send in members.items():
        try:
            taken = send(frame)
        except OSError as error:
            short.append((row, error))
        else:
            if taken != size:
                short.append((row, taken))
    return short


def _joined(head: bytes, size: int, body: bytes) -> bytes:
    """A snapshot as a frame, and what comes after it; `size` is that of its groups."""
    return b"".join((binary_header(len(head) + size), head, body))


_NOTHING = Baseline(0, {})
