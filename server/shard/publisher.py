"""What a shard publishes of a tick: its frame, its bulletin, and what gateways asked to hear again.

Must not know: the journal, how a tick is taken.
"""

from collections.abc import Sequence
from functools import partial

import attrs

from protocol.frame import Frame
from server.cluster.seams import Bus
from server.shard.framing import Framer
from server.shard.mail import Remind, Resync, Resynced, bulletin_subject, frame_subject
from server.shard.newsroom import Newsroom
from server.shard.players import Players
from server.shard.post import Post
from server.shard.sessions import Session

__all__ = ["Publisher"]


@attrs.define(eq=False)
class Publisher:
    """Tells the world of one shard. `frame_bytes` is the size of the newest frame."""

    _bus: Bus
    _world: str
    _shard: int
    _framer: Framer
    _newsroom: Newsroom
    _players: Players
    _post: Post
    frame_bytes: int = attrs.field(default=0, init=False)

    def publish(
        self, guests: Sequence[Session], dilation: int, resyncs: Sequence[tuple[str, Resync]]
    ) -> None:
        """Publish the table's tick; `guests` are sessions on their way, `resyncs` who missed it."""
        news = self._newsroom.take(partial(self._players.plays, guests))
        frame = self._framer.frame(guests, news, dilation)
        bulletin = self._newsroom.bulletin(frame.epoch, frame.tick)
        if bulletin is not None:
            self._bus.publish(bulletin_subject(self._world, self._shard), bulletin.encode())
        data = frame.encode()
        self.frame_bytes = len(data)
        self._bus.publish(frame_subject(self._world, self._shard), data)
        for gateway, question in resyncs:
            self._repeat(frame, gateway, question)

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
