"""The gateway's core: synchronous, and without a clock of its own.

It is told of links (`connect`), of what the bus brings (`frame`, `bulletin`, `mail`) and of time
(`poll` for what clients sent, `compose` once per tick), and reacts at these calls only. A link that
misbehaves is closed with a reason; nothing that a client sends raises out of here.

Must not know: the simulation, sockets, trio.
"""

from collections.abc import Callable, Iterator, Mapping
from math import inf
from types import MappingProxyType
from typing import Final

from protocol.errors import CloseCode
from protocol.messages import Message, Ping, Welcome, encode
from protocol.parts import PartTable
from server.gateway import limits
from server.gateway.answers import Answers
from server.gateway.bulletins import Bulletins
from server.gateway.config import GatewayConfig, GatewayStatistics
from server.gateway.cuts import Cuts
from server.gateway.departure import Departure
from server.gateway.detached import Detached
from server.gateway.fanout import FanOut, FanOutCounters
from server.gateway.feeds import Feeds
from server.gateway.following import Follow, Following
from server.gateway.handshake import Handshake, Terms
from server.gateway.intake import Intake
from server.gateway.interest import Interests
from server.gateway.lateness import AwakeClock, Flows
from server.gateway.links import LinkState, Phase
from server.gateway.news import News
from server.gateway.ontime import OnTime
from server.gateway.post import Post, Publish
from server.gateway.pulse import Pulse
from server.gateway.reminders import Reminders
from server.gateway.roster import Roster
from server.gateway.scores import ScoreBoard
from server.gateway.sessions import Sessions
from server.gateway.streams import Streams
from server.net.frames import frame as whole_frame
from server.net.link import Link
from server.shard.space import Partition

__all__ = ["NO_OWNERS", "Gateway", "GatewayConfig", "GatewayStatistics"]

NO_OWNERS: Mapping[int, PartTable] = MappingProxyType({})
SHOWN: Final = 8  # shards that are named when they are away


class Gateway:
    """Holds the links of one gateway and joins them to the shards of one world.

    `owners` are the tables of those shards that live in this process. With `follow` the frames of
    few shards are wanted, and it is called with those whenever they are others; else those of all.
    """

    def __init__(
        self,
        config: GatewayConfig,
        publish: Publish,
        owners: Mapping[int, PartTable] = NO_OWNERS,
        *,
        follow: Follow | None = None,
    ) -> None:
        geometry = config.geometry
        self._config = config
        self._post = Post(publish, config.world, config.name)
        self._pulse = Pulse(geometry.shards)
        self._bulletins = Bulletins(config.schema, self._pulse)
        self._feeds = Feeds(config.schema, geometry, self._pulse, self._post, owners)
        self._interests = Interests(geometry, config.schema.rings)
        self._sessions = Sessions(self._interests, self._post)
        self._detached = Detached()
        self._reminders = Reminders(geometry.shards)
        self._flows = Flows(config.schema.hz, config.client_bytes_per_s)
        self._on_time = OnTime()
        self._roster = Roster(
            self._sessions,
            self._interests,
            self._detached,
            self._flows,
            self._on_time,
            self._reminders,
            self._welcome,
            config.clients_max,
            turns=max(1, round(limits.PING_EVERY_S * config.schema.hz)),
        )
        terms = Terms(world=config.world, shards=geometry.shards, reveal=config.reveal)
        self._handshake = Handshake(
            terms, self._post, config.tokens, self._roster, self._pulse.whole_for
        )
        self._intake = Intake(
            config.schema, self._roster, self._handshake, self._sessions, self._post
        )
        self._answers = Answers(
            self._handshake, self._roster, self._sessions, self._detached, self._reminders
        )
        self._following = Following(
            geometry.shards,
            self._feeds,
            self._bulletins,
            self._sessions,
            self._interests,
            self._detached,
            follow,
        )
        self._cuts = Cuts(
            Partition.of(geometry),
            self._feeds,
            self._following,
            self._handshake,
            self._interests,
            self._on_time,
            self._pulse,
            self._reminders,
            self._roster,
        )
        self._scores = ScoreBoard()
        self._news = News()
        self._counters = FanOutCounters()
        self._streams = Streams(config.client_bytes_per_s / config.schema.hz)
        self._clock = AwakeClock()
        self._waiting: list[tuple[Callable[[bytes, float], None], bytes]] | None = None
        self._departure: Departure | None = None
        self._seek_at = -inf

    # --- what comes in ---------------------------------------------------------------------------

    def connect(self, link: Link, now: float) -> LinkState:
        """Take a new link; it must say hello soon."""
        return self._roster.open(link, now)

    def frame(self, data: bytes, now: float) -> None:
        """Take a shard's frame from the bus. Damaged ones are dropped and asked for again."""
        if self._waiting is not None:
            self._waiting.append((self.frame, data))
            return
        frame = self._feeds.take(data, now)
        if frame is not None:
            self._sessions.take(frame)
            self._news.add(frame, self._config.schema, self._roster.awake_at)
            for session, heir in frame.handed:
                self._detached.handed(session, heir)

    def bulletin(self, data: bytes, now: float) -> None:
        """Take from the bus what a shard tells everybody. Damaged ones are dropped."""
        if self._waiting is not None:
            self._waiting.append((self.bulletin, data))
            return
        bulletin = self._bulletins.take(data, now)
        if bulletin is not None:
            self._news.add(bulletin, self._config.schema, self._roster.awake_at)
            if bulletin.scores is not None:
                self._scores.put(bulletin.shard, bulletin.scores)

    def mail(self, data: bytes, now: float) -> None:
        """Take a mail of a shard to this gateway from the bus."""
        if self._waiting is not None:
            self._waiting.append((self.mail, data))
            return
        for resynced in self._answers.take(data):
            self.frame(resynced.frame, now)

    def poll(self, now: float) -> None:
        """Take what clients sent and what time has brought, and send what shards must know."""
        self._roster.awake_at = self._clock.advance(now)
        self._poll_links(now)
        self._handshake.tick(now)
        for shard, fact in self._detached.due(self._sessions.owner, now):
            if shard is None:
                self._post.ask_all(fact)
            else:
                self._post.add(shard, fact)
        for owner, question in self._reminders.due(now, self._roster.awake_at):
            self._post.add(owner, question)
        self._seek(now)
        self._pulse.beat(now)
        if self._waiting is None:  # else it is composed from what is followed
            self._cuts.foresee(now)
            self._following.settle(now)
        self._feeds.mend(now)
        self._post.flush(self._feeds.by_shard, now)

    def _seek(self, now: float) -> None:
        """Look for sessions of which no frame says where they are."""
        if self._following.selects and now - self._seek_at >= limits.SEEK_AFTER_S:
            self._seek_at = now
            for question in self._sessions.astray(now):
                self._post.ask_all(question)

    def _poll_links(self, now: float) -> None:
        roster, receive = self._roster, self._intake.receive
        for state in roster.take_ready():
            for data in state.link.drain():
                receive(state, data, now)
            if state.link.closed is not None and state.phase is not Phase.CLOSED:
                roster.lost(state)
        for state in roster.owing():
            roster.flush(state)
        for state in roster.take_overdue(now):
            roster.drop(state, CloseCode.HELLO_TIMEOUT, "no hello")

    def cut_anew(self, partition: Partition) -> None:
        """Take up a partition before the snapshots of the first tick for which it holds."""
        self._cuts.announce(partition)

    # --- what goes out ---------------------------------------------------------------------------

    def awaits_frames(self, tick: int) -> bool:
        """Whether a shard that is followed, and runs at `tick`, has not been heard of since."""
        return any(feed.runs(tick) and feed.tick < tick for feed in self._feeds.awaited)

    def compose(self, tick: int, now: float) -> None:
        """Write the snapshots of `tick` to all links."""
        for _ in self.compose_steps(tick, now):
            pass

    def compose_steps(self, tick: int, now: float) -> Iterator[None]:
        """Like `compose`, pausing after every few links so that other work can be done.

        Frames and mail that come in a pause are taken after the last link. When shards are ahead of
        `tick`, theirs counts. A tick that is not newer than the last one composed is nothing to do.
        """
        tick = max(tick, self._feeds.newest_tick)
        if tick <= self._on_time.baseline.tick:
            return
        awake = self._roster.awake_at = self._clock.advance(now)
        self._cuts.hold(tick, now)
        self._address_news()
        fan_out = FanOut(
            tick,
            self._on_time,
            self._flows,
            self._feeds.by_shard,
            news=self._news,
            counters=self._counters,
            streams=self._streams,
            broadcast=self._scores_frame(now),
        )
        fan_out.prepare(self._sessions.take_moved())
        self._waiting = []
        try:
            yield from fan_out.write_on_time(awake)
            yield from self._write_others(fan_out, awake)
            fan_out.finish(awake)
        finally:
            self._finish(now)
        ping = whole_frame(encode(Ping(int(now * 1000))))
        for state in self._roster.turn(tick):
            if state.phase is Phase.PLAYING:
                self._look_after(state, ping, awake)

    def _write_others(self, fan_out: FanOut, awake: float) -> Iterator[None]:
        for place, state in enumerate(list(self._on_time.others.values())):
            if state.phase is Phase.PLAYING:
                fan_out.write_other(state, awake)
                if state.events.take_overflow() and state.session is not None:
                    self._reminders.begin(state, state.session)
            if place % limits.LINKS_PER_STEP == limits.LINKS_PER_STEP - 1:
                yield

    def _finish(self, now: float) -> None:
        self._on_time.finish()
        self._streams.settle()
        self._feeds.composed()
        self._news = News()
        waiting, self._waiting = self._waiting or [], None
        for take, data in waiting:
            take(data, now)
        self._following.settle(now)

    def _look_after(self, state: LinkState, ping: bytes, awake: float) -> None:
        """Every two seconds: whether the link is alive, and how far away."""
        if state.interest is not None and state.flow.silent(awake):
            self._roster.drop(state, CloseCode.POLICY, "nothing was read for too long")
        elif not state.flow.late(awake):
            self._roster.push(state, ping)
        if state.damaged:
            state.be_special()

    def _address_news(self) -> None:
        """Who is addressed needs more than the body that others share."""
        for entity in self._news.addressed:
            state = self._sessions.link_of_entity(entity)
            if state is not None:
                state.be_special()

    def _scores_frame(self, now: float) -> bytes:
        message = self._scores.due(now)
        return whole_frame(message) if message else b""

    def _welcome(self, state: LinkState) -> Message:
        config, playing = self._config, state.session
        return Welcome(
            session=playing.session if playing else 0,
            token=state.token.data if state.token else b"",
            hz=config.schema.hz,
            tick=self._on_time.baseline.tick,
            entity=playing.entity if playing else 0,
            schema=config.schema.data,
            geometry=self._cuts.present.geometry.to_data(),
            observer=state.observer,
            conditions=config.conditions,
        )

    def __len__(self) -> int:
        """How many links are open."""
        return len(self._roster)

    # --- ending ----------------------------------------------------------------------------------

    def unready(self, now: float) -> str | None:
        """Why no new client should be sent here, None when it may be."""
        if self._roster.draining:
            return "draining"
        if self._roster.full:
            return "full"
        away = self._pulse.away(now)
        if away:
            shown = ", ".join(str(shard) for shard in away[:SHOWN])
            return f"{len(away)} of {len(self._pulse.awaited)} shards are away: {shown}"
        return None

    def drain(self) -> None:
        """Admit nobody from now on."""
        self._roster.draining = True

    def depart(self, reason: str, now: float, ends_at: float) -> None:
        """Admit nobody, and send everybody elsewhere from `now` to `ends_at`, after each tick."""
        self.drain()
        self._departure = Departure(self._roster, reason, begins_at=now, ends_at=ends_at)

    def part(self, now: float) -> None:
        """After snapshots were written: say goodbye to those whose time has come."""
        if self._departure is not None:
            self._departure.some(now)

    def goodbye(self, code: CloseCode, reason: str, retry_s: float = 0.0) -> None:
        """Close every link with `reason`."""
        for state in self._roster.all():
            self._roster.close(state, code, reason, retry_s)

    def statistics(self) -> GatewayStatistics:
        """How the gateway does."""
        fan_out, roster = self._counters, self._roster.counters
        return GatewayStatistics(
            clients=sum(state.phase is Phase.PLAYING for state in self._roster.all()),
            links=len(self._roster),
            ended=self._roster.ended,
            joins=roster.joins,
            resumes=roster.resumes,
            dropped=roster.dropped,
            snapshots=fan_out.snapshots,
            bytes=fan_out.bytes,
            late=fan_out.late,
            exceptions=fan_out.exceptions,
            gaps=self._feeds.gaps,
            detached=len(self._detached),
            followed=len(self._feeds.by_shard),
            inputs=self._intake.inputs,
        )
