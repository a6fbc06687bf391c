"""Nodes: the real service over handles on the engine, and a claimant who wants free shards.

The more shards a node has, the longer it waits before it tries for another one, so that nodes share
the world without talking to each other. Which shards are free they see as a watch would tell them.
A shard that is moved on purpose goes the way of the real reconciler instead.
"""

from functools import partial
from math import inf
from typing import Any

import trio

from server.cluster.seams import JournalError
from server.placement.reconciler import Reconciler
from server.shard.host import Shard, ShardConfig
from server.shard.service import Node, OwnedShard, own_shard, run_node, shard_lease_name
from tests.simulation.connection import Line, NodeDirectory, NodeJournal
from tests.simulation.place import Life
from tests.simulation.setting import Setting

__all__ = ["NodeLife"]

TTL_S = 1.2
GRACE_S = 20.0
DIGESTS_EVERY = 5
CHECKPOINT_EVERY = 30


class NodeLife(Life):
    """A node's process. `node` is None until it runs."""

    def __init__(self, setting: Setting, name: str) -> None:
        super().__init__(setting, name)
        self.node: Node | None = None
        self.claims = True
        self._bus = setting.network.party(name)
        self._line = Line(setting.engine, name)
        self._journal = NodeJournal(self._line, setting.history)
        self._directory = NodeDirectory(self._line)
        self._chance = setting.chance.of(f"claims of {name}")
        self._to_do, self._orders = trio.open_memory_channel[tuple[bool, int]](inf)

    async def main(self) -> None:
        """Step shards and claim further ones, until the end."""
        async with trio.open_nursery() as nursery:
            schedule = self.setting.schedule
            run = partial(
                run_node,
                [],
                journal=self._journal,
                schedule=schedule,
                last_tick=max(0, schedule.tick_at(trio.current_time())),
                stopwatch=trio.current_time,
            )
            self.node = await nursery.start(run)
            nursery.start_soon(self._move, nursery, self._reconciler(self.node))
            if self.setting.is_cut:
                chance = self.setting.chance.of(f"cuts heard by {self.name}")
                nursery.start_soon(self.setting.atlas.follow, chance, self.node.cut_anew)
            await self._claim()

    def die(self) -> None:
        """Neither the engine nor the bus hear of it any more."""
        self._line.dead = True
        self._bus.die()

    @property
    def shards(self) -> dict[int, Shard]:
        """The shards that it steps now."""
        return {} if self.node is None or self.is_dead else self.node.shards

    # --- moves -----------------------------------------------------------------------------------

    def take(self, shard: int) -> None:
        """It is to run a shard that another node runs."""
        self._to_do.send_nowait((True, shard))

    def give(self, shard: int) -> None:
        """It is to run a shard no more."""
        self._to_do.send_nowait((False, shard))

    def _reconciler(self, node: Node) -> Reconciler:
        homes: Any = self.setting.homes
        return Reconciler(
            node,
            self.name,
            lambda shard: partial(self._make, shard),
            world=self.setting.world,
            listener=homes,
            bus=self._bus,
            directory=self._directory,
            journal=self._journal,
        )

    async def _move(self, nursery: trio.Nursery, reconciler: Reconciler) -> None:
        nursery.start_soon(reconciler._handovers.run)
        async for takes, shard in self._orders:
            nursery.start_soon(self._do, reconciler, takes, shard)

    async def _do(self, reconciler: Reconciler, takes: bool, shard: int) -> None:
        if (shard in self.shards) == takes or shard in reconciler._busy:
            return
        reconciler._busy.add(shard)
        await (reconciler._take(shard) if takes else reconciler._give(shard))
        if reconciler._broken:
            self.setting.judge.blame(f"{self.name} cannot recover shard {shard}")

    # --- claiming --------------------------------------------------------------------------------

    async def _claim(self) -> None:
        while True:
            have = len(self.shards)
            await trio.sleep(self._chance.uniform(0.05, 0.2) * (1 + 3 * have))
            free = self._free() if self.claims else []
            if free:
                await self._try(self._chance.choice(free))

    def _free(self) -> list[int]:
        setting, held = self.setting, self.setting.engine.directory
        held.sweep()
        return [
            shard
            for shard in setting.atlas.shards
            if shard_lease_name(setting.world, shard) not in held._held
            and shard not in setting.homes.of
        ]

    async def _try(self, shard: int) -> None:
        try:
            owned = await self._own(shard)
        except JournalError as error:
            self.setting.trace.tell(f"{self.name} does not get shard {shard}: {error}")
            return
        if owned is not None and self.node is not None:
            self.node.add(owned)

    async def _own(self, shard: int) -> OwnedShard | None:
        setting = self.setting
        return await own_shard(
            partial(self._make, shard),
            shard,
            world=setting.world,
            directory=self._directory,
            journal=self._journal,
            ttl_s=TTL_S,
        )

    def _make(self, shard: int, epoch: int, saved: bytes | None) -> Shard:
        setting = self.setting
        config = ShardConfig(
            world=setting.world,
            shard=shard,
            epoch=epoch,
            seed=setting.chance.seed,
            geometry=setting.geometry,
            grace_ticks=round(GRACE_S * setting.schema.hz),
            counting=True,
            digests_every=DIGESTS_EVERY,
            checkpoint_every=CHECKPOINT_EVERY,
            partition=setting.atlas.partition if setting.is_cut else None,
        )
        return Shard(setting.game, setting.schema, self._bus, config, saved)
