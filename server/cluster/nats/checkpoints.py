"""Checkpoints on NATS: parts of at most PART_BYTES, and a head that says which parts they are.

The parts are stored first. The head is then replaced by compare-and-set on its sequence, which is
the checkpoint's revision; so a checkpoint is there whole or not at all, and of two owners who save
one is fenced. What lies before the parts of a head that was just stored belongs to older
checkpoints, or to attempts that expect an older head and will be refused: it is purged.

Must not know: what a checkpoint says, who owns a shard.
"""

import zlib
from collections.abc import Sequence
from typing import Final

import trio

from server.cluster.nats import limits
from server.cluster.nats.calls import Question
from server.cluster.nats.errors import EngineRefused, JetStreamError
from server.cluster.nats.jetstream import Appended, JetStream, Outcome, Refused, Stored
from server.cluster.nats.names import Names
from server.cluster.nats.pauses import growing_pauses
from server.cluster.seams import Checkpoint, Fenced, JournalError

__all__ = ["Checkpoints"]

POSITION: Final = "Shoal-Position"
CHECKSUM: Final = "Shoal-Checksum"
AT_ONCE: Final = 8  # parts that are sent or fetched before answers are waited for


class Checkpoints:
    """All shards' newest checkpoints."""

    def __init__(self, jetstream: JetStream, names: Names, replicas: int) -> None:
        self._jetstream = jetstream
        self._names = names
        self._replicas = replicas
        self._made: set[str] = set()

    async def save(self, shard: int, data: bytes, position: int, revision: int) -> int:
        """Replace the checkpoint `revision` (0 for none); the new one's revision."""
        await self._make_stream(shard)
        await self._check_revision(shard, revision)
        places = await self._store_parts(shard, data)
        content = " ".join(str(place) for place in places).encode()
        headers = {
            "Nats-Expected-Last-Subject-Sequence": str(revision),
            POSITION: str(position),
            CHECKSUM: str(zlib.crc32(data)),
        }
        subject = self._names.checkpoint(shard, "head")
        question = Question(subject, content, headers)
        for pause_s in growing_pauses(limits.AGAIN_FIRST_S, limits.AGAIN_MAX_S):
            (outcome,) = await self._jetstream.append([question])
            if isinstance(outcome, Appended):
                return await self._finish(shard, places[0], outcome.sequence)
            if isinstance(outcome, Refused) and outcome.expectation:
                head = await self._head(shard)
                if head is None or head.data != content:
                    raise Fenced(f"shard {shard} holds another checkpoint than {revision}")
                return await self._finish(shard, places[0], head.sequence)
            _check_stores(shard, outcome)
            await trio.sleep(pause_s)
        raise AssertionError("pauses are endless")

    async def load(self, shard: int) -> Checkpoint | None:
        """The newest checkpoint, if any. JournalError if it is not whole."""
        head = await self._head(shard)
        while head is not None:
            data = await self._fetch_parts(shard, [int(each) for each in head.data.split()])
            if data is not None and str(zlib.crc32(data)) == head.headers.get(CHECKSUM):
                return Checkpoint(data, int(head.headers[POSITION]), head.sequence)
            newer = await self._head(shard)  # replaced while we read
            if newer is None or newer.sequence == head.sequence:
                raise JournalError(f"the checkpoint {head.sequence} of shard {shard} is damaged")
            head = newer
        return None

    async def _make_stream(self, shard: int) -> None:
        stream = self._names.checkpoints(shard)
        if stream in self._made:
            return
        try:
            await self._jetstream.make_stream(
                stream, [self._names.all_checkpoints(shard)], num_replicas=self._replicas
            )
        except JetStreamError as error:
            raise EngineRefused(f"the engine makes no stream {stream}: {error}") from error
        self._made.add(stream)

    async def _check_revision(self, shard: int, revision: int) -> None:
        """Find out early, before parts are stored in vain; what counts is the head's own check."""
        head = await self._head(shard)
        stored = head.sequence if head else 0
        if stored != revision:
            raise Fenced(f"shard {shard} holds checkpoint {stored}, not {revision}")

    async def _head(self, shard: int) -> Stored | None:
        stream = self._names.checkpoints(shard)
        return await self._jetstream.newest(stream, self._names.checkpoint(shard, "head"))

    async def _store_parts(self, shard: int, data: bytes) -> list[int]:
        """Store the pieces of a checkpoint; where they are. A repeated one is stored twice."""
        subject = self._names.checkpoint(shard, "part")
        pieces = [
            data[begin : begin + limits.PART_BYTES]
            for begin in range(0, max(1, len(data)), limits.PART_BYTES)
        ]
        places: list[int] = []
        pauses = growing_pauses(limits.AGAIN_FIRST_S, limits.AGAIN_MAX_S)
        while len(places) < len(pieces):
            here = pieces[len(places) : len(places) + AT_ONCE]
            outcomes = await self._jetstream.append([Question(subject, piece) for piece in here])
            for outcome in outcomes:
                if not isinstance(outcome, Appended):
                    _check_stores(shard, outcome)
                    await trio.sleep(next(pauses))
                    break
                places.append(outcome.sequence)
        return places

    async def _fetch_parts(self, shard: int, places: Sequence[int]) -> bytes | None:
        stream = self._names.checkpoints(shard)
        pieces: list[bytes] = []
        for place in places:
            part = await self._jetstream.at(stream, place)
            if part is None:
                return None
            pieces.append(part.data)
        return b"".join(pieces)

    async def _finish(self, shard: int, first: int, revision: int) -> int:
        await self._jetstream.purge(
            self._names.checkpoints(shard),
            below=first,
            subject=self._names.checkpoint(shard, ">"),
        )
        return revision


def _check_stores(shard: int, outcome: Outcome) -> None:
    """EngineRefused if trying again would not help."""
    if isinstance(outcome, Refused) and not outcome.temporary:
        raise EngineRefused(f"the engine stores no checkpoint of shard {shard}: {outcome.text}")
