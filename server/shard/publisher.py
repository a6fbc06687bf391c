"""What a shard publishes of a tick: its frame, its bulletin, and what gateways asked to hear again.

Columns, guests, sessions and news become bytes here. Who missed a frame gets the same moment once
more, by mail.

Must not know: inputs, the journal, other shards' frames.
"""

from collections.abc import Sequence
from functools import partial

from protocol.frame import Frame
from protocol.parts import PartTable
from protocol.schema import Schema
from server.cluster.seams import Bus
from server.shard.config import ShardConfig
from server.shard.framing import Framer
from server.shard.handoff import Handoff
from server.shard.mail import Remind, Resync, Resynced, bulletin_subject, frame_subject
from server.shard.newsroom import Newsroom
from server.shard.players import Players
from server.shard.post import Post
from server.shard.replication import Replication
from server.shard.sessions import SessionTable
from server.shard.showing import Showing
from server.shard.space import Space
from sim.engine import Export
from sim.world import World

__all__ = ["Publisher"]


class Publisher:
    """Publishes one shard. `frame_bytes` is the size of the newest frame."""

    def __init__(
        self,
        schema: Schema,
        config: ShardConfig,
        space: Space,
        bus: Bus,
        *,
        world: World,
        sessions: SessionTable,
        handoff: Handoff,
        newsroom: Newsroom,
        post: Post,
    ) -> None:
        self.frame_bytes = 0
        self._shard = config.shard
        self._frame_subject = frame_subject(config.world, config.shard)
        self._bulletin_subject = bulletin_subject(config.world, config.shard)
        self._bus = bus
        self._world = world
        self._handoff = handoff
        self._newsroom = newsroom
        self._post = post
        self._kinds = range(len(schema.kinds))
        self._replication = Replication(schema, config.geometry, config.shard, config.epoch)
        self._players = Players(config.geometry, world, sessions)
        self._framer = Framer(schema, space, self._replication.table, self._players)

    @property
    def table(self) -> PartTable:
        """The parts as they are published."""
        return self._replication.table

    def go_on_from(self, table: PartTable) -> None:
        """Publish from `table`, which is what a former owner published of the world as it is."""
        exports = [self._world.export(kind) for kind in self._kinds]
        self._replication.go_on_from(table, exports, self._handoff.forwarding.where)
        self._framer.go_on_from(table)

    def publish(
        self,
        tick: int,
        *,
        durable_tick: int,
        dilation: int,
        resyncs: Sequence[tuple[str, Resync]],
    ) -> list[Export]:
        """Publish the frame of `tick`, and answer `resyncs`; gives the kinds' rows."""
        exports: list[Export] = [self._world.export(kind) for kind in self._kinds]
        released, players = self._handoff.release(durable_tick)
        for session, to in players:
            self._newsroom.handed(tick, session, to)
        self._replication.write(tick, self._world.step, exports, self._handoff.guests, released)
        self._players.follow(exports)
        leaving = self._handoff.guest_sessions()
        news = self._newsroom.take(partial(self._players.plays, leaving))
        frame = self._framer.frame(leaving, news, dilation)
        bulletin = self._newsroom.bulletin(frame.epoch, frame.tick)
        if bulletin is not None:
            self._bus.publish(self._bulletin_subject, bulletin.encode())
        data = frame.encode()
        self.frame_bytes = len(data)
        self._bus.publish(self._frame_subject, data)
        for gateway, question in resyncs:
            self._repeat(frame, gateway, question)
        return exports

    def _repeat(self, frame: Frame, gateway: str, question: Resync) -> None:
        again = self._framer.repeat(
            frame,
            since=question.since,
            cells=question.cells,
            gateway=gateway,
            events=self._newsroom.repeated(question.since, frame.tick),
            handed=self._newsroom.handed_since(question.since),
        )
        self._post.send(gateway, Resynced(self._shard, question.cells, again.encode()))

    def remind(self, tick: int, reminders: Sequence[tuple[str, Remind]]) -> None:
        """Tell gateways what their players may have missed."""
        for gateway, item in reminders:
            told = self._newsroom.concerning(item.entity, item.cells, tick)
            self._post.send(gateway, item.answer(self._shard, told))

    def showing(self) -> Showing:
        """What publishes the steps that are taken again."""
        return Showing(
            self._world, self._bus, self._handoff, self._newsroom, self._replication, self._framer
        )
