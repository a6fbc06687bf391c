"""What the outside is told, checked against the journals at the moment of telling.

- Frames of one shard and epoch come from one node, with rising ticks, and from nobody whose shard
  was claimed by another one since.
- A durable event is told when it is in the journal, as it happened, and to each session once.
- A session is said to be at another shard when its departure is in the journal.
- A promise (joined, resumed, ended) is given when its record is in the journal.
"""

from collections.abc import Sequence

from protocol import cbor
from protocol.client import Event
from protocol.frame import Frame
from protocol.news import Bulletin, FrameEvent
from server.shard.mail import Ended, Joined, Mail, Resumed
from tests.simulation.audit import Audit
from tests.simulation.setting import Setting

__all__ = ["Witness"]


class Witness:
    """Hears everything that is published, and what players are told."""

    def __init__(self, setting: Setting, audit: Audit) -> None:
        self.frames = self.stale_frames = self.went_on = self.promises = self.told = 0
        self._setting = setting
        self._audit = audit
        self._durable = [event.durable for event in setting.schema.events]
        self._names = [event.name for event in setting.schema.events]
        self._publishers: dict[tuple[int, int], str] = {}
        self._ticks: dict[tuple[int, int], int] = {}
        self._heard: dict[int, set[tuple[str, int]]] = {}
        self._frame_prefix = f"{setting.world}.frame."
        self._bulletin_prefix = f"{setting.world}.bulletin."
        self._mail_prefix = f"{setting.world}.gateway."

    def hear(self, party: str, subject: str, data: bytes) -> None:
        """Something is published."""
        if subject.startswith(self._frame_prefix):
            self._frame(party, Frame.decode(data))
        elif subject.startswith(self._bulletin_prefix):
            bulletin = Bulletin.decode(data)
            self._events(f"the bulletin of shard {bulletin.shard}", bulletin.events)
        elif subject.startswith(self._mail_prefix):
            self._mail(Mail.decode(data))

    def _frame(self, party: str, frame: Frame) -> None:
        judge, setting = self._setting.judge, self._setting
        name = f"the frame of shard {frame.shard}, epoch {frame.epoch}, tick {frame.tick}"
        self.frames += 1
        life = frame.shard, frame.epoch
        publisher = self._publishers.setdefault(life, party)
        judge.require(publisher == party, f"{name} comes from {party}; {publisher} has the epoch")
        judge.require(frame.tick > self._ticks.get(life, 0), f"{name} comes late")
        self._ticks[life] = frame.tick
        self.went_on += frame.base_epoch != frame.epoch
        newest = setting.history.epoch(frame.shard)
        if frame.epoch < newest:
            self.stale_frames += 1
            judge.require(
                setting.engine.leases_forgotten,
                f"{name} comes from {party} after epoch {newest} has claimed the shard",
            )
        for session, to in frame.handed:
            self._audit.catch_up()
            judge.require(
                (session, frame.shard, to) in self._audit.departed,
                f"{name} says that session {session:#x} went to {to}, which no journal has",
            )
        self._events(name, frame.events)

    def _events(self, name: str, events: Sequence[FrameEvent]) -> None:
        judge = self._setting.judge
        for event in events:
            if self._durable[event.kind]:
                _, _, number = cbor.loads(event.values)
                self._audit.catch_up()
                judge.require(
                    (self._names[event.kind], number) in self._audit.ledger.events,
                    f"{name} tells {self._names[event.kind]} {number}, which no journal has",
                )

    def _mail(self, mail: Mail) -> None:
        judge, audit = self._setting.judge, self._audit
        for item in mail.items:
            if not isinstance(item, Joined | Resumed | Ended):
                continue
            self.promises += 1
            audit.catch_up()
            if isinstance(item, Joined):
                kept = item.session in audit.joined
            elif isinstance(item, Resumed):
                kept = (item.session, item.next_hash) in audit.tokens
            else:
                kept = item.session in audit.ended
            judge.require(kept, f"{mail.sender} promises {item}, which no journal has")

    def told_event(self, session: int, event: Event) -> None:
        """A player was told of something."""
        number = int(event.number)
        if event.name not in ("Medal", "Prize"):
            return
        judge, ledger = self._setting.judge, self._audit.ledger
        self._audit.catch_up()
        happened = ledger.events.get((event.name, number))
        judge.require(
            happened == (event.shard, event.tick),
            f"session {session:#x} is told {event.name} {number} of shard {event.shard} and tick "
            f"{event.tick}; by the journals that is {happened}",
        )
        heard = self._heard.setdefault(session, set())
        self.told += 1
        judge.require(
            (event.name, number) not in heard,
            f"session {session:#x} is told {event.name} {number} twice",
        )
        heard.add((event.name, number))

    def heard(self, session: int) -> set[tuple[str, int]]:
        """The durable events that a session's player was told."""
        return self._heard.get(session, set())
