"""What all parts of one run share: the game and its space, the engine and network, chance, judge.

Must not know: nodes, gateways, players.
"""

import attrs

from protocol.geometry import Geometry
from protocol.schema import Schema
from server.placement.plan import Plan
from server.shard.schedule import Schedule
from sim import Game
from tests.simulation.atlas import Atlas
from tests.simulation.chance import Chance
from tests.simulation.engine import Engine
from tests.simulation.game import make_game
from tests.simulation.history import History
from tests.simulation.judge import Judge
from tests.simulation.network import Network
from tests.simulation.trace import Trace

__all__ = ["Homes", "Setting"]

WORLD = "w"
START_S = 0.5


@attrs.frozen
class Homes:
    """Where shards that are on their way belong, as a listener to beacons tells a node."""

    of: dict[int, str] = attrs.field(factory=dict)

    @property
    def newest(self) -> "Homes":
        """What a coordinator said last."""
        return self

    @property
    def plan(self) -> Plan:
        """Who is to run what."""
        return Plan(1, self.of)


@attrs.frozen(eq=False)
class Setting:
    """One run's common ground. Made within the run, since the engine reads its clock."""

    chance: Chance
    game: Game
    schema: Schema
    geometry: Geometry
    schedule: Schedule
    trace: Trace
    judge: Judge
    history: History
    network: Network
    engine: Engine
    atlas: Atlas
    homes: Homes = attrs.field(factory=Homes)
    world: str = WORLD

    @property
    def is_cut(self) -> bool:
        """Whether the world is cut anew at any time."""
        return self.atlas.planned

    @classmethod
    def make(cls, seed: int, trace: Trace, judge: Judge) -> "Setting":
        """A new world of 2 x 2 shards."""
        chance, game = Chance(seed), make_game()
        schema = Schema.from_data(game.describe())
        geometry = Geometry.grid(*game.size, game.cell, game.radii, (2, 2))
        history = History(judge, trace)
        network = Network(chance.of("network"), trace)
        engine = Engine(network, history, chance.of("engine"), trace)
        schedule = Schedule(START_S, schema.hz)
        atlas = Atlas(geometry, chance.of("cuts of the world"), trace)
        return cls(
            chance, game, schema, geometry, schedule, trace, judge, history, network, engine, atlas
        )
