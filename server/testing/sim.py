"""The simulation itself: shards, gateway and clients of one world, moved by `tick` alone.

A tick is: clients speak, the gateway passes their inputs on, every shard steps and is made durable,
the gateway writes its snapshots, clients without latency read them. Nothing else ever happens, so a
script is its own trace.

Invariants: no sockets, no clock, no sleep, no chance but the seed's.
"""

import io
import random
from collections.abc import Iterator
from typing import Any

from protocol.client import Client
from protocol.geometry import Geometry
from protocol.link import Profile, find_profile
from protocol.schema import Schema
from server.gateway import Gateway, GatewayConfig, GatewayStatistics, TokenMaker
from server.net.memory import CAPACITY, MemoryPair
from server.recording.recording import About, Kept, Recording, RecordingWriter, write_all
from server.recording.replayer import checksum_of, replay
from server.shard.census import Tally
from server.shard.mail import bulletin_subject, frame_subject, gateway_subject
from server.shard.schedule import FULL_SPEED
from server.shard.space import Partition
from server.testing.client import SimClient
from server.testing.cluster import Cluster
from server.testing.truth import find, holder
from sim import Game
from sim.predict import Predictor

__all__ = ["Sim"]

WORLD = "sim"
GATEWAY = "g0"
BUFFERED = 4096
PATIENCE_TICKS = 200


class Sim:
    """A world of `game`, cut into `shards` (columns, or columns and rows), with the chance of
    `seed`.

    `now` is the virtual time in seconds; `ticks` how many have passed.
    """

    def __init__(
        self, game: Game, *, shards: int | tuple[int, int] = (2, 2), seed: int = 1
    ) -> None:
        self.game = game
        self.seed = seed
        self.ticks = 0
        self.clients: list[SimClient] = []
        self.schema = Schema.from_data(game.describe())
        grid = (shards, 1) if isinstance(shards, int) else shards
        self.geometry = Geometry.grid(*game.size, game.cell, game.radii, shards=grid)
        self._cluster = Cluster(game, self.schema, self.geometry, world=WORLD, seed=seed)
        bus = self._cluster.bus
        self._frames = bus.subscribe(frame_subject(WORLD, "*"), buffer=BUFFERED)
        self._bulletins = bus.subscribe(bulletin_subject(WORLD, "*"), buffer=BUFFERED)
        self._mail = bus.subscribe(gateway_subject(WORLD, GATEWAY), buffer=BUFFERED)
        chance = random.Random(seed)  # noqa: S311 - the same script must give the same tokens
        config = GatewayConfig(
            name=GATEWAY,
            world=WORLD,
            schema=self.schema,
            geometry=self.geometry,
            reveal=True,
            tokens=TokenMaker(chance.randbytes),
        )
        self._gateway = Gateway(config, bus.publish)

    @property
    def now(self) -> float:
        """Virtual seconds since the beginning."""
        return self.ticks / self.game.hz

    # --- players ---------------------------------------------------------------------------------

    def join(
        self,
        name: str,
        *,
        x: float | None = None,
        y: float | None = None,
        latency: float = 0.0,
        jitter: float = 0.0,
        link: str | Profile | None = None,
        capacity: int = CAPACITY,
    ) -> SimClient:
        """Let a player in, and tick until it has its entity and its first snapshot.

        `x` and `y` place the new entity, instead of where the game's join put it; that is recorded
        like any other input. `latency` is one way, in seconds, with up to `jitter` more. `link`
        instead of both is a bad link, with stalls: the name of a preset of `protocol.link`, or a
        profile of your own. `capacity` is how many bytes the client may leave unread.

        Raises ValueError for a link that is not among the presets.
        """
        client = self.connect(
            Client(name, predictor_factory=Predictor),
            latency=latency,
            jitter=jitter,
            link=link,
            capacity=capacity,
        )
        self._wait(lambda: client.id != 0 and client.id in client.view, f"{name} to join")
        if x is not None or y is not None:
            self._place(client, x, y)
        return client

    def observe(self) -> SimClient:
        """Let an observer in, who sees everything and plays nobody."""
        client = self.connect(Client("observer", observe=True))
        self._wait(lambda: client.welcomed, "the observer to be let in")
        return client

    def connect(
        self,
        client: Client,
        *,
        latency: float = 0.0,
        jitter: float = 0.0,
        link: str | Profile | None = None,
        capacity: int = CAPACITY,
    ) -> SimClient:
        """Connect a client of your own making; it is welcomed in one of the next ticks."""
        number = len(self.clients)
        profile = find_profile(link) if isinstance(link, str) else link

        def pair() -> MemoryPair:
            made = MemoryPair(
                capacity=capacity,
                delay_s=latency,
                jitter_s=jitter,
                profile=profile,
                seed=self.seed * 65537 + number,
                peer=f"client-{number}",
                now=self.now,
            )
            self._gateway.connect(made.link, self.now)
            return made

        player = SimClient(client, pair)
        self.clients.append(player)
        return player

    def _place(self, client: SimClient, x: float | None, y: float | None) -> None:
        _, row = self.find(client.id)
        target = (row.x if x is None else x, row.y if y is None else y)
        self.command(client.id, "shoal.place", x=float(target[0]), y=float(target[1]))
        self._wait(lambda: self._stands(client.id, target), "the entity to be placed")
        self._wait(lambda: self._agrees(client), "the client to see it there")

    def _stands(self, entity: int, place: tuple[float, float]) -> bool:
        _, row = self.find(entity)
        return self._near((row.x, row.y), place)

    def _agrees(self, client: SimClient) -> bool:
        if client.id not in client.view:
            return False
        _, row = self.find(client.id)
        view = client.view[client.id]
        return self._near((row.x, row.y), (view.x, view.y))

    def _near(self, one: tuple[float, float], other: tuple[float, float]) -> bool:
        return all(abs(a - b) <= self.game.jump for a, b in zip(one, other, strict=True))

    # --- time ------------------------------------------------------------------------------------

    def tick(self, ticks: int = 1) -> None:
        """Let `ticks` ticks pass."""
        for _ in range(ticks):
            self.ticks += 1
            now = self.now
            for client in self.clients:
                client.advance(now)
            self._hear_shards(now)
            self._gateway.poll(now)
            self._cluster.tick(self.ticks)
            self._hear_shards(now)
            self._gateway.compose(self.ticks, now)
            for client in self.clients:
                client.hear(now)

    def dilate(self, permille: int) -> None:
        """From now on shards step at `permille` of full speed, as those do that cannot keep up.

        Ticks pass as ever, and shards skip some of them in their even pattern. 1000 is full speed.

        Raises ValueError for what is no share of it.
        """
        if not 0 < permille <= FULL_SPEED:
            raise ValueError(f"a speed is from 1 to {FULL_SPEED} permille, not {permille}")
        self._cluster.dilation = permille

    def cut_anew(self, partition: Partition) -> None:
        """Cut the world so from the next tick on, as the coordinator of many nodes may."""
        self._cluster.cut_anew(partition)
        self._gateway.cut_anew(partition)

    def crash(self, shard: int, *, in_step: bool = False) -> None:
        """Lose the process of a shard and recover it from its journal, as another one would.

        With `in_step` it dies after it has stepped and published the next tick, and before that is
        durable: clients may have seen a moment that then never was.
        """
        self._cluster.crash(shard, self.ticks + 1 if in_step else None)
        if in_step:
            self.ticks += 1
            self._hear_shards(self.now)
            self._gateway.compose(self.ticks, self.now)
            for client in self.clients:
                client.hear(self.now)

    def _hear_shards(self, now: float) -> None:
        for message in self._bulletins.take_nowait():
            self._gateway.bulletin(message.data, now)
        for message in self._frames.take_nowait():
            self._gateway.frame(message.data, now)
        for message in self._mail.take_nowait():
            self._gateway.mail(message.data, now)

    def _wait(self, condition: Any, what: str) -> None:
        for _ in range(PATIENCE_TICKS):
            if condition():
                return
            self.tick()
        raise TimeoutError(f"waited {PATIENCE_TICKS} ticks for {what}")

    # --- the truth -------------------------------------------------------------------------------

    def find(self, entity: int) -> tuple[int, Any]:
        """Which shard owns an entity, and its row: the very state that the shard simulates.

        In the one tick in which an entity changes hands, the shard is the one that it goes to and
        the row is a copy of its public fields. Raises KeyError when there is no such entity.
        """
        found = find(self.schema, self._cluster.shards, entity)
        if found is None:
            raise KeyError(entity)
        return found

    def worlds(self) -> dict[int, Any]:
        """The world of each shard, to look at. Change nothing there: replays would not know."""
        return {number: shard.world for number, shard in self._cluster.shards.items()}

    def command(self, target: int, name: str, **values: Any) -> None:
        """Send a command to an entity, as if a rule of its shard had; recorded like any other.

        Raises KeyError when there is no such entity.
        """
        shard = holder(self._cluster.shards, target)
        if shard is None:
            raise KeyError(target)
        shard.command(target, name, **values)

    def checksum(self) -> int:
        """32 bits over the state of all shards: the same script gives the same."""
        return checksum_of(self.worlds())

    def census(self) -> Tally:
        """Every entity by id: `lost` and `duplicated` are empty in a sound world."""
        return self._cluster.tally()

    def statistics(self) -> GatewayStatistics:
        """What the gateway counted."""
        return self._gateway.statistics()

    # --- recording -------------------------------------------------------------------------------

    def record(self, module: str = "") -> Recording:
        """The run so far, to step through again.

        `Recording.save` makes it a file that `shoal replay` shows and verifies; `module` then says
        where its game is, as module:variable.
        """
        identity = {
            "world": WORLD,
            "game": self.game.name,
            "seed": self.seed,
            "hz": self.game.hz,
            "geometry": self.geometry.to_data(),
        }
        file = io.BytesIO()
        writer = RecordingWriter(file, About(module, self.game.code, identity), {})
        write_all(writer, (self._records(shard) for shard in self._cluster.shards))
        return Recording.from_bytes(file.getvalue())

    def replay(self) -> int:
        """Replay the run so far from its records alone; the checksum that this leads to.

        Raises DivergedError when a step leads elsewhere than it did.
        """
        return replay(self.game, self.record())

    def _records(self, shard: int) -> Iterator[Kept]:
        for record in self._cluster.records(shard):
            yield Kept(shard, int(record.id), record.data)
