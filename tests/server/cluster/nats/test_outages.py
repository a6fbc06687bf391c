"""The engine goes away and comes back: nothing durable is lost, nothing stale is sent."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from tests.server.cluster.nats_server import NatsServer

pytest.importorskip("trio_asyncio", reason="needs the extra 'cluster'")

from server.cluster.nats.engine import Engine, open_engine
from server.cluster.nats.settings import EngineSettings
from server.cluster.seams import BusState, Draft, JournalUnavailable, Lease, Subscription

PATIENCE_S = 40.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    """A server of the test's own, to do with as it likes."""
    server = NatsServer(tmp_path)
    server.start()
    yield server
    server.kill()


async def wait_until(condition: Callable[[], bool], what: str) -> None:
    with trio.move_on_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - a counter or a state has no event
            await trio.sleep(0.01)
        return
    raise AssertionError(f"waited in vain until {what}")


async def wait_state(engine: Engine, state: BusState) -> None:
    await wait_until(lambda: engine.bus.state is state, f"the bus is {state.value}")


async def start_again(server: NatsServer) -> None:
    await trio.to_thread.run_sync(server.start)


async def hear(engine: Engine, subscription: Subscription, word: bytes) -> list[bytes]:
    """Publish `word` until it is heard, and all that was heard up to then."""
    heard: list[bytes] = []
    with trio.fail_after(PATIENCE_S):
        while word not in heard:
            engine.bus.publish("words", word)
            await engine.flush()
            heard += [message.data for message in subscription.take_nowait()]
            await trio.sleep(0.01)
    return heard


def settings(server: NatsServer) -> EngineSettings:
    return EngineSettings(urls=(server.url,))


async def test_what_is_published_while_the_bus_is_down_is_never_sent(server: NatsServer) -> None:
    async with (
        open_engine(settings(server), "w") as engine,
        open_engine(settings(server), "w") as other,
    ):
        here, there = (each.bus.subscribe("words", buffer=1000) for each in (engine, other))
        assert await hear(engine, here, b"before")
        server.kill()
        await wait_state(engine, BusState.DOWN)
        for _ in range(50):
            engine.bus.publish("words", b"meanwhile")
        await start_again(server)
        await wait_state(engine, BusState.UP)
        await wait_state(other, BusState.UP)
        heard = await hear(engine, here, b"after")
        assert b"meanwhile" not in heard, "a frame from before the outage is worse than none"
        assert b"meanwhile" not in await hear(engine, there, b"again")
        assert engine.statistics().dropped >= 50, "what was not sent is counted"
        assert engine.statistics().connections >= 2


async def test_a_server_that_answers_no_more_counts_as_down(server: NatsServer) -> None:
    async with open_engine(settings(server), "w") as engine:
        here = engine.bus.subscribe("words", buffer=1000)
        await hear(engine, here, b"before")
        server.pause()
        await wait_state(engine, BusState.DOWN)
        engine.bus.publish("words", b"meanwhile")
        server.resume()
        await wait_state(engine, BusState.UP)
        assert b"meanwhile" not in await hear(engine, here, b"after")


async def test_an_incumbent_keeps_its_lease_through_a_restart(server: NatsServer) -> None:
    async with (
        open_engine(settings(server), "w") as engine,
        open_engine(settings(server), "w") as other,
    ):
        lease = await engine.directory.acquire("shard.0", b"me", 2.5)
        assert lease is not None
        watch = other.directory.watch("shard.")
        server.kill()
        await wait_until(lambda: lease.deadline < trio.current_time(), "the lease's time is up")
        stolen: list[Lease | None] = []

        async def contend() -> None:
            while True:
                stolen.append(await other.directory.acquire("shard.0", b"you", 2.5))
                await trio.sleep(0.05)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(contend)
            await start_again(server)
            with trio.fail_after(PATIENCE_S):
                await lease.renew()
                for _ in range(4):
                    await trio.sleep(0.6)
                    await lease.renew()
            nursery.cancel_scope.cancel()
        assert set(stolen) <= {None}, "nobody may conclude from an outage that the owner is gone"
        kinds = [event.kind for event in watch.take_nowait()]
        assert kinds == ["put"], "for watchers nothing happened"


async def test_what_was_durable_is_there_after_a_restart(server: NatsServer) -> None:
    async with open_engine(settings(server), "w") as engine:
        first = await engine.directory.acquire("a", b"", 2.5)
        assert first is not None
        await first.release()
        position = await engine.journal.claim(1, epoch=1)
        position = await engine.journal.append(1, [Draft("1", b"before")], expect=position)
        revision = await engine.journal.save(1, b"state", position=position, revision=0)
        followed: list[bytes] = []

        async def follow() -> None:
            async for record in engine.journal.follow(1, 2, 0):
                followed.append(record.data)  # noqa: PERF401 - it never ends

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            server.kill()
            appended = trio.Event()

            async def append_meanwhile() -> None:
                drafts = [Draft("2", b"meanwhile"), Draft("2.0", b"out", 2)]
                await engine.journal.append(1, drafts, expect=position)
                appended.set()

            nursery.start_soon(append_meanwhile)
            await wait_state(engine, BusState.DOWN)
            await start_again(server)
            with trio.fail_after(PATIENCE_S):
                await appended.wait()
            await wait_until(lambda: followed == [b"out"], "the follower hears of it")
            nursery.cancel_scope.cancel()
        assert [record.id for record in await engine.journal.read(1, 0)] == ["1", "2", "2.0"]
        stored = await engine.journal.load(1)
        assert stored is not None
        assert (stored.data, stored.revision) == (b"state", revision)
        second = await engine.directory.acquire("a", b"", 2.5)
        assert second is not None
        assert second.epoch > first.epoch, "epochs survive the engine"


async def test_a_full_engine_refuses_and_takes_more_when_there_is_room(tmp_path: Path) -> None:
    (tmp_path / "nats.conf").write_text("jetstream { max_file_store: 2000000 }\n")
    server = NatsServer(tmp_path, ["-c", str(tmp_path / "nats.conf")])
    server.start()
    try:
        async with open_engine(settings(server), "w") as engine:
            position = await engine.journal.claim(1, epoch=1)

            async def fill() -> None:
                nonlocal position
                while True:
                    draft = Draft(str(position), bytes(50_000))
                    position = await engine.journal.append(1, [draft], expect=position)

            with pytest.raises(JournalUnavailable, match="resources"), trio.fail_after(PATIENCE_S):
                await fill()
            draft = Draft(str(position), bytes(50_000))
            await engine.journal._jetstream.purge("shoal-w-j-1", below=position)  # or a larger disk
            assert await engine.journal.append(1, [draft], expect=position) == position + 1
    finally:
        server.kill()


@pytest.mark.parametrize("lost", [0.2, 0.4])
async def test_answers_that_get_lost_change_nothing(server: NatsServer, lost: float) -> None:
    """What was asked happened, and nobody knows: the same is asked again and happens once."""
    chance = random.Random(1)
    async with open_engine(settings(server), "w") as engine:
        calls = engine.journal._jetstream.calls
        ask_all = calls.ask_all

        async def forgetful(*args: object) -> list[object]:
            answers = await ask_all(*args)  # type: ignore[arg-type]  # passed on as they are
            return [None if chance.random() < lost else each for each in answers]

        calls.ask_all = forgetful  # type: ignore[assignment,method-assign]  # the very fault
        lease = await engine.directory.acquire("a", b"", 60)
        assert lease is not None, "its own unknown grant must not keep it out"
        for number in range(5):
            await lease.renew(bytes([number]))
        position = await engine.journal.claim(1, lease.epoch)
        revision = 0
        for tick in range(10):
            drafts = [Draft(f"{tick}", b"t"), *(Draft(f"{tick}.{n}", b"o", 2) for n in range(3))]
            position = await engine.journal.append(1, drafts, expect=position)
            if tick % 3 == 0:
                revision = await engine.journal.save(
                    1, b"%d" % tick, position=position, revision=revision
                )
        calls.ask_all = ask_all  # type: ignore[method-assign]  # well again
        ids = [record.id for record in await engine.journal.read(1, 0)]
        assert ids == [f"{t}{n}" for t in range(10) for n in ("", ".0", ".1", ".2")]
        stored = await engine.journal.load(1)
        assert stored is not None
        assert (stored.data, stored.revision) == (b"9", revision)
        await lease.release()
        assert await engine.directory.acquire("a", b"", 60) is not None
