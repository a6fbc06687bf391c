"""A tiny game that crosses borders all the time, and its shards on memory, driven by hand."""

import itertools
from collections.abc import Callable
from typing import Annotated, Any

import attrs
import numpy as np
import pytest

from protocol import cbor
from protocol.frame import Frame
from protocol.geometry import Geometry
from protocol.listing import Listing
from protocol.news import Bulletin
from protocol.replica import Changes, Replica
from protocol.schema import Schema
from server.cluster.bus import MemoryBus
from server.cluster.journal import MemoryJournal
from server.shard.census import Tally, tally
from server.shard.commit import Commit, Writer
from server.shard.host import Shard, ShardConfig
from server.shard.mail import (
    Item,
    Mail,
    bulletin_subject,
    frame_subject,
    gateway_subject,
    inbox_subject,
)
from server.shard.space import Partition
from sim import Game, World, motion, owner_only, quant

SIZE = 512.0
SPEED = 60.0


def make_game(  # noqa: C901 - a game is declared in one place
    balls: int = 50, touch_until: int = 10**9
) -> Game:
    """Balls that bounce about and pass a light to whom they touch; players push themselves."""
    game = Game("balls", size=(SIZE, SIZE), cell=32, interest_radius=(96, 160), reach=40)
    coord = Annotated[float, quant(0, SIZE, step=1 / 16)]
    speed = Annotated[float, quant(-100, 100, step=1 / 4)]
    count = Annotated[int, quant(0, 2**20, 1)]

    @game.entity(motion=motion.Free(), ghost_fields=("light",))
    @attrs.define
    class Ball:
        x: coord
        y: coord
        vx: speed = 0
        vy: speed = 0
        light: count = 0
        given: count = 0

    @game.entity(ghost_fields=("hops",))
    @attrs.define
    class Frog:
        x: coord
        y: coord
        hops: count = 0

    @game.entity(motion=motion.Free())
    @attrs.define
    class Player:
        x: coord
        y: coord
        vx: speed = 0
        vy: speed = 0
        fired: count = 0
        secret: Annotated[int, quant(0, 2**16, 1), owner_only] = 0

    @attrs.frozen
    class Push:
        dx: Annotated[float, quant(-1, 1, 1 / 100)]
        dy: Annotated[float, quant(-1, 1, 1 / 100)]

    @attrs.frozen
    class Fire:
        pass

    @game.event
    @attrs.frozen
    class Flash:
        by: count

    @game.event(durable=True)
    @attrs.frozen
    class Medal:
        by: count

    @game.setup
    def fill(world: World) -> None:
        x0, y0, x1, y1 = world.bounds
        ids = np.arange(balls, dtype=np.uint64) + np.uint64(world.maker * 1000)
        x = world.rng.uniform(ids, "x", x0, x1)
        y = world.rng.uniform(ids, "y", y0, y1)
        vx = world.rng.uniform(ids, "vx", -SPEED, SPEED)
        vy = world.rng.uniform(ids, "vy", -SPEED, SPEED)
        for place in range(balls):
            world.spawn(Ball(x[place], y[place], vx[place], vy[place]))
        world.spawn(Frog((x0 + x1) / 2, (y0 + y1) / 2))

    @game.join
    def join(world: World, name: str) -> Player:
        return Player(SIZE / 2 - 40, 100)

    @game.on_input(Push)
    def push(world: World, me: Player, cmd: Push) -> None:
        me.vx, me.vy = SPEED * cmd.dx, SPEED * cmd.dy

    @game.on_input(Fire, once=True)
    def fire(world: World, me: Player, cmd: Fire) -> None:
        me.fired += 1
        me.secret += 3
        world.emit(Flash(me.fired), at=(me.x, me.y))
        world.emit(Medal(me.fired))

    @game.command
    def shine(world: World, me: Ball, amount: int) -> None:
        me.light += amount

    @game.system
    def bounce(world: World) -> None:
        table = world[Ball]
        table.vx = np.where(table.x < 8, abs(table.vx), table.vx)
        table.vx = np.where(table.x > SIZE - 8, -abs(table.vx), table.vx)
        table.vy = np.where(table.y < 8, abs(table.vy), table.vy)
        table.vy = np.where(table.y > SIZE - 8, -abs(table.vy), table.vy)
        turning = world.rng.uniform(table.id, "turn") < 0.02
        table.vx = np.where(turning, world.rng.uniform(table.id, "tx", -SPEED, SPEED), table.vx)
        table.vy = np.where(turning, world.rng.uniform(table.id, "ty", -SPEED, SPEED), table.vy)

    @game.system
    def hop(world: World) -> None:
        frogs = world[Frog]
        if len(frogs) and world.step % 7 == 0:
            frogs.x = world.rng.uniform(frogs.id, "fx", 0, SIZE)
            frogs.y = world.rng.uniform(frogs.id, "fy", 0, SIZE)
            frogs.hops = frogs.hops + 1

    @game.system
    def touch(world: World) -> None:
        """Each ball gives a light to the next one at hand, wherever it lives."""
        if world.step > touch_until:
            return
        everyone, given = world.everyone(Ball), world[Ball].given
        for place in range(0, everyone.owned, 10):
            gap = abs(everyone.x - everyone.x[place]) + abs(everyone.y - everyone.y[place])
            gap[place] = np.inf
            other = int(np.argmin(gap))
            if gap[other] < 30:
                world.command(int(everyone.id[other]), shine, amount=1)
                given[place] += 1

    @game.interest(Player)
    def eyes(players: Any) -> Any:
        return (players.fired > 2).astype(int)

    return game


@attrs.define
class Watcher:
    """What a gateway would hold: a replica fed by every frame, and the mail that came."""

    name: str
    replica: Replica
    frames: Any
    inbox: Any
    latest: dict[int, Frame] = attrs.field(factory=dict)
    listings: dict[int, Listing] = attrs.field(factory=dict)
    bulletins: Any = None
    told: dict[int, list[Bulletin]] = attrs.field(factory=dict)
    mail: list[Item] = attrs.field(factory=list)
    crc_checks: int = 0

    def follow(self) -> list[Frame]:
        """Apply everything that was published; fails if a frame is missed or a CRC differs."""
        frames = [Frame.decode(message.data) for message in self.frames.take_nowait()]
        for frame in frames:
            known = self.latest.get(frame.shard)
            assert frame.base == (known.tick if known else 0), "a frame stands on the one before"
            self.apply(frame)
        self.told.clear()
        for message in self.bulletins.take_nowait():
            bulletin = Bulletin.decode(message.data)
            self.told.setdefault(bulletin.shard, []).append(bulletin)
        for message in self.inbox.take_nowait():
            self.mail += Mail.decode(message.data).items
        return frames

    def apply(self, frame: Frame) -> Changes:
        changes = Changes()
        updates = [
            cbor.loads(frame.blob[start:end])
            for start, end in itertools.pairwise(frame.offsets.tolist())
        ]
        self.replica.tick = max(self.replica.tick, frame.tick)
        self.replica.apply_group(frame.shard, frame.epoch, frame.tick, frame.step, updates, changes)
        assert not changes.mismatches, f"parts of shard {frame.shard} differ at tick {frame.tick}"
        assert not changes.resync, f"shard {frame.shard} lost its footing at tick {frame.tick}"
        self.crc_checks += changes.crc_checks
        self.latest[frame.shard] = frame
        listing = self.listings.setdefault(frame.shard, Listing())
        if frame.complete:
            listing.begin(frame.sessions)
        else:
            listing.go_on(frame.sessions, frame.gone)
        return changes


class Cluster:
    """Shards of one world on a bus and a journal in memory; one call is one tick of all."""

    def __init__(
        self, game: Game, *, shards: tuple[int, int] = (2, 2), seed: int = 7, **config: Any
    ) -> None:
        self.game = game
        self.schema = Schema.from_data(game.describe())
        self.geometry = Geometry.grid(*game.size, game.cell, game.radii, shards)
        self.bus = MemoryBus()
        self.journal = MemoryJournal()
        self.watcher = self.watch("g1")
        self.now = 0
        self.shards: list[Shard] = []
        self.writers: list[Writer] = []
        self.held: list[tuple[Shard, Writer, Commit]] = []
        self.slow_journal = False
        self.unanswered: list[tuple[Shard, int]] = []
        self.slow_answers = False
        self.order: Callable[[list[Shard]], list[Shard]] = list
        self.partition = Partition.of(self.geometry)
        self._config = {"world": "w", "seed": seed, "counting": True, **config}
        for shard in self.geometry.shards:
            self._open(shard)

    def _open(self, shard: int) -> None:
        self.shards.append(self.make(shard, epoch=1))
        position = self.journal.claim_nowait(shard, 1)
        self.writers.append(Writer(self.journal, shard, position))

    def make(self, shard: int, epoch: int, saved: bytes | None = None) -> Shard:
        config = ShardConfig(
            shard=shard,
            epoch=epoch,
            geometry=self.geometry,
            partition=self.partition,
            **self._config,
        )
        return Shard(self.game, self.schema, self.bus, config, saved)

    def cut_anew(self, partition: Partition, *, all_know: bool = True) -> None:
        """Cut the world so; unless `all_know`, the shards are told by their `move`."""
        self.partition = partition
        for shard in partition.shards[len(self.shards) :]:
            self._open(shard)
        for shard in self.shards if all_know else ():
            shard.move(partition)

    def watch(self, name: str) -> Watcher:
        return Watcher(
            name,
            Replica(self.schema, self.geometry),
            self.bus.subscribe(frame_subject("w", "*"), buffer=100),
            self.bus.subscribe(gateway_subject("w", name), buffer=100),
            bulletins=self.bus.subscribe(bulletin_subject("w", "*"), buffer=100),
        )

    def tick(self, skip: frozenset[int] = frozenset()) -> None:
        """One tick: outs are delivered, shards step, what they did becomes durable."""
        self.now += 1
        for shard in self.shards:
            for source in shard.sources:
                after = shard.followed(source)
                for record in self.journal.follow_nowait(source, shard.id, after):
                    assert shard.deliver(source, record.position, record.data)
        for shard in self.order(self.shards):
            if shard.id not in skip and not shard.rests(self.now):
                shard.tick(self.now)
        for shard, writer in zip(self.shards, self.writers, strict=True):
            self.held += [(shard, writer, commit) for commit in shard.take_commits()]
        if not self.slow_journal:
            self.write()

    def write(self) -> None:
        """Make everything durable that was stepped."""
        for shard, writer, commit in self.held:
            writer.commit_nowait(commit)
            self.unanswered.append((shard, commit.tick))
        self.held.clear()
        if not self.slow_answers:
            self.answer()

    def answer(self) -> None:
        """Tell the shards what is durable."""
        for shard, tick in self.unanswered:
            shard.committed(tick)
        self.unanswered.clear()

    def send(self, shard: int, *items: Item, sender: str = "g1") -> None:
        self.bus.publish(inbox_subject("w", shard), Mail(sender, items).encode())

    def owner_of(self, entity: int) -> Shard:
        (owner,) = [shard for shard in self.shards if entity in shard.world.owned_ids()]
        return owner

    def tally(self) -> Tally:
        return tally(shard.census() for shard in self.shards)

    def checksums(self) -> list[int]:
        return [shard.world.checksum() for shard in self.shards]


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(make_game())


@pytest.fixture
def make_cluster() -> Callable[..., Cluster]:
    def make(balls: int = 50, touch_until: int = 10**9, **config: Any) -> Cluster:
        return Cluster(make_game(balls, touch_until), **config)

    return make
