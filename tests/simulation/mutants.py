"""Planted bugs: the server with one promise broken, to see whether the simulation notices.

Those in the journal, in handoffs, in ownership and in replication are here. `FOUND_BY` is a seed
that has found each, which is what is run before anything lands; `hunt` looks for the first seed
that does.
"""

import math
from typing import Any, Final

from protocol.frame import Frame
from protocol.parts import PartTable
from protocol.tombstones import Tombstones
from server.cluster.seams import Draft
from server.gateway.feed import Feed, Taken
from server.shard import commit as commits
from server.shard.arrivals import Arrival, Arrivals, Progress
from server.shard.commands import Commands
from server.shard.commit import Writer
from server.shard.desk import Desk
from server.shard.handoff import Handoff
from server.shard.keeper import Keeper
from server.shard.outbox import read_parcel
from server.shard.recall import Recall
from server.shard.recovery import Rebuilding
from server.shard.succession import Succession
from server.store.journal import StoreJournal, _Stream
from tests.simulation import mutants_play
from tests.simulation.planting import MUTANTS, nothing, plant, planted

__all__ = ["FOUND_BY", "MUTANTS", "mutants_play", "planted"]


# --- the journal ---------------------------------------------------------------------------------


async def _append_unfenced(
    self: StoreJournal, shard: int, drafts: list[Draft], *, expect: int
) -> int:
    stream, position = self._stream(shard), expect
    for draft in drafts:
        if position >= stream.last or not stream.knows(position + 1, draft.id):
            self._put(shard, stream, draft)
        position += 1
    await self._wait_durable(shard, stream)
    return position


plant(
    "no fencing",
    "the journal takes what a former owner appends",
    (StoreJournal, "append", _append_unfenced),
)


async def _do_not_wait(self: StoreJournal, shard: int, stream: _Stream) -> None:
    if stream.reveal(1 << 62) and shard in self._news:
        self._news.pop(shard).set()


plant(
    "acknowledge before fsync",
    "the journal says durable before the disk does",
    (StoreJournal, "_wait_durable", _do_not_wait),
)


def _outs_first(commit: commits.Commit) -> list[Draft]:
    record, *outs = _drafts(commit)
    return [*outs, record]


_drafts = commits._drafts
plant(
    "outs before their record",
    "a tick's outs are appended before what they follow from",
    (commits, "_drafts", _outs_first),
)


async def _trim_ahead(self: Keeper, upto: int) -> None:
    await _trim(self, self._writer.position)


_trim = Keeper._trim
plant(
    "trimmed ahead of the checkpoint",
    "the journal forgets what no checkpoint has yet",
    (Keeper, "_trim", _trim_ahead),
)


def _trim_untaken(self: Writer, taken: Any, checkpoint: int | None) -> int | None:
    return _trimmable(self, _EVERYTHING, checkpoint)


class _Everything(dict[int, int]):
    def get(self, *_: Any) -> Any:
        return math.inf


_EVERYTHING: Final = _Everything()
_trimmable = Writer.trimmable
plant(
    "trimmed before it was taken",
    "the journal forgets outs that their destination has not taken",
    (Writer, "trimmable", _trim_untaken),
)


# --- handoff -------------------------------------------------------------------------------------


def _release_at_once(self: Handoff, _: int) -> Any:
    return _release(self, 1 << 62)


_release = Handoff.release
plant(
    "handoff before commit",
    "a source lets go of who crosses before the record of the departure is durable",
    (Handoff, "release", _release_at_once),
)


def _offer_anything(self: Arrivals, source: int, position: int, data: bytes) -> bool:
    arrival = Arrival(source, position, read_parcel(data))
    self._waiting.setdefault(source, {})[len(self._waiting[source]) + 1] = arrival
    return True


def _take_anything(self: Arrivals, now: int, _: Any = None) -> list[Arrival]:
    taken = []
    for source in sorted(self._waiting):
        for key, arrival in list(self._waiting[source].items()):
            if arrival.parcel.tick < now:
                taken.append(self._waiting[source].pop(key))
                before = self.progress.get(source, Progress())
                self.progress[source] = Progress(
                    max(arrival.parcel.number, before.number),
                    max(arrival.position, before.position),
                )
        self._waiting[source] = dict(enumerate(self._waiting[source].values(), start=1))
    return taken


plant(
    "no dedup",
    "an out that is delivered twice is taken twice",
    (Arrivals, "offer", _offer_anything),
    (Arrivals, "take", _take_anything),
)


def _finish_without_outs(self: Rebuilding, *args: Any) -> list[Draft]:
    _finish(self, *args)
    return []


_finish = Rebuilding.finish
plant(
    "outs forgotten at recovery",
    "outs that a crash left out of the journal are not appended",
    (Rebuilding, "finish", _finish_without_outs),
)

plant(
    "progress forgotten at recovery",
    "a recovered shard takes again what it had taken",
    (Recall, "_progress", nothing),
)


def _replay_keeping(self: Recall, record: Any) -> Any:
    waiting = self._commands._waiting[:]
    outs = _replay(self, record)
    self._commands._waiting = waiting + self._commands._waiting
    return outs


_replay = Recall.replay
plant(
    "commands done again after a recovery",
    "a command that waited when a checkpoint was made is done by the replay and once more",
    (Recall, "replay", _replay_keeping),
)

plant(
    "commands forgotten at recovery",
    "a command that waited when the shard crashed is never done",
    (Commands, "recall", nothing),
)


# --- ownership -----------------------------------------------------------------------------------


def _step_anyway(self: Keeper, tick: int, dilation: int, now: float) -> None:
    _step(self, tick, dilation, -math.inf)


_step = Keeper.step
plant(
    "lease not checked",
    "a shard whose lease has run out is stepped until somebody says no",
    (Keeper, "step", _step_anyway),
)


def _judge_by_tick(self: Feed, frame: Any) -> Taken:
    if self.newest is not None and frame.epoch < self.newest.epoch:
        return Taken.CHAINED
    return _judge(self, frame)


_judge = Feed._judge
plant(
    "stale frames accepted",
    "a gateway takes frames of a former owner",
    (Feed, "_judge", _judge_by_tick),
)


# --- moves ---------------------------------------------------------------------------------------


async def _wait_for_the_one_before(self: Succession, tick: int, _: float) -> PartTable | None:
    self.follow()
    table = self._table
    if self._whole and table.tick < tick:
        table.advance(tick, table.step + 1)  # whatever happened in that tick
    return await _wait_for(self, tick, 0.0)


def _take_late(self: Succession, frame: Frame) -> None:
    late, self.late = getattr(self, "late", None), frame  # type: ignore[attr-defined]
    if late is not None:
        _take(self, late)


_wait_for, _take = Succession.wait_for, Succession._take
plant(
    "a copy that is a tick behind",
    "a shard's next owner goes on from parts to which the last frame was not applied",
    (Succession, "wait_for", _wait_for_the_one_before),
    (Succession, "_take", _take_late),
)


# --- replication ---------------------------------------------------------------------------------


def _forget_soon(self: Tombstones, tick: int) -> None:
    _forget_until(self, tick + 62)


_forget_until = Tombstones.forget_until
plant(
    "tombstones dropped early",
    "who left two ticks ago is in no delta any more",
    (Tombstones, "forget_until", _forget_soon),
)


def _end_without_record(self: Desk, session: Any, reason: str) -> None:
    _end(self, session, reason)
    if session.id in self._asked.leaves:
        self._asked.leaves.remove(session.id)


_end = Desk._end
plant(
    "goodbye not recorded",
    "a session that ended is back after a recovery",
    (Desk, "_end", _end_without_record),
)

# A seed that has found each.
FOUND_BY: Final[dict[str, int]] = {
    "no fencing": 6,
    "acknowledge before fsync": 1,
    "outs before their record": 1,
    "trimmed ahead of the checkpoint": 1,
    "trimmed before it was taken": 1,
    "handoff before commit": 3,
    "no dedup": 1,
    "outs forgotten at recovery": 13,
    "progress forgotten at recovery": 1,
    "commands done again after a recovery": 1,
    "commands forgotten at recovery": 1,
    "inputs applied twice after a takeover": 1,
    "undone inputs sent again": 1,
    "lost inputs passed over": 1,
    "lost inputs not sent again": 3,
    "undone inputs not counted": 1,
    "resume token reused": 1,
    "promise before durable": 1,
    "durable event told early": 1,
    "bulletins taken behind a gap": 1,
    "news for everybody not repeated": 1,
    "a copy that is a tick behind": 2,
    "lease not checked": 1,
    "stale frames accepted": 41,
    "tombstones dropped early": 1,
    "goodbye not recorded": 4,
}
