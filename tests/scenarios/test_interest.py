"""A player receives what is in its interest, to the last bit, and nothing else."""

import math
import random

from server.testing import Sim
from sim.games.lanterns import Dash, Harpoon, Steer, game


def test_every_replica_is_the_truth_of_its_interest() -> None:
    chance = random.Random(2)
    sim = Sim(game, shards=(2, 2), seed=7)
    players = [sim.join(f"p{n}") for n in range(8)]
    for tick in range(120):
        for player in players:
            if tick % 10 == 0:
                player.send(Steer(dx=chance.uniform(-1, 1), dy=chance.uniform(-1, 1)))
            if chance.random() < 0.03:
                player.send(Harpoon(dx=chance.uniform(-1, 1), dy=chance.uniform(-1, 1)))
            if chance.random() < 0.03:
                player.send(Dash())
        sim.tick()
        truth = places(sim)
        for player in players:
            compare(sim, player, truth)
    assert sum(player.checks for player in players) > 50, "CRCs were compared, too"
    assert all(player.mismatches == 0 for player in players)


def places(sim) -> dict[int, tuple[float, float]]:
    """Where everybody is. Entities between two shards are in neither: guests are not listed."""
    found = {}
    for world in sim.worlds().values():
        for kind in range(len(sim.schema.kinds)):
            rows = world.export(kind)
            found.update(zip(rows.ids.tolist(), zip(rows.x, rows.y, strict=True), strict=True))
    return found


def compare(sim, player, truth) -> None:
    """The interest is a set of cells around the player's: all within its radius, and what the
    centre's hysteresis adds is less than a cell.
    """
    me = player.view[player.id]
    radius = max(sim.game.radii)
    cell = sim.game.cell
    least = min(sim.game.radii) - cell / 4
    for entity, view in player.view.items():
        if view.held or entity not in truth:
            continue
        assert (view.x, view.y) == truth[entity], "a position is exact, to the last bit"
        assert distance(me, view.x, view.y) <= radius + 3 * cell, "nothing from afar is sent"
    for entity, (x, y) in truth.items():
        if distance(me, x, y) < least:
            assert entity in player.view, "whoever is near is seen"


def distance(me, x: float, y: float) -> float:
    return math.hypot(x - me.x, y - me.y)


def test_owner_only_fields_reach_their_owner_alone() -> None:
    sim = Sim(game, shards=2, seed=3)
    ann, bob = sim.join("ann", x=500, y=500), sim.join("bob", x=510, y=500)
    ann.send(Harpoon(dx=0, dy=1))
    sim.tick(8)
    assert ann.client.private["harpoon_wait"] > 0, "the owner knows"
    assert bob.client.private["harpoon_wait"] == 0, "each knows its own"
    assert "harpoon_wait" not in bob.view[ann.id].fields, "nobody else is told"


def test_an_observer_sees_the_whole_world() -> None:
    sim = Sim(game, shards=(2, 2), seed=3)
    observer = sim.observe()
    sim.tick(10)
    truth = places(sim)
    seen = {entity: (view.x, view.y) for entity, view in observer.view.items() if not view.held}
    assert truth.keys() <= seen.keys()
    assert all(seen[entity] == place for entity, place in truth.items())
