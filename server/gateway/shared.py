"""What all links with the same interest are sent at one tick: made once, sent to each.

A snapshot's frame, and what follows it in the same send: the messages of the tick that everybody
with that interest is told. Only the head differs for a link that has an input reported.

Must not know: links, sessions, mail.
"""

from collections.abc import Mapping, Sequence

import attrs

from protocol.messages import snapshot_head
from server.gateway.baseline import Baseline
from server.gateway.bodies import Bodies
from server.gateway.events import messages_of
from server.gateway.interest import Interest
from server.gateway.news import News
from server.gateway.prebuilt import Plan, Prebuilt
from server.gateway.streams import Streams
from server.net import frames

__all__ = ["Shared", "Tails"]


@attrs.define(eq=False)
class Tails:
    """What follows the snapshot of a tick: events by interest, then what all are told."""

    _news: News
    _broadcast: bytes
    _made: dict[Interest, bytes] = attrs.field(factory=dict, init=False)

    def __bool__(self) -> bool:
        """Whether anybody is told anything."""
        return bool(self._news or self._broadcast)

    def of(self, interest: Interest) -> bytes:
        """As frames, one after the other."""
        if not self:
            return b""
        tail = self._made.get(interest)
        if tail is None:
            events = [frames.frame(message) for message in messages_of(self._news.of(interest))]
            tail = self._made[interest] = b"".join((*events, self._broadcast))
        return tail


class Shared:
    """The frames of one tick, by interest."""

    def __init__(
        self, tick: int, bodies: Bodies, previous: Baseline, streams: Streams, tails: Tails
    ) -> None:
        self._tick = tick
        self._bodies = bodies
        self._previous = previous
        self._streams = streams
        self._tails = tails
        self._head = snapshot_head(tick)
        self._groups: dict[Interest, bytes | None] = {}
        self._built: Prebuilt | None = None
        self._places: Mapping[Interest, int] = {}

    def prebuild(self, plan: Plan) -> Sequence[bytes]:
        """Make the frames of nearly all the plan's interests at once: those of `frame`, in its
        order, and nothing for those that must be made, or looked at, alone.
        """
        self._built = self._bodies.prebuilt(plan, self._head) if self._streams.calm else None
        if self._built is None:
            return [b""] * len(plan.interests)
        self._places = plan.places
        frames = self._built.frames()
        bound = self._streams.budget_bytes
        if max(map(len, frames), default=0) > bound:
            frames = [frame if len(frame) <= bound else b"" for frame in frames]
        if self._tails:
            tail = self._tails.of
            frames = [f and f + tail(i) for f, i in zip(frames, plan.interests, strict=True)]
        return frames

    def frame(self, interest: Interest, report: tuple[int, int] | None = None) -> bytes:
        """What a link on time is sent; nothing if its interest is not told all at every tick."""
        groups = self._groups_of(interest)
        return b"" if groups is None else self.framed(interest, groups, report)

    def framed(self, interest: Interest, groups: bytes, report: tuple[int, int] | None) -> bytes:
        """A snapshot of these groups as a frame, and what follows it."""
        head = self._head if report is None else snapshot_head(self._tick, report)
        return frames.frame(head, groups) + self._tails.of(interest)

    def with_report(self, frame: bytes, report: tuple[int, int]) -> bytes:
        """A frame of `frame` with a report in its head."""
        start, end = frames.payload_of(frame)
        head = snapshot_head(self._tick, report)
        return frames.frame(head, frame[start + len(self._head) : end]) + frame[end:]

    def _groups_of(self, interest: Interest) -> bytes | None:
        """None for an interest that is not told everything at every tick."""
        if interest not in self._groups:
            self._groups[interest] = self._prebuilt(interest) or self._made(interest)
        return self._groups[interest]

    def _prebuilt(self, interest: Interest) -> bytes | None:
        place = self._places.get(interest)
        if place is None or self._built is None:
            return None
        fits = 0 < self._built.size(place) <= self._streams.budget_bytes
        return self._built.groups(place) if fits else None

    def _made(self, interest: Interest) -> bytes | None:
        """The groups for an interest by itself, or None."""
        if self._streams.of(interest) is not None:
            return None
        groups = self._bodies.shared(interest)
        if self._streams.crowded(interest, len(groups), self._previous.positions):
            return None
        return groups
