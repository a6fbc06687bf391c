"""What the engine promises to many processes: one owner, one order, whatever dies or stalls."""

import random
import time
from itertools import pairwise
from pathlib import Path
from secrets import token_hex

import pytest
import trio

from tests.server.cluster.conftest import new_world
from tests.server.cluster.nats.processes import workers
from tests.server.cluster.nats_server import NatsCluster, NatsServer

pytest.importorskip("trio_asyncio", reason="needs the extra 'cluster'")

from server.cluster.nats.engine import Engine, open_engine
from server.cluster.nats.settings import EngineSettings
from server.cluster.seams import BusState
from tests.server.cluster.nats.handoffs import ENTITIES_PER_SHARD, State, recall

TAKEOVER_S = 5.0  # the budget of the design, from the kill to the first record of the new owner


def world() -> str:
    return f"t{token_hex(6)}"


async def test_a_name_goes_from_hand_to_hand_and_is_never_in_two(nats_server: NatsServer) -> None:
    rounds, count, name = 25, 4, world()
    async with new_world(nats_server, name) as engine, workers(nats_server, name) as group:
        assert engine is not None
        for _ in range(count):
            await group.start("lease", rounds=rounds)
        engine.bus.publish("go", b"")
        refused = [(await worker.wait_told("done"))["refused"] for worker in group.all]
    assert any(refused), "there was no race"
    facts = [fact for worker in group.all for fact in worker.told]
    began = {fact["epoch"]: fact["at"] for fact in facts if fact["what"] == "granted"}
    ended = {fact["epoch"]: fact["at"] for fact in facts if fact["what"] == "released"}
    assert len(began) == rounds * count, "each grant has an epoch of its own"
    epochs = sorted(began)
    for earlier, later in pairwise(epochs):
        assert ended[earlier] < began[later], f"{later} was granted while {earlier} was held"


async def test_of_those_who_append_at_one_place_one_wins(nats_server: NatsServer) -> None:
    rounds, count = 40, 3
    name = world()
    async with open_engine(EngineSettings(urls=(nats_server.url,)), name) as engine:
        await engine.journal.claim(1, epoch=1)
        async with workers(nats_server, name) as group:
            for _ in range(count):
                await group.start("positions", rounds=rounds)
            engine.bus.publish("go", b"")
            refused = [(await worker.wait_told("done"))["refused"] for worker in group.all]
        told = {
            fact["position"]: fact["id"]
            for worker in group.all
            for fact in worker.all_told("appended")
        }
        stored = {each.position: each.id for each in await engine.journal.read(1, 0)}
    assert any(refused), "there was no race"
    assert len(told) == rounds * count, "no position was given twice"
    assert stored == told, "what was told to be appended is there, and nothing else"


async def test_a_killed_owner_is_followed_in_time(nats_server: NatsServer) -> None:
    async with workers(nats_server, world()) as group:
        owner = await group.start("own")
        await owner.wait_told("first")
        heir = await group.start("own")
        took = []
        for _ in range(2):
            killed = time.monotonic()
            owner.kill()
            fact = await heir.wait_told("first")
            took.append(fact["at"] - killed)
            owner, heir = heir, await group.start("own")
    # The promise is for machines that are not busy with something else; one of them was let be.
    assert 0 < min(took) <= TAKEOVER_S, f"takeovers took {took} s"
    assert max(took) <= 3 * TAKEOVER_S, f"takeovers took {took} s"


async def test_a_paused_owner_is_fenced_whatever_it_believes(nats_server: NatsServer) -> None:
    name = world()
    async with workers(nats_server, name) as group:
        owner = await group.start("own")
        first = await owner.wait_told("first")
        heir = await group.start("own")
        owner.pause()
        second = await heir.wait_told("first")
        owner.resume()
        fenced = await owner.wait_told("fenced")
        assert fenced["epoch"] == first["epoch"]
        assert second["epoch"] > first["epoch"]
    async with open_engine(EngineSettings(urls=(nats_server.url,)), name) as engine:
        epochs = [int(each.id.split(".")[0]) for each in await engine.journal.read(1, 0)]
    assert epochs == sorted(epochs), "the former owner wrote behind its successor's claim"
    assert {first["epoch"], second["epoch"]} <= set(epochs)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_handoffs_happen_exactly_once_under_kills_and_pauses(nats_server: NatsServer) -> None:
    await torture(nats_server, seconds=8, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [2, 3])
async def test_handoffs_happen_exactly_once_for_long(nats_server: NatsServer, seed: int) -> None:
    await torture(nats_server, seconds=90, seed=seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_handoffs_happen_exactly_once_while_a_cluster_loses_servers(tmp_path: Path) -> None:
    cluster = NatsCluster(tmp_path)
    try:
        await trio.to_thread.run_sync(cluster.start)
        await torture(cluster, seconds=60, seed=4)
    finally:
        cluster.kill()


async def torture(server: NatsServer | NatsCluster, *, seconds: float, seed: int) -> None:
    shards, name = 3, world()
    chance = random.Random(seed)
    async with new_world(server, name) as engine, workers(server, name) as group:
        assert engine is not None
        running = [await group.start("handoffs", shards=shards, seed=each) for each in range(3)]
        faults = 0
        with trio.move_on_after(seconds):
            while True:
                await trio.sleep(chance.uniform(0.5, 2.5))
                victim = chance.choice(running)
                faults += 1
                if isinstance(server, NatsCluster) and chance.random() < 0.3:
                    dead = server.kill_one(chance)
                    with trio.CancelScope(shield=True):
                        await trio.sleep(chance.uniform(0.5, 8))
                        await trio.to_thread.run_sync(dead.start)
                elif chance.random() < 0.5:
                    victim.kill()
                    running.remove(victim)
                    seed_of_next = chance.randrange(2**30)
                    with trio.CancelScope(shield=True):
                        running.append(
                            await group.start("handoffs", shards=shards, seed=seed_of_next)
                        )
                else:
                    victim.pause()
                    with trio.CancelScope(shield=True):
                        await trio.sleep(chance.uniform(0.5, 4))
                    victim.resume()
        states = await quiesce(engine, shards)
    everywhere = [entity for state in states for entity in state.entities.elements()]
    assert sorted(everywhere) == list(range(shards * ENTITIES_PER_SHARD)), "lost or doubled"
    handoffs = sum(len(state.present) for state in states)
    assert faults >= 1
    assert handoffs > seconds * 2, f"only {handoffs} handoffs under {faults} faults"
    print(f"{handoffs} handoffs under {faults} faults")


async def quiesce(engine: Engine, shards: int) -> list[State]:
    """Have nobody sent any more, and wait until everybody who was sent has arrived."""
    before: list[State] = []
    with trio.fail_after(60):
        while True:
            assert engine.bus.state is BusState.UP
            engine.bus.publish("quiet", b"")
            await trio.sleep(0.3)
            states, pending = [], 0
            for shard in range(shards):
                state = await recall(engine, shard)
                states.append(state)
                pending += len(state.missing)
            for shard in range(shards):
                for state in states:
                    taken = states[shard].taken.get(state.shard, 0)
                    pending += len([each for each in state.sent_to(shard) if each > taken])
            if not pending and states == before:  # nobody moved while the shards were read
                return states
            before = states
