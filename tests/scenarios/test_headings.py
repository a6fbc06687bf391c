"""Whoever moves by a heading is seen where it is: at edges, across borders, by who comes late."""

from typing import Annotated

import attrs
import pytest

from server.testing import Sim
from sim import Game, World, motion, quant

SIDE = 64.0
Coord = Annotated[float, quant(0, SIDE, step=1 / 16)]
Speed = Annotated[float, quant(-16, 16, step=1 / 4)]
Angle = Annotated[float, quant(0, 63, step=1)]


@attrs.frozen
class Turn:
    heading: Angle


@attrs.define
class Walker:
    x: Coord
    y: Coord
    vx: Speed = 0
    vy: Speed = 0
    hp: Annotated[float, quant(0, 100, step=1)] = 100
    heading: Angle = 0


def make_game() -> Game:
    """Walkers who turn by chance or by their player, without regard for the edges of the world."""
    game = Game("walkers", size=(SIDE, SIDE), cell=16, interest_radius=24, reach=8, jump=64)
    game.entity(motion=motion.Heading(speed=12), ghost_fields=("heading",))(Walker)

    @game.setup
    def fill(world: World) -> None:
        x0, y0, x1, y1 = world.bounds
        for number in range(8):
            x, y = (world.rng.uniform(number, name) for name in "xy")
            world.spawn(Walker(x0 + x * (x1 - x0), y0 + y * (y1 - y0), heading=8 * number))

    @game.join
    def join(world: World, name: str) -> Walker:
        return Walker(SIDE / 2, SIDE / 2)

    @game.on_input(Turn, once=True)
    def turn(world: World, me: Walker, command: Turn) -> None:
        me.heading = command.heading

    @game.system
    def roam(world: World) -> None:
        walkers = world[Walker]
        chance = world.rng.uniform(walkers.id, "what")
        some = (chance < 0.1).nonzero()[0]
        walkers.heading[some] = world.rng.integers(walkers.id[some], "heading", 0, 64)
        walkers.hp[chance > 0.95] = world.step % 101

    return game


@pytest.mark.parametrize("shards", [(1, 1), (2, 2)])
def test_walkers_are_seen_where_they_are(shards: tuple[int, int]) -> None:
    sim = Sim(make_game(), shards=shards, seed=5)
    watchers = [sim.observe()]
    ann = sim.join("ann")
    seen_at_edge = 0
    for tick in range(300):
        if tick % 7 == 0:
            ann.send(Turn(heading=tick % 64))
        if tick == 150:
            watchers.append(sim.observe())
        sim.tick()
        for watcher in watchers:
            for entity, seen in watcher.view.items():
                _, row = sim.find(entity)
                assert (seen.x, seen.y, seen.vx, seen.vy) == (row.x, row.y, row.vx, row.vy)
                assert seen.fields["heading"] == row.heading
                seen_at_edge += row.x in {0.0, SIDE} or row.y in {0.0, SIDE}
    assert sim.census().crossings > 50 or shards == (1, 1), "otherwise this shows nothing"
    assert seen_at_edge > 100, "otherwise this shows nothing"
    assert ann.checks > 0
    assert all(player.mismatches == 0 for player in (*watchers, ann))
