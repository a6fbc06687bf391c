"""What the processes of one world have to agree on, and how each finds out.

The coordinator's beacon says when the world began and how it is cut. A process of another game, or
of one that is declared otherwise, must not take part: it would read others' bytes wrongly.

Must not know: what a role does.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import attrs
import trio

from protocol.schema import Schema
from server.cluster.nats.engine import Engine, open_engine
from server.cluster.nats.settings import EngineSettings
from server.making import cut_world
from server.placement.coordinator import Founding, RecordError
from server.placement.reconciler import Listener
from server.placement.words import Beacon
from server.roles.errors import NoWorldError
from server.settings import Settings
from sim import Game

__all__ = [
    "Membership",
    "first_beacon",
    "founding_of",
    "join_world",
    "world_away",
]

PATIENCE_S: Final = 30.0  # for a first beacon: an election and the start of a node take far less
AWAY_S: Final = 6.0  # without a beacon, of which there are several a second, even if one is elected


@attrs.frozen(eq=False)
class Membership:
    """A process in a world: its engine, and who tells it of placement."""

    game: Game
    schema: Schema
    founding: Founding
    engine: Engine
    listener: Listener


def founding_of(game: Game, schema: Schema, settings: Settings) -> Founding:
    """The world that the settings describe."""
    geometry = cut_world(schema, settings)
    identity = {
        "game": game.name,
        "schema": game.hash,
        "seed": settings.seed,
        "shards": settings.shards,
    }
    return Founding(
        identity=identity, geometry=geometry.to_data(), hz=schema.hz, shards=geometry.shards
    )


@asynccontextmanager
async def join_world(
    game: Game, settings: Settings, engine_settings: EngineSettings, *, name: str
) -> AsyncIterator[Membership]:
    """The engine, and a listener that hears beacons, for as long as the block runs.

    Raises EngineError without an engine, SettingsError when the world cannot be cut so.
    """
    schema = Schema.from_data(game.describe())
    founding = founding_of(game, schema, settings)
    async with (
        open_engine(engine_settings, settings.world, name=name) as engine,
        trio.open_nursery() as nursery,
    ):
        listener = Listener(engine.bus, settings.world)
        nursery.start_soon(listener.run)
        yield Membership(game, schema, founding, engine, listener)
        nursery.cancel_scope.cancel()


async def first_beacon(member: Membership, settings: Settings) -> Beacon:
    """The world as it runs. Raises NoWorldError, RecordError for another world."""
    with trio.move_on_after(PATIENCE_S):
        beacon = await member.listener.first()
        wanted: Any = member.founding.identity
        if beacon.identity != wanted:
            raise RecordError(
                f"the world {settings.world!r} on this engine is another one: "
                f"it is {beacon.identity!r}, and this is {wanted!r}"
            )
        return beacon
    raise NoWorldError(
        f"nobody runs the world {settings.world!r} on this engine: start a node (shoal node)"
    )


def world_away(member: Membership) -> str | None:
    """Why this process cannot do its part, None while beacons are heard."""
    silent_s = trio.current_time() - member.listener.heard_at
    return None if silent_s <= AWAY_S else "nobody coordinates the world"
