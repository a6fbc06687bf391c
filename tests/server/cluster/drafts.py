"""Appending one record, which is what most tests of journals do."""

from server.cluster.journal import MemoryJournal
from server.cluster.seams import Draft, Journal, Record


async def append(
    journal: Journal,
    shard: int,
    data: bytes,
    *,
    expect: int,
    id: str,  # noqa: A002 - as the journal calls it
    to: int | None = None,
) -> int:
    return await journal.append(shard, [Draft(id, data, to)], expect=expect)


def append_nowait(journal: MemoryJournal, data: bytes, *, expect: int, id: str) -> int:  # noqa: A002 - same
    return journal.append_nowait(0, [Draft(id, data)], expect=expect)


async def read_all(journal: Journal, shard: int, after: int = 0) -> list[Record]:
    return await journal.read(shard, after)
