"""A small world around the gateway's core: puppet shards that publish what a test tells them, and
clients that decode with the real replica. No simulation, no sockets, no clock.
"""

from collections import Counter
from collections.abc import Callable

import attrs
import numpy as np
import pytest

from protocol import cbor, messages
from protocol.connection import Connection
from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.listing import SessionColumns, difference
from protocol.messages import Role
from protocol.news import Bulletin, FrameEvent, Scope
from protocol.parts import KindRows, PartTable
from protocol.replica import Replica
from protocol.schema import Schema
from server.gateway.core import Gateway, GatewayConfig
from server.gateway.tokens import TokenMaker
from server.net.memory import MemoryPair
from server.shard import limits as shard_limits
from server.shard import mail

HZ = 20
FIELDS = [
    {"name": "x", "type": "u16", "lo": 0.0, "step": 0.25, "axis": 0},
    {"name": "y", "type": "u16", "lo": 0.0, "step": 0.25, "axis": 1},
    {"name": "hp", "type": "u8", "lo": 0.0, "step": 1.0, "axis": None},
]
AIM = [{"name": "angle", "type": "u8", "lo": 0.0, "step": 1.0}]
DESCRIPTION = {
    "game": "dots",
    "hash": "0123456789abcdef",
    "hz": HZ,
    "size": [1024.0, 512.0],
    "cell": 64.0,
    "interest": [64.0, 200.0],
    "jump": 64.0,
    "kinds": [{"name": "Dot", "fields": FIELDS, "course": None, "private": AIM, "motion": None}],
    "inputs": [{"name": "Aim", "once": False, "fields": AIM}],
    "events": [
        {"name": "Spark", "durable": False, "fields": AIM},
        {"name": "Prize", "durable": True, "fields": AIM},
    ],
}
SPARK, PRIZE = 0, 1


@attrs.define
class Dot:
    x: float
    y: float
    hp: int = 100


@attrs.define
class Row:
    """A session as its owner lists it."""

    entity: int
    gateway: str = "g0"
    hop: int = 0
    generation: int = 1
    cls: int = 0
    applied: int = 0


class PuppetShard:
    """Publishes the entities in its rectangle and the sessions that it was given."""

    def __init__(self, world: "World", shard: int, epoch: int = 1) -> None:
        self.world = world
        self.id = shard
        self.table = PartTable(world.schema, world.geometry)
        self.table.epoch = epoch
        self.handles: dict[int, int] = {}
        self.rows: dict[int, Row] = {}
        self.inputs: list[mail.Input] = []
        self.items: list[mail.Item] = []
        self.events: list[FrameEvent] = []
        self.far: list[FrameEvent] = []  # for everybody, by bulletin
        self.privates: list[tuple[int, bytes]] = []
        self.handed: list[tuple[int, int]] = []
        self.scores: list[tuple[int, str, int]] = []
        self.base = 0
        self.former = 0  # the epoch of who owned it, from whose last frame it goes on
        self.listed = SessionColumns.empty()
        self.answers = True
        self.guests: set[int] = set()  # shown here although they stand elsewhere
        self.hidden: set[int] = set()  # not shown here although they stand here
        self.proclaimed: list[tuple[int, bytes]] = []
        self.remembers = False  # whether it answers what it has proclaimed to who asks

    def step(self, tick: int) -> None:
        self._write(tick)
        self.world.publish(f"w.bulletin.{self.id}", self._bulletin(tick).encode())
        frame = self._frame(tick)
        if self.former:
            went_on = attrs.evolve(frame, base_epoch=self.former)
            self.world.publish(f"w.frame.{self.id}", went_on.encode())
            self.former = 0
        elif frame.base:
            sessions, gone = difference(self.listed, frame.sessions)
            changes = attrs.evolve(frame, sessions=sessions, gone=gone, complete=False)
            self.world.publish(f"w.frame.{self.id}", changes.encode())
        else:
            self.world.publish(f"w.frame.{self.id}", frame.encode())
        self.listed = frame.sessions
        self.base = tick
        self.events, self.far, self.privates, self.handed, self.scores = [], [], [], [], []

    def take(self, data: bytes) -> None:
        for item in mail.Mail.decode(data).items:
            self.items.append(item)
            if isinstance(item, mail.Join) and self.answers:
                self.world.enter(item)
            elif isinstance(item, mail.Input):
                self.inputs.append(item)
            elif isinstance(item, mail.Resync) and self.table.tick:
                self.world.publish("w.gateway.g0", self._resynced(item))
            elif isinstance(item, mail.Remind) and self.remembers:
                told = tuple(self.proclaimed[-shard_limits.EVENTS_REMEMBERED :])
                self.world.answer(item.answer(self.id, told))

    def spark(self, x: float, y: float, kind: int = SPARK) -> None:
        cell = self.world.geometry.cell_of(x, y)
        self.events.append(FrameEvent(kind, cbor.dumps([kind, 7]), Scope.CELL, cell))

    def tell(self, entity: int, kind: int = PRIZE, value: int = 9) -> None:
        self.events.append(FrameEvent(kind, cbor.dumps([kind, value]), Scope.ENTITY, entity))

    def shout(self) -> None:
        self.far.append(FrameEvent(SPARK, cbor.dumps([SPARK, 1]), Scope.WORLD))

    def proclaim(self, value: int) -> None:
        """Tell everybody of something durable."""
        fact, tick = cbor.dumps([PRIZE, value]), self.world.tick_number + 1
        self.events.append(FrameEvent(PRIZE, fact, Scope.WORLD, 0, tick, self.id))
        self.proclaimed.append((tick, fact))

    def _write(self, tick: int) -> None:
        geometry, schema = self.world.geometry, self.world.schema
        mine = {
            entity: dot
            for entity, dot in self.world.dots.items()
            if entity in self.guests
            or (
                entity not in self.hidden
                and geometry.shard_of(geometry.cell_of(dot.x, dot.y)) == self.id
            )
        }
        xs = np.array([dot.x for dot in mine.values()], float)
        ys = np.array([dot.y for dot in mine.values()], float)
        hps = np.array([dot.hp for dot in mine.values()], float)
        fields = {
            field.name: field.to_int(values).astype(field.dtype)
            for field, values in zip(schema.kinds[0].fields, (xs, ys, hps), strict=True)
        }
        rows = KindRows(
            handles=np.array([self.handles.get(entity, -1) for entity in mine], np.int64),
            ids=np.array(list(mine), np.uint64),
            cells=geometry.cells_of(xs, ys),
            fields=fields,
            course=None,
        )
        self.table.begin(tick, tick)
        self.table.write(tick, tick, 0, rows, {})
        self.table.finish()
        self.handles = dict(zip(mine, rows.handles.tolist(), strict=True))

    def _bulletin(self, tick: int) -> Bulletin:
        epoch = self.table.epoch
        return Bulletin(self.id, epoch, tick, events=self.far, scores=self.scores or None)

    def _frame(self, tick: int, base: int | None = None) -> Frame:
        base = self.base if base is None else base
        keys, blob, offsets = self.table.encode_changed(base or None)
        return Frame(
            shard=self.id,
            epoch=self.table.epoch,
            tick=tick,
            step=tick,
            base=base,
            tree_version=1,
            dilation=1000,
            keys=keys,
            offsets=offsets,
            blob=blob,
            sessions=self._columns(),
            privates=self.privates,
            events=self.events,
            handed=self.handed,
            kinds=1,
            cells=self.world.geometry.cells,
        )

    def _resynced(self, item: mail.Resync) -> bytes:
        frame = attrs.evolve(self._frame(self.table.tick, item.since), events=[])
        answer = mail.Resynced(self.id, (), frame.encode())
        return mail.Mail(f"shard-{self.id}", (answer,)).encode()

    def _columns(self) -> SessionColumns:
        listed = sorted(self.rows.items())
        geometry = self.world.geometry

        def centre(row: Row) -> int:
            dot = self.world.dots.get(row.entity)
            return -1 if dot is None else geometry.cell_of(dot.x, dot.y)

        return SessionColumns(
            session=np.array([session for session, _ in listed], np.uint64),
            entity=np.array([row.entity for _, row in listed], np.uint64),
            hop=np.array([row.hop for _, row in listed], np.uint32),
            generation=np.array([row.generation for _, row in listed], np.uint32),
            centre=np.array([centre(row) for _, row in listed], np.int32),
            cls=np.array([row.cls for _, row in listed], np.uint8),
            applied=np.array([row.applied for _, row in listed], np.uint32),
            margin=np.zeros(len(listed), np.int16),
        )


class PuppetClient:
    """A client that decodes everything, and acknowledges unless told otherwise."""

    def __init__(self, pair: MemoryPair) -> None:
        self.pair = pair
        self.connection = Connection(Role.CLIENT)
        self.welcome: messages.Welcome | None = None
        self.goodbye: messages.Goodbye | None = None
        self.replica: Replica | None = None
        self.raw: list[bytes] = []  # the snapshots' bytes, newest last
        self.snapshots: list[messages.Snapshot] = []
        self.events: list[tuple[int, ...]] = []
        self.scores: list[messages.Scores] = []
        self.pings = 0
        self.reads = True
        self.acknowledges = True
        self.seq = 0

    @property
    def entity(self) -> int:
        assert self.welcome is not None, "the client was not welcomed"
        return self.welcome.entity

    @property
    def session(self) -> int:
        assert self.welcome is not None, "the client was not welcomed"
        return self.welcome.session

    @property
    def closed(self) -> int | None:
        return self.pair.client.closed.code if self.pair.client.closed else None

    def say(self, message: messages.Message) -> None:
        self.pair.client.send(self.connection.send(message))

    def aim(self, angle: int, tick: int = 1) -> None:
        self.seq += 1
        self.say(messages.Input(seq=self.seq, tick=tick, kind=0, values=(angle,)))

    def seen(self) -> dict[int, tuple[float, float, int]]:
        """What the replica shows, comparable to `World.truth`."""
        assert self.replica is not None
        views = [self.replica[entity] for entity in self.replica.ids()]
        return {view.id: (view.x, view.y, int(view.hp)) for view in views if not view.held}

    def read(self) -> None:
        if self.reads:
            for data in self.pair.client.receive():
                self._take(data)

    def _take(self, data: bytes) -> None:
        message = self.connection.receive(data)
        match message:
            case messages.Welcome():
                self.welcome = message
                schema = Schema.from_data(message.schema)
                self.replica = Replica(schema, Geometry.from_data(message.geometry))
            case messages.Snapshot():
                assert self.replica is not None
                self.raw.append(data)
                self.snapshots.append(message)
                changes = self.replica.apply(message)
                assert not changes.mismatches, "the replica's CRCs agree with the truth"
                if self.acknowledges:
                    self.say(messages.Ack(message.tick))
            case messages.Events():
                self.events += message.events
            case messages.Scores():
                self.scores.append(message)
            case messages.Ping():
                self.pings += 1
                self.say(messages.Pong(message.stamp))
            case messages.Goodbye():
                self.goodbye = message


class World:
    """One gateway, its puppet shards and clients, and the time."""

    def __init__(
        self,
        shards: tuple[int, int] = (2, 1),
        *,
        reveal: bool = True,
        lends: bool = False,
        selects: bool = False,
        rings: tuple[float, ...] = (),
        budget: float = 1 << 20,
    ) -> None:
        self.schema = Schema.from_data(DESCRIPTION | {"rings": list(rings)})
        self.geometry = Geometry.grid(1024, 512, 64, [64.0, 200.0], shards=shards)
        self.dots: dict[int, Dot] = {}
        self.published: Counter[str] = Counter()
        self.lose: Callable[[str], bool] = lambda _: False
        rng = np.random.default_rng(1)
        config = GatewayConfig(
            name="g0",
            world="w",
            schema=self.schema,
            geometry=self.geometry,
            reveal=reveal,
            clients_max=100,
            client_bytes_per_s=budget,
            tokens=TokenMaker(rng.bytes),
        )
        self.shards = {shard: PuppetShard(self, shard) for shard in self.geometry.shards}
        lent = {number: shard.table for number, shard in self.shards.items()} if lends else {}
        self.followed: frozenset[int] = frozenset(() if selects else self.shards)
        follow = self.follow if selects else None
        self.gateway = Gateway(config, self.publish, lent, follow=follow)
        self.clients: list[PuppetClient] = []
        self.resumes: list[mail.Resume] = []
        self.tick_number = 0
        self.now = 0.0
        self.spawn: list[tuple[float, float, int]] = []
        self.counter = 0

    # --- what happens ----------------------------------------------------------------------------

    def tick(self, ticks: int = 1) -> None:
        for _ in range(ticks):
            self.tick_number += 1
            self.now = self.tick_number / HZ
            for client in self.clients:
                client.pair.advance(self.now)
                client.read()
            self.gateway.poll(self.now)
            for shard in self.shards.values():
                shard.step(self.tick_number)
            self.gateway.compose(self.tick_number, self.now)
            for client in self.clients:
                client.read()

    def add_dot(self, x: float, y: float, hp: int = 100) -> int:
        self.counter += 1
        self.dots[self.counter] = Dot(float(x) // 0.25 * 0.25, float(y) // 0.25 * 0.25, hp)
        return self.counter

    def connect(
        self,
        hello: messages.Hello | None = None,
        *,
        capacity: int = 1 << 20,
        delay_s: float = 0.0,
    ) -> PuppetClient:
        client = PuppetClient(MemoryPair(capacity=capacity, delay_s=delay_s, now=self.now))
        self.gateway.connect(client.pair.link, self.now)
        self.clients.append(client)
        if hello is not None:
            client.say(hello)
        return client

    def join(self, name: str, x: float, y: float, *, cls: int = 0, **pipe: float) -> PuppetClient:
        self.spawn.append((x, y, cls))
        client = self.connect(messages.Hello(name=name), **pipe)
        self.tick(2)
        return client

    def enter(self, join: mail.Join) -> None:
        """Answer a join: an entity where the test wants it, owned by the shard there."""
        known = [row for each in self.shards.values() for row in each.rows if row == join.session]
        if known:
            return
        x, y, cls = self.spawn.pop(0) if self.spawn else (500.0, 250.0, 0)
        entity = self.add_dot(x, y)
        owner = self.shards[self.geometry.shard_of(self.geometry.cell_of(x, y))]
        owner.rows[join.session] = Row(entity, cls=cls)
        self.answer(mail.Joined(join.session, entity, owner.id, 0, 1, self.tick_number))

    def answer(self, *items: mail.Item) -> None:
        self.publish("w.gateway.g0", mail.Mail("shard-0", items).encode())

    def resume(self, client: PuppetClient, **pipe: float) -> PuppetClient:
        """A new link of the same player, which asks for its session."""
        assert client.welcome is not None
        return self.connect(messages.Hello(name="", resume=client.welcome.token), **pipe)

    def grant(self, resume: mail.Resume) -> None:
        """Answer a resume as the owner would that finds the token good."""
        for shard in self.shards.values():
            row = shard.rows.get(resume.session)
            if row is not None:
                row.generation += 1
                self.answer(
                    mail.Resumed(
                        resume.session,
                        row.entity,
                        shard.id,
                        row.hop,
                        row.generation,
                        self.tick_number,
                        row.applied,
                        resume.next_hash,
                    )
                )

    # --- the bus ---------------------------------------------------------------------------------

    def follow(self, shards: frozenset[int]) -> None:
        self.followed = shards

    def publish(self, subject: str, data: bytes) -> None:
        self.published[subject] += 1
        if self.lose(subject):
            return
        _, room, *rest = subject.split(".")
        match room:
            case "frame" if int(rest[0]) in self.followed:
                self.gateway.frame(data, self.now)
            case "bulletin":
                self.gateway.bulletin(data, self.now)
            case "gateway":
                self.gateway.mail(data, self.now)
            case "inbox":
                self.shards[int(rest[0])].take(data)
            case "resume":
                self.resumes += mail.Mail.decode(data).items

    # --- the truth -------------------------------------------------------------------------------

    def truth(self, client: PuppetClient) -> dict[int, tuple[float, float, int]]:
        """What `client` ought to see: exactly the dots in its interest."""
        for shard in self.shards.values():
            row = shard.rows.get(client.session)
            if row is not None:
                mine = self.dots[row.entity]
                centre = self.geometry.cell_of(mine.x, mine.y)
                cells = set(self.geometry.interest_cells(centre, row.cls))
                return {
                    entity: (dot.x, dot.y, dot.hp)
                    for entity, dot in self.dots.items()
                    if self.geometry.cell_of(dot.x, dot.y) in cells
                }
        raise KeyError(client.session)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def make_world() -> type[World]:
    return World
