"""Whose motion is not asked goes on, to the bit, as if it had been asked."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import Game, World, motion, quant
from sim.engine import TickInput
from sim.population import STEADY

Drive = Callable[[World], Any]
SIDE = 256.0
Coord = Annotated[float, quant(0, SIDE, 1 / 16)]
Speed = Annotated[float, quant(-80, 80, 1 / 4, sim_step=1 / 64)]
MODELS = [
    motion.Free(),
    motion.Thrust(accel=120, drag=1, max_speed=60),
    motion.Thrust(accel=90, drag=0, max_speed=60, dash=motion.Dash(1.3, seconds=0.2, cooldown=1)),
]


def make_world(model: motion.Motion, rule: Callable[[Any, World], None]) -> World:
    game = Game("steady", size=(SIDE, SIDE), history_s=0)

    @game.entity(motion=model)
    @attrs.define
    class Fly:
        x: Coord
        y: Coord
        vx: Speed = 0
        vy: Speed = 0
        hp: Annotated[int, quant(0, 9, 1)] = 9

    @game.setup
    def fill(world: World) -> None:
        for place in range(1, 16):
            world.spawn(Fly(place * 16, place * 16, 9 - place, place))

    @game.system
    def meddle(world: World) -> None:
        rule(world[Fly], world)

    return World(game, seed=1)


def meddle(flies: Any, world: World) -> None:
    """Everything that a game may do to its columns, to some at a time."""
    chance = world.rng.uniform(flies.id, "what")
    names = [name for name in ("thrust_x", "thrust_y", "vx", "vy") if hasattr(flies, name)]
    for index, name in enumerate(names):
        some = (chance * 97 % 1 < 0.05) & (world.step % 4 == index)
        getattr(flies, name)[some] = world.rng.uniform(flies.id[some], name, -1, 1) * (index * 40)
    flies.vx[chance > 0.98] = -0.0
    if hasattr(flies, "dash"):
        flies.dash[chance > 0.95] = 1
    if world.step % 9 == 0:
        flies.x = np.where(chance < 0.1, chance * 2800, flies.x)  # far outside, too
        flies.vy = flies.vy * 1.0
    flies.hp[chance < 0.2] = world.step % 10


def bits(world: World) -> dict[str, bytes]:
    (population,) = world.roster.populations
    return {name: c.tobytes() for name, c in population.store.views.items() if name != STEADY}


@pytest.mark.parametrize("model", MODELS, ids=["free", "thrust", "dash"])
def test_asking_everybody_changes_nothing(model: motion.Motion, drive: Drive) -> None:
    lazy, eager = (make_world(model, meddle) for _ in range(2))
    drivers = [drive(world) for world in (lazy, eager)]
    asked = []
    for _ in range(250):
        asked.append(1 - float(lazy.roster.populations[0].column(STEADY).mean()))
        eager.roster.populations[0].column(STEADY)[...] = False
        for driver in drivers:
            driver.step()
        assert bits(lazy) == bits(eager)
    assert np.mean(asked) < 0.9, "otherwise this shows nothing"


def test_a_steady_row_is_asked_again_when_it_comes_near_an_edge(drive: Drive) -> None:
    world = make_world(motion.Free(), lambda flies, _: flies.id)
    fly = next(world[next(iter(world.game.rules.kind_of))].rows())
    fly.vx = 40.0
    drive(world).steps(200)
    assert fly.vx == 0
    assert SIDE - 1 / 16 <= fly.x <= SIDE


@settings(deadline=None, max_examples=30)
@given(script=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 199)), max_size=15))
def test_players_inputs_are_obeyed_at_once(
    script: list[tuple[int, int]], pond: SimpleNamespace, drive: Drive
) -> None:
    steer = next(spec.index for spec in pond.game.rules.inputs if spec.cls is pond.Steer)
    lazy, eager = (World(pond.game, seed=3) for _ in range(2))
    drivers = [drive(world) for world in (lazy, eager)]
    for driver in drivers:
        driver.step(joins=[(1, "ann"), (2, "bob")])
    for values in script:
        for population in eager.roster.populations:
            if population.spec.course is not None:
                population.column(STEADY)[...] = False
        for driver in drivers:
            driver.step(inputs=[(1, steer, values, 0)])
            driver.steps(3)
        assert lazy.digests() == eager.digests()


def test_only_rows_that_say_something_else_count_as_changed() -> None:
    changed: list[Any] = []

    def rule(flies: Any, world: World) -> None:
        population = world.roster.populations[0]
        field = population.spec.field("vx")
        flies.vx = flies.vx
        changed.append(population.changed(field))
        flies.vx[3] += 1 / 1024  # less than a step
        flies.vx[9] = -0.0  # the same number in other bits
        changed.append(population.changed(field))
        flies.vx[3:] = 7.25
        changed.append(population.changed(field))

    world = make_world(motion.Free(), rule)
    world[next(iter(world.game.rules.kind_of))].vx[9] = 0.0
    world.advance(TickInput(1, 1))
    assert changed[0].tolist() == [9]
    assert changed[1].tolist() == [3, 9]
    assert changed[2] == slice(None)
