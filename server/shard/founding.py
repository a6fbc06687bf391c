"""The world that a shard begins with, before anything that its journal tells.

Must not know: the journal, the bus.
"""

from server.shard.config import ShardConfig
from server.shard.saved import Saved
from server.shard.space import NOWHERE
from sim.game import Game
from sim.world import World

__all__ = ["first_world"]


def first_world(game: Game, config: ShardConfig, kept: Saved | None) -> World:
    """That of its checkpoint, or a new one. A shard that the world was not founded with is empty.

    Raises EngineError if the checkpoint cannot be read.
    """
    if kept is not None:
        return World.restore(game, kept.world)
    maker, geometry = config.shard + 1, config.geometry
    if config.shard in geometry.shards:
        return World(game, config.seed, maker=maker, bounds=geometry.rect(config.shard))
    return World.empty(game, config.seed, maker=maker, bounds=NOWHERE)
