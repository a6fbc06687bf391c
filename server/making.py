"""From settings to parts: how a world is cut, and how its shards and gateways are made.

A single process and the roles of many make the same parts, so it is said once, here.

Must not know: which process is which role, buses' insides.
"""

from collections.abc import Callable
from functools import partial

import attrs

from protocol.geometry import Geometry
from protocol.schema import Schema
from server.cluster.seams import Bus
from server.gateway.core import GatewayConfig
from server.net.health import Health
from server.net.listen import ListenConfig
from server.net.pages import Pages
from server.settings import Settings, SettingsError
from server.shard.host import Shard, ShardConfig
from server.shard.service import MakeShard
from server.shard.space import Partition
from sim import Game

__all__ = ["ShardMaker", "cut_world", "gateway_config", "listen_config"]


def cut_world(schema: Schema, settings: Settings) -> Geometry:
    """How the settings cut the world. Raises SettingsError when it cannot be cut so."""
    try:
        return Geometry.grid(*schema.size, schema.cell, schema.interest, settings.shard_grid)
    except ValueError as error:
        raise SettingsError(f"shards: {error}") from None


@attrs.define(kw_only=True)
class ShardMaker:
    """Makes the shards of one world, which was cut as `geometry` says in the beginning.

    `kept`: whether their journal outlives this process, so that digests and checkpoints are worth
    their while; `recorded`: whether somebody else keeps it, so that digests are. `counting` keeps
    every entity's id for a census.
    """

    game: Game
    schema: Schema
    geometry: Geometry
    bus: Bus
    settings: Settings
    kept: bool
    recorded: bool = False
    counting: bool = False
    _partition: Partition | None = None

    def cut_anew(self, partition: Partition) -> None:
        """How the world is cut for shards that are made from now on."""
        self._partition = partition

    def of(self, shard: int) -> MakeShard:
        """What makes shard number `shard`, given its epoch and its checkpoint if there is one."""
        make: Callable[[int, bytes | None], Shard] = partial(self._make, shard)
        return make

    def _make(self, shard: int, epoch: int, saved: bytes | None) -> Shard:
        settings, hz = self.settings, self.schema.hz
        config = ShardConfig(
            world=settings.world,
            shard=shard,
            epoch=epoch,
            seed=settings.seed,
            geometry=self.geometry,
            grace_ticks=round(settings.resume_grace_s * hz),
            counting=self.counting,
            digests_every=1 if self.kept or self.recorded else 0,
            checkpoint_every=round(settings.checkpoint_every_s * hz) if self.kept else 0,
            partition=self._partition,
        )
        return Shard(self.game, self.schema, self.bus, config, saved)


def gateway_config(
    name: str, schema: Schema, geometry: Geometry, settings: Settings
) -> GatewayConfig:
    """The gateway `name` as the settings want it; every run needs a name of its own."""
    return GatewayConfig(
        name=name,
        world=settings.world,
        schema=schema,
        geometry=geometry,
        clients_max=settings.clients_max,
        client_bytes_per_s=settings.client_bytes_per_s,
        reveal=settings.reveal,
    )


def listen_config(
    settings: Settings, pages: Pages | None, health: Health | None = None
) -> ListenConfig:
    """How the settings let clients in, and what is served besides."""
    if health is not None:
        pages = (pages or Pages({})).with_health(health)
    return ListenConfig(
        origins=settings.origins,
        clients_max=settings.clients_max,
        clients_per_address_max=settings.clients_per_address_max,
        pages=pages,
        trusted_proxies=settings.trusted_proxies,
    )
