"""What every journal promises."""

from collections.abc import Callable

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from server.cluster.journal import MemoryJournal
from server.cluster.seams import Draft, Fenced, Journal, Record
from tests.server.cluster.drafts import append, append_nowait, read_all

MakeJournal = Callable[[], Journal]


async def read(journal: Journal, shard: int, after: int = 0) -> list[tuple[str, int | None, bytes]]:
    return [(each.id, each.to, each.data) for each in await read_all(journal, shard, after)]


async def test_records_come_back_in_order_without_claims(make_journal: MakeJournal) -> None:
    journal = make_journal()
    position = await journal.claim(1, epoch=1)
    position = await append(journal, 1, b"a", expect=position, id="1")
    middle = await append(journal, 1, b"b", expect=position, id="1.0", to=2)
    await append(journal, 1, b"c", expect=middle, id="2")
    assert await read(journal, 1) == [("1", None, b"a"), ("1.0", 2, b"b"), ("2", None, b"c")]
    assert await read(journal, 1, after=middle) == [("2", None, b"c")]
    assert await read(journal, 2) == [], "shards do not share a stream"


async def test_a_claim_fences_the_former_owner(make_journal: MakeJournal) -> None:
    journal = make_journal()
    old = await journal.claim(1, epoch=3)
    old = await append(journal, 1, b"a", expect=old, id="1")
    new = await journal.claim(1, epoch=4)
    with pytest.raises(Fenced):
        await append(journal, 1, b"late", expect=old, id="2")
    await append(journal, 1, b"b", expect=new, id="2")
    with pytest.raises(Fenced):
        await append(journal, 1, b"later", expect=old, id="3")
    assert await read(journal, 1) == [("1", None, b"a"), ("2", None, b"b")]


async def test_a_fenced_batch_leaves_nothing_behind(make_journal: MakeJournal) -> None:
    """Its second record finds the journal as long as it expects: a claim took the first's place."""
    journal = make_journal()
    old = await journal.claim(1, epoch=1)
    await journal.claim(1, epoch=2)
    with pytest.raises(Fenced):
        await journal.append(1, [Draft("1", b"a"), Draft("1.0", b"b", 2)], expect=old)
    await journal.claim(1, epoch=3)
    with pytest.raises(Fenced):
        await journal.append(1, [Draft(str(each), b"") for each in range(5)], expect=old)
    assert await read(journal, 1) == []


async def test_long_records_and_checkpoints_come_back_whole(make_journal: MakeJournal) -> None:
    journal = make_journal()
    start = await journal.claim(1, epoch=1)
    long, longer = bytes(range(256)) * 5000, b"end" * 1_000_000
    drafts = [Draft("1", long), Draft("1.0", b"", 2), Draft("1.1", longer, 3), Draft("2", b"x")]
    last = await journal.append(1, drafts, expect=start)
    assert await journal.append(1, drafts, expect=start) == last
    records = await read_all(journal, 1)
    assert [(each.id, each.to, each.data) for each in records] == [
        (each.id, each.to, each.data) for each in drafts
    ]
    assert await read_all(journal, 1, after=records[0].position) == records[1:]
    assert await anext(aiter(journal.follow(1, 3, after=0))) == records[2]
    revision = await journal.save(1, longer, position=last, revision=0)
    revision = await journal.save(1, long, position=last, revision=revision)
    stored = await journal.load(1)
    assert stored is not None
    assert stored.data == long, "a checkpoint is as long as it is"
    assert stored.revision == revision


@pytest.mark.parametrize("epoch", [1, 2])
async def test_an_older_or_equal_epoch_cannot_claim(make_journal: MakeJournal, epoch: int) -> None:
    journal = make_journal()
    await journal.claim(1, epoch=2)
    with pytest.raises(Fenced):
        await journal.claim(1, epoch=epoch)


async def test_an_append_may_be_repeated_when_its_outcome_is_unknown(
    make_journal: MakeJournal,
) -> None:
    journal = make_journal()
    start = await journal.claim(1, epoch=1)
    first = await append(journal, 1, b"a", expect=start, id="1")
    assert await append(journal, 1, b"a", expect=start, id="1") == first
    second = await append(journal, 1, b"b", expect=first, id="2")
    assert await append(journal, 1, b"b", expect=first, id="2") == second
    assert len(await read(journal, 1)) == 2, "a repeated append is one record"
    with pytest.raises(Fenced):
        await append(journal, 1, b"x", expect=first, id="other")


async def test_a_batch_goes_on_where_an_earlier_try_ended(make_journal: MakeJournal) -> None:
    journal = make_journal()
    start = await journal.claim(1, epoch=1)
    batch = [Draft("7", b"tick"), Draft("7.0", b"ann", 2), Draft("7.1", b"bob", 3)]
    await journal.append(1, batch[:2], expect=start)
    last = await journal.append(1, batch, expect=start)
    assert last == await journal.append(1, batch, expect=start)
    assert await read(journal, 1) == [("7", None, b"tick"), ("7.0", 2, b"ann"), ("7.1", 3, b"bob")]
    with pytest.raises(Fenced):
        await journal.append(1, [batch[0], Draft("8", b"other")], expect=start)
    with pytest.raises(Fenced):
        await journal.append(1, [*batch[:2], Draft("8", b"other")], expect=start)
    assert len(await read(journal, 1)) == 3, "what is refused leaves nothing behind"


async def test_a_follower_gets_what_is_addressed_to_it(
    make_journal: MakeJournal, autojump_clock: trio.testing.MockClock
) -> None:
    journal = make_journal()
    position = await journal.claim(1, epoch=1)
    got: list[Record] = []

    async def follow(count: int) -> None:
        async for record in journal.follow(1, 2, after=0):
            got.append(record)
            if len(got) == count:
                return

    position = await append(journal, 1, b"first", expect=position, id="1.0", to=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow, 3)
        for number, to in enumerate([3, 2, None, 2]):
            await trio.sleep(0.1)
            position = await append(
                journal, 1, bytes([number]), expect=position, id=f"2.{number}", to=to
            )
    assert [record.data for record in got] == [b"first", b"\1", b"\3"]
    again = await anext(aiter(journal.follow(1, 2, after=got[0].position)))
    assert again == got[1], "following can start after any position"


async def test_trimming_forgets_the_beginning_only(make_journal: MakeJournal) -> None:
    journal = make_journal()
    position = await journal.claim(1, epoch=1)
    positions = []
    for number in range(4):
        position = await append(journal, 1, b"x", expect=position, id=str(number), to=2)
        positions.append(position)
    await journal.trim(1, positions[1])
    await journal.trim(1, positions[0])
    assert [record.id for record in await read_all(journal, 1)] == ["2", "3"]
    assert (await anext(aiter(journal.follow(1, 2, after=0)))).id == "2"
    await append(journal, 1, b"y", expect=position, id="4")
    assert [record.id for record in await read_all(journal, 1)] == ["2", "3", "4"]


async def test_a_checkpoint_is_replaced_by_its_successor_only(make_journal: MakeJournal) -> None:
    journal = make_journal()
    assert await journal.load(1) is None
    first = await journal.save(1, b"state", position=7, revision=0)
    second = await journal.save(1, b"newer", position=9, revision=first)
    assert second > first
    with pytest.raises(Fenced):
        await journal.save(1, b"stale", position=8, revision=first)
    stored = await journal.load(1)
    assert stored is not None
    assert (stored.data, stored.position, stored.revision) == (b"newer", 9, second)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["append", "repeat", "claim"]))))
def test_one_writer_whatever_three_owners_try(moves: list[tuple[int, str]]) -> None:
    """Owners append, repeat and claim in any order: no record is lost, doubled or out of place."""
    journal = MemoryJournal()
    epoch = 0
    expects: dict[int, int] = {}
    latest: dict[int, tuple[int, str]] = {}
    owner = None
    accepted: list[str] = []
    for number, (who, move) in enumerate(moves):
        if move == "claim":
            epoch += 1
            expects[who] = journal.claim_nowait(0, epoch)
            latest.pop(who, None)
            owner = who
        elif move == "append" and who in expects:
            name = f"{who}.{number}"
            if who == owner:
                latest[who] = (expects[who], name)
                expects[who] = append_nowait(journal, b"", expect=expects[who], id=name)
                accepted.append(name)
            else:
                with pytest.raises(Fenced):
                    append_nowait(journal, b"", expect=expects[who], id=name)
        elif who in latest:
            expect, name = latest[who]
            assert append_nowait(journal, b"", expect=expect, id=name) == expect + 1
    assert [record.id for record in journal.read_nowait(0, 0)] == accepted
