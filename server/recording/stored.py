"""A recording of what a store still holds, as far back as its records go.

A store keeps the records since the older of each shard's two checkpoints, and often some before; a
young one all of them. Shards may begin at different ticks: each has a checkpoint of its own, or
none where it is all there from the seed on.

Error handling: JournalError as of a store; RecordingError when nothing in it can be replayed.
Must not know: how a store lies on its disk.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import attrs
import structlog

from server.recording.pieces import RecordingError
from server.recording.recording import About, Kept, Recording, RecordingWriter, write_all
from server.shard.record import TickRecord
from server.store.folder import look_into_store
from server.store.journal import StoreJournal
from sim.game import Game

__all__ = ["recording_of_store"]

_log = structlog.get_logger(__name__)


async def recording_of_store(folder: Path, module: str, game: Game) -> Recording:
    """The recording of the store in `folder`, in memory; the store is only looked at.

    `game`, which `module` names, is what its world was of, whether or not its code has changed.
    """

    def report(what: str) -> None:
        _log.info("store", report=what)

    identity, journal = await look_into_store(folder, report)
    if identity.get("game") != game.name:
        raise RecordingError(
            f"the store {str(folder)!r} is of the game {identity.get('game')!r}, and {module} is "
            f"{game.name!r}: name its game as module:variable"
        )
    shards = {shard: _Past.of(journal, shard) for shard in journal.shards}
    written = [(past.records[-1][0], past.code) for past in shards.values() if past.records]
    if not written:
        raise RecordingError(f"the store {str(folder)!r} holds no tick to replay")
    about = About(module, max(written)[1], identity)
    return Recording.from_bytes(_recorded(about, shards), str(folder))


def _recorded(about: About, shards: Mapping[int, "_Past"]) -> bytes:
    starts = {shard: past.start for shard, past in shards.items() if past.start is not None}
    file = io.BytesIO()
    write_all(RecordingWriter(file, about, starts), (past.kept(n) for n, past in shards.items()))
    return file.getvalue()


@attrs.frozen
class _Past:
    """What is known of a shard: from which checkpoint (None: the seed), and what came then."""

    start: bytes | None
    code: str
    records: list[tuple[int, bytes]]  # by tick

    @classmethod
    def of(cls, journal: StoreJournal, shard: int) -> "_Past":
        """What the store holds of a shard, as far as one code wrote it."""
        checkpoints, kept = journal.history(shard)
        rows = [(each, TickRecord.decode(each.data)) for each in kept if each.to is None]
        begins: list[tuple[bytes | None, int]] = [(one.data, one.position) for one in checkpoints]
        if not checkpoints or (rows and rows[0][1].step == 1):
            begins.insert(0, (None, 0))
        code = rows[-1][1].game if rows else ""
        for start, position in begins:
            past = cls(
                start,
                code,
                [(row.tick, each.data) for each, row in rows if each.position > position],
            )
            if all(row.game == code for each, row in rows if each.position > position):
                break  # else the code has changed since: what was before cannot be replayed
        return past

    def kept(self, shard: int) -> list[Kept]:
        """The records as a recording has them."""
        return [Kept(shard, tick, data) for tick, data in self.records]
