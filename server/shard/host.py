"""The shard itself: one world, stepped at most once per tick, between its mail and its frame.

`tick` is synchronous and knows no clock: it takes what has arrived (mail, other shards' outs,
neighbours' frames), advances the world, publishes one frame, cuts out who crossed the border, and
leaves a commit for whoever makes ticks durable. Arrivals only fill buffers; everything happens at
the tick.

Invariants:
- What a tick consumed is in its commit's record, so that the record replays to the same world.
- An entity is cut out only while the journal keeps up; its out is appended after the record of its
  tick, and until that is durable the shard publishes it as a guest.
- Promises (joined, resumed, durable events) go out only after their tick is durable.

Must not know: the schedule, trio, sockets, gateways' inner life.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from protocol import cbor
from protocol.parts import PartTable
from protocol.schema import Schema
from server.cluster.seams import Bus
from server.shard import limits
from server.shard.arrivals import Arrival, Arrivals, Progress
from server.shard.bookkeeping import Bookkeeper, Happened
from server.shard.census import Census, Counting
from server.shard.commands import Commands
from server.shard.commit import Commit
from server.shard.config import ShardConfig, ShardStatistics
from server.shard.desk import Asked, Desk
from server.shard.durability import Durability
from server.shard.founding import first_world
from server.shard.ghosts import Ghosts, ghost_forms
from server.shard.guests import Guests
from server.shard.handoff import Departure, Handoff
from server.shard.inbox import Inbox, Taken
from server.shard.mail import Mail, Remind, Resync, inbox_subject, shard_sender, taken_subject
from server.shard.newsroom import Newsroom
from server.shard.outbox import CommandParcel, EntityParcel, Out, Outbox
from server.shard.post import Post
from server.shard.publisher import Publisher
from server.shard.recall import Recall
from server.shard.record import TickRecord
from server.shard.saved import Saved
from server.shard.schedule import FULL_SPEED
from server.shard.sessions import Session, SessionTable
from server.shard.showing import Showing
from server.shard.space import Partition, Space
from sim.engine import Export, InputIn, TickInput, TickOutput
from sim.game import Game
from sim.ghosts import Ghosts as GhostColumns

__all__ = ["Shard", "ShardConfig", "ShardStatistics"]


class Shard:
    """One shard of a world, driven from outside tick by tick."""

    def __init__(
        self,
        game: Game,
        schema: Schema,
        bus: Bus,
        config: ShardConfig,
        saved: bytes | None = None,
    ) -> None:
        geometry, shard = config.geometry, config.shard
        self.config = config
        self.id = shard
        self.dilation = FULL_SPEED
        self.schema = schema
        self.game = game
        kept = None if saved is None else Saved.decode(saved)
        self.world = first_world(game, config, kept)
        self._space = space = Space(config.present, shard, game.reach)
        self._bus = bus
        self._once = frozenset(i for i, form in enumerate(schema.inputs) if form.once)
        self._inbox = Inbox(bus, config.world, shard, space.neighbours)
        self._post = Post(bus, config.world, shard)
        self.sessions = SessionTable(config.grace_ticks)
        self._desk = Desk(shard, schema, self.sessions, self._post)
        self._ghosts = Ghosts(schema, geometry, ghost_forms(game, schema), space.region, self._ask)
        self._outbox = Outbox()
        self._arrivals = Arrivals()
        self._handoff = Handoff(space, self.world, self.sessions, self._outbox)
        self._commands = Commands(
            self.world, self._outbox, self._handoff.forwarding, self._ghosts.owner
        )
        self._queued: list[tuple[int, str, dict[str, Any]]] = []
        self._newsroom = Newsroom(schema, space, shard, recap_ticks=max(1, round(game.hz)))
        self._publisher = Publisher(
            schema,
            config,
            space,
            bus,
            world=self.world,
            sessions=self.sessions,
            handoff=self._handoff,
            newsroom=self._newsroom,
            post=self._post,
        )
        self._counting = Counting() if config.counting else None
        self._durability = Durability()
        self._recall = Recall(
            self.world,
            sessions=self.sessions,
            arrivals=self._arrivals,
            handoff=self._handoff,
            desk=self._desk,
            commands=self._commands,
            outbox=self._outbox,
            newsroom=self._newsroom,
            counting=self._counting,
        )
        self._books = Bookkeeper(
            self.world,
            config,
            space,
            outbox=self._outbox,
            arrivals=self._arrivals,
            sessions=self.sessions,
            recall=self._recall,
            durability=self._durability,
        )
        if kept is not None:
            self._recall.load(kept)

    # --- one tick --------------------------------------------------------------------------------

    def tick(self, tick: int) -> None:
        """Step once, publish the frame of `tick`, and leave its commit."""
        self._outbox.begin(tick)
        before, self.world.bounds = self.world.bounds, self._space.bounds
        taken = self._inbox.take()
        arrived = self._arrivals.take(tick, self._commands.knows)
        for queued in self._queued:
            self._commands.send(*queued)
        self._queued.clear()
        coming = self._receive(tick, arrived)
        asked = self._read(tick, taken)
        inputs, applied = self.sessions.take_inputs(tick, self._once)
        given = TickInput(
            tick,
            self.world.step + 1,
            joins=[(session.id, session.name) for session in asked.joins],
            leaves=asked.leaves,
            inputs=[InputIn(number, due.kind, due.values, due.view) for number, due in inputs],
            commands=self._commands.take(),
            arrivals=[(parcel.body, tick - parcel.tick) for parcel in coming.values()],
            ghosts=self._ghost_columns(tick, coming),
        )
        output = self.world.advance(given)
        self._note(tick, asked, output)
        exports = self._publisher.publish(
            tick,
            durable_tick=self._durability.durable_tick,
            dilation=self.dilation,
            resyncs=asked.resyncs,
        )
        departures = self._cut(tick, exports)
        for command in output.commands:
            self._commands.send(*command)
        bounds = None if before == self._space.bounds else self._space.bounds
        happened = Happened(given, arrived, departures, asked.leaves, applied, bounds)
        self._books.leave_commit(happened)
        self._post.flush(tick)

    def _receive(self, tick: int, arrived: Sequence[Arrival]) -> dict[int, EntityParcel]:
        """Take in sessions and commands; gives the entities that arrive."""
        coming = {
            arrival.parcel.entity: arrival.parcel
            for arrival in arrived
            if isinstance(arrival.parcel, EntityParcel)
        }
        self._handoff.returned(coming)
        for parcel in coming.values():
            if parcel.session is not None:
                session = Session.from_data(parcel.session, tick)
                session.hop += 1
                self._desk.arrived(session)
        for arrival in arrived:
            if isinstance(arrival.parcel, CommandParcel):
                self._commands.receive(arrival.parcel, coming)
        return coming

    def _read(self, tick: int, taken: Taken) -> Asked:
        """Do what mail asks, and note what other shards took and published."""
        for shard, number in taken.acknowledged:
            self._outbox.taken(shard, number)
        for frame in taken.frames:
            self._ghosts.offer(frame)
        self._desk.open(tick)
        for mail in taken.mail:
            self._desk.take(mail)
        return self._desk.close()

    def _ghost_columns(self, tick: int, coming: Mapping[int, EntityParcel]) -> list[GhostColumns]:
        if not self._space.region:
            return []
        here = {*self.world.owned_ids(), *coming}
        in_transit = set(self._outbox.in_transit())
        return self._ghosts.columns(tick, self.world.step, here=here, in_transit=in_transit)

    def _note(self, tick: int, asked: Asked, output: TickOutput) -> None:
        """Take in what the step did besides state."""
        for number, entity in self.world.take_bound().items():
            session = self.sessions.get(number)
            if session is not None:
                self.sessions.bind(session, entity)
        for session in asked.joins:
            self._desk.entered(session)
        self._publisher.remind(tick, asked.reminders)
        if self._counting is not None:
            self._counting.note(output.created, output.destroyed)
        self._newsroom.report(tick, output.events, output.scores)

    def _cut(self, tick: int, exports: Sequence[Export]) -> list[Departure]:
        if self._durability.lag_ticks > limits.HANDOFF_LAG_TICKS:
            return []  # the journal is not accepting: nobody may be between two shards for long
        departures, batches = self._handoff.cut(tick, exports)
        if self._space.region:
            self._ghosts.linger(batches)
        for departure in departures:
            if departure.session is not None:
                self._desk.moved(departure.session, departure.to, tick)
        return departures

    # --- space -----------------------------------------------------------------------------------

    def move(self, partition: Partition) -> None:
        """The world is cut so from the next tick on."""
        space = self._space
        space.move(partition)
        self._inbox.watch(space.neighbours)
        self._ghosts.watch(space.region)

    @property
    def sources(self) -> tuple[int, ...]:
        """The other shards, whose outs may be for this one."""
        return self._space.others

    @property
    def partition(self) -> Partition:
        """How the world is cut, as far as this shard knows."""
        return self._space.partition

    def rests(self, tick: int) -> bool:
        """Whether nothing would come of stepping at `tick`."""
        if not self._space.homeless or tick % limits.REST_TICKS == 0:
            return False
        waiting = self._queued or not self._arrivals.is_empty or not self._inbox.is_empty
        here = len(self.sessions) or len(self._handoff.guests) or self.world.owned_ids()
        return not waiting and not here

    # --- recovery --------------------------------------------------------------------------------

    def checkpoint(self) -> bytes:
        """Everything that the ticks to come depend on, as it is after the newest one."""
        return self._books.checkpoint()

    def leave_checkpoints(self, every: int, *, next_too: bool = False) -> None:
        """From now on leave one in so many ticks, if any are left, and at the `next_too`."""
        self._books.leave_checkpoints(every, next_too=next_too)

    def replay(self, record: TickRecord) -> tuple[Out, ...]:
        """Take a recorded step again, before the first tick; the outs that it made.

        Raises DivergenceError if it leads elsewhere than it did.
        """
        return self._recall.replay(record)

    def be_shown(self) -> Showing:
        """From now on `replay` keeps what the frames need that this makes."""
        self._recall.showing = self._publisher.showing()
        return self._recall.showing

    def skip_mail(self) -> None:
        """Pass over what came until now: whoever owned the shard has taken it."""
        self._inbox.skip()

    def go_on(self, epoch: int | None = None, published: PartTable | None = None) -> None:
        """The next thing is a tick, under another `epoch` if given.

        Receivers go on from the parts as they were `published` last, or else begin anew.
        """
        if published is not None:
            self._publisher.go_on_from(published)
        if epoch is not None:
            self.config = attrs.evolve(self.config, epoch=epoch)
            self.table.epoch = epoch
        self._recall.go_on()

    @property
    def out_numbers(self) -> Mapping[int, int]:
        """The number of the last out for each destination."""
        return self._outbox.numbers

    # --- durability ------------------------------------------------------------------------------

    def take_commits(self) -> list[Commit]:
        """The commits to append, oldest first; each is given once, `committed` answers it."""
        return self._durability.take()

    def committed(self, tick: int) -> None:
        """All ticks up to `tick` are durable: keep what was promised."""
        for source, number in self._durability.committed(tick).items():
            subject = taken_subject(self.config.world, source)
            self._bus.publish(subject, cbor.dumps([self.id, number]))
        self._post.durable(tick)
        self._newsroom.durable(tick)

    @property
    def lag_ticks(self) -> int:
        """How many ticks were stepped and are not durable."""
        return self._durability.lag_ticks

    @property
    def stalled(self) -> bool:
        """Whether the shard must not step, because the journal is too far behind."""
        return self._durability.lag_ticks >= limits.COMMIT_LAG_TICKS

    # --- other shards' outs ----------------------------------------------------------------------

    def deliver(self, source: int, position: int, data: bytes) -> bool:
        """Keep an out of `source` for a later tick; False if there is no room: offer it again."""
        return self._arrivals.offer(source, position, data)

    def followed(self, source: int) -> int:
        """The position in the journal of `source` up to which its outs were taken."""
        return self._arrivals.progress.get(source, Progress()).position

    @property
    def acknowledged(self) -> Mapping[int, int]:
        """The number of the last out that each destination has taken, durably."""
        return self._outbox.acknowledged

    # --- for operators and tests -----------------------------------------------------------------

    @property
    def table(self) -> PartTable:
        """The parts as they are published, for readers in this very process."""
        return self._publisher.table

    @property
    def guests(self) -> Guests:
        """The entities that were cut out and are still published by this shard."""
        return self._handoff.guests

    def command(self, target: int, name: str, **args: Any) -> None:
        """Have a command done in the next tick, or later where the entity is elsewhere."""
        self._queued.append((target, name, args))

    def drain(self) -> None:
        """Take no further joins."""
        self._desk.draining = True

    def retire(self) -> None:
        """Receive nothing more: the shard belongs to somebody else."""
        self._inbox.close()

    def census(self) -> Census:
        """Who is where after the newest tick. Raises RuntimeError unless configured to count."""
        if self._counting is None:
            raise RuntimeError("this shard does not count: ShardConfig(counting=True)")
        return self._counting.census(self.id, self.world, self._outbox)

    def statistics(self) -> ShardStatistics:
        """The shard after its newest tick."""
        return ShardStatistics(
            shard=self.id,
            tick=self.world.tick,
            step=self.world.step,
            entities=len(self.world.owned_ids()),
            sessions=len(self.sessions),
            ghosts=self._ghosts.count,
            guests=len(self._handoff.guests),
            crossings=self._outbox.sent_entities,
            journal_lag_ticks=self._durability.lag_ticks,
            frame_bytes=self._publisher.frame_bytes,
            record_bytes=self._books.record_bytes,
            checkpoint_bytes=self._books.checkpoint_bytes,
            duplicates=self._arrivals.duplicates,
            undeliverable=self._commands.undeliverable,
            malformed=self._inbox.malformed,
            resyncs=self._ghosts.resyncs,
            desk=self._desk.statistics(),
        )

    def _ask(self, shard: int, *questions: Resync | Remind) -> None:
        mail = Mail(shard_sender(self.id), questions)
        self._bus.publish(inbox_subject(self.config.world, shard), mail.encode())
