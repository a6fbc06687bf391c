"""Entities that wander between shards whose owners die and stall: a model of what shards do.

A tick's record says what came in and what goes out, and is appended with one out for each that
goes. What went out and came in is known from the records alone, so a new owner replays them,
appends the outs that its forerunner did not come to, and goes on.
"""

import json
import random
from collections import Counter
from typing import Any

import attrs
import trio

from server.cluster.nats.engine import Engine
from server.cluster.seams import Draft, Fenced, Lease, LeaseLost, Record

TTL_S = 2.5
RENEW_S = 0.6
TICK_S = 0.02
ENTITIES_PER_SHARD = 20


@attrs.define
class State:
    """A shard as its records tell it. `outs` are those that must be there, by id."""

    shard: int
    entities: Counter[int] = attrs.field(factory=Counter)
    taken: dict[int, int] = attrs.field(factory=dict)
    outs: dict[str, Draft] = attrs.field(factory=dict)
    present: dict[str, Record] = attrs.field(factory=dict)
    tick: int = 0

    @classmethod
    def new(cls, shard: int) -> "State":
        first = shard * ENTITIES_PER_SHARD
        return cls(shard, Counter(range(first, first + ENTITIES_PER_SHARD)))

    def apply(self, tick: int, data: bytes) -> list[Draft]:
        """Take in a tick's record; the outs that follow from it."""
        record = json.loads(data)
        self.tick = tick
        for source, position, entity in record["in"]:
            assert position > self.taken.get(source, 0), "a handoff was journalled twice"
            self.taken[source] = position
            self.entities[entity] += 1
        drafts = []
        for index, (entity, to) in enumerate(record["out"]):
            assert self.entities[entity] == 1, "only what is here can go"
            del self.entities[entity]
            drafts.append(Draft(f"{tick}.{index}", str(entity).encode(), to))
        self.outs.update({draft.id: draft for draft in drafts})
        return drafts

    def replay(self, records: list[Record]) -> None:
        for record in records:
            if record.to is None:
                self.apply(int(record.id), record.data)
            else:
                assert record.id not in self.present, "an out was appended twice"
                self.present[record.id] = record

    def sent_to(self, shard: int) -> list[int]:
        return [record.position for record in self.present.values() if record.to == shard]

    @property
    def missing(self) -> list[Draft]:
        return [draft for name, draft in self.outs.items() if name not in self.present]


async def recall(engine: Engine, shard: int) -> State:
    state = State.new(shard)
    state.replay(await engine.journal.read(shard, 0))
    return state


async def serve(engine: Engine, name: str, shards: int, seed: int) -> None:
    """Contend for all shards and run those that we get, until killed."""
    chance = random.Random(seed)
    quiet = engine.bus.subscribe("quiet", buffer=1)
    async with trio.open_nursery() as nursery:
        for shard in range(shards):
            nursery.start_soon(contend, engine, name, shard, shards, chance, quiet)


async def contend(
    engine: Engine, name: str, shard: int, shards: int, chance: random.Random, quiet: Any
) -> None:
    while True:
        lease = await engine.directory.acquire(f"shard.{shard}", name.encode(), TTL_S)
        if lease is not None:
            try:
                async with trio.open_nursery() as nursery:
                    owner = Owner(engine, shard, shards, chance, quiet)
                    nursery.start_soon(keep, lease)
                    await owner.run(nursery, lease.epoch)
            except* (Fenced, LeaseLost):
                pass
        await trio.sleep(0.1 + chance.random() / 10)


async def keep(lease: Lease) -> None:
    while True:
        await trio.sleep(RENEW_S)
        await lease.renew()


class Owner:
    def __init__(
        self, engine: Engine, shard: int, shards: int, chance: random.Random, quiet: Any
    ) -> None:
        self._engine = engine
        self._shard = shard
        self._others = [each for each in range(shards) if each != shard]
        self._chance = chance
        self._quiet = quiet
        self._arrived: list[tuple[int, int, int]] = []

    async def run(self, nursery: trio.Nursery, epoch: int) -> None:
        journal = self._engine.journal
        position = await journal.claim(self._shard, epoch)
        state = await recall(self._engine, self._shard)
        position = await journal.append(self._shard, state.missing, expect=position)
        for source in self._others:
            nursery.start_soon(self._follow, source, state.taken.get(source, 0))
        while True:
            await trio.sleep(TICK_S)
            here, self._arrived = self._arrived, []
            going = []
            if not self._quiet.statistics().delivered and state.entities:
                entity = self._chance.choice(list(state.entities))
                going = [(entity, self._chance.choice(self._others))]
            if here or going:
                data = json.dumps({"in": here, "out": going}).encode()
                tick = state.tick + 1
                drafts = [Draft(str(tick), data), *state.apply(tick, data)]
                position = await journal.append(self._shard, drafts, expect=position)

    async def _follow(self, source: int, after: int) -> None:
        async for record in self._engine.journal.follow(source, self._shard, after):
            self._arrived.append((source, record.position, int(record.data)))
