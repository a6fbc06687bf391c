"""What every directory promises."""

from collections.abc import Callable

import pytest
import trio

from server.cluster.seams import Directory, DirectoryEvent, LeaseLost

MakeDirectory = Callable[[], Directory]


async def test_a_name_is_held_by_one(
    make_directory: MakeDirectory, autojump_clock: trio.testing.MockClock
) -> None:
    directory = make_directory()
    lease = await directory.acquire("w.shard.0", b"me", 2.5)
    assert lease is not None
    assert lease.name == "w.shard.0"
    assert await directory.acquire("w.shard.0", b"you", 2.5) is None, "one holder at a time"
    assert await directory.acquire("w.shard.1", b"you", 2.5) is not None, "names are independent"


async def test_epochs_of_a_name_strictly_increase(
    make_directory: MakeDirectory, autojump_clock: trio.testing.MockClock
) -> None:
    directory = make_directory()
    epochs = []
    for end in ("release", "expire", "release", "expire"):
        lease = await directory.acquire("a", b"", 1)
        assert lease is not None, "what ended can be acquired"
        epochs.append(lease.epoch)
        if end == "release":
            await lease.release()
        else:
            await trio.sleep(1.5)
    assert epochs[0] >= 1
    assert sorted(set(epochs)) == epochs, "an epoch names one lease and no earlier one"


async def test_renewing_keeps_a_lease_and_not_renewing_loses_it(
    make_directory: MakeDirectory, autojump_clock: trio.testing.MockClock
) -> None:
    directory = make_directory()
    lease = await directory.acquire("a", b"", 1.5)
    assert lease is not None
    for _ in range(5):
        await trio.sleep(0.6)
        await lease.renew()
    assert lease.deadline == pytest.approx(trio.current_time() + 1.5, abs=0.3)
    await trio.sleep(1.6)
    with pytest.raises(LeaseLost):
        await lease.renew()
    successor = await directory.acquire("a", b"", 1)
    assert successor is not None
    with pytest.raises(LeaseLost):
        await lease.renew()
    await lease.release()
    assert await directory.acquire("a", b"", 1) is None, "a lost lease cannot release another's"


async def test_a_watch_tells_what_is_and_what_changes(
    make_directory: MakeDirectory, autojump_clock: trio.testing.MockClock
) -> None:
    directory = make_directory()
    first = await directory.acquire("node.a", b"1", 9)
    await directory.acquire("other", b"", 9)
    assert first is not None
    watch = directory.watch("node.")
    second = await directory.acquire("node.b", b"2", 9)
    assert second is not None
    await first.renew(b"3")
    await second.release()
    seen = [(event.kind, event.entry.name, event.entry.meta) for event in watch.take_nowait()]
    assert seen == [
        ("put", "node.a", b"1"),
        ("put", "node.b", b"2"),
        ("put", "node.a", b"3"),
        ("gone", "node.b", b"2"),
    ]


async def test_a_watcher_hears_of_a_lease_that_ran_out(
    make_directory: MakeDirectory, autojump_clock: trio.testing.MockClock
) -> None:
    directory = make_directory()
    watch = directory.watch("")
    lease = await directory.acquire("a", b"", 2)
    assert lease is not None
    heard: list[tuple[DirectoryEvent, float]] = []
    start = trio.current_time()
    with trio.move_on_after(10):
        async for event in watch:
            heard.append((event, trio.current_time() - start))
            if event.kind == "gone":
                break
    assert [event.kind for event, _ in heard] == ["put", "gone"]
    assert 1.9 < heard[1][1] < 3, "the end is told when it happens, and not before"


async def test_a_closed_watch_ends(
    make_directory: MakeDirectory, autojump_clock: trio.testing.MockClock
) -> None:
    watch = make_directory().watch("")
    watch.close()
    assert [event async for event in watch] == []
