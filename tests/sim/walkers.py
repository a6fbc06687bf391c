"""A game of walkers with headings, and rules that meddle with them as a script says."""

import math
from collections.abc import Callable
from typing import Annotated, Any

import attrs
import numpy as np
from hypothesis import strategies as st

from protocol.courses import evaluate
from sim import Game, World, motion, quant
from sim.population import STEADY

WIDTH, HEIGHT, HZ = 64.0, 32.0, 20
STEP, SPEED_STEP = 1 / 4096, 1 / 64
MODEL = motion.Heading(speed=6)


@attrs.define
class Walker:
    x: Annotated[float, quant(0, WIDTH, 1 / 16)]
    y: Annotated[float, quant(0, HEIGHT, 1 / 16)]
    vx: Annotated[float, quant(-8, 8, 1 / 4, sim_step=SPEED_STEP)] = 0
    vy: Annotated[float, quant(-8, 8, 1 / 4, sim_step=SPEED_STEP)] = 0
    hp: Annotated[float, quant(0, 100, 1)] = 100
    heading: Annotated[float, quant(0, 63, 1)] = 0


def make_game(rule: Callable[[World], None] | None = None, model: motion.Heading = MODEL) -> Game:
    game = Game("walkers", size=(WIDTH, HEIGHT), tick_hz=HZ)
    game.entity(motion=model, ghost_fields=("heading",))(Walker)
    if rule is not None:
        game.system(rule)
    return game


def tables(world: World) -> tuple[list[int], list[int]]:
    """The velocities as a client has them: from the schema."""
    heading = world.game.describe()["kinds"][0]["course"]["heading"]
    return heading["vx"], heading["vy"]


def courses(world: World) -> list[tuple[int, ...]]:
    found = world.export(0).course
    assert found is not None
    return [tuple(row) for row in np.stack(found, axis=1).tolist()]


def seen(world: World, course: tuple[int, ...], step: int) -> tuple[int, int]:
    """Where a receiver that evaluates a course sees its entity, in steps of position."""
    form = world.game.rules.kinds[0].course
    assert form is not None
    x0, y0, vx, vy, step0 = course
    x, y = (evaluate(p, v, step - step0, form.num, form.den) for p, v in ((x0, vx), (y0, vy)))
    return int(x), int(y)


def places(world: World) -> list[tuple[int, int]]:
    """The true places, in steps."""
    rows = world.export(0)
    return [
        (int(x / STEP), int(y / STEP))
        for x, y in zip(rows.x.tolist(), rows.y.tolist(), strict=True)
    ]


def bits(world: World) -> dict[str, bytes]:
    (population,) = world.roster.populations
    return {name: c.tobytes() for name, c in population.store.views.items() if name != STEADY}


# --- scripts --------------------------------------------------------------------------------------


@attrs.define
class Change:
    """What a rule does to one row in one step."""

    heading: float | None = None
    x: float | None = None
    y: float | None = None
    hp: float | None = None


changes = st.builds(
    Change,
    heading=st.none() | st.integers(0, 63) | st.floats(0, 63),
    x=st.none() | st.floats(-9, WIDTH + 9),
    y=st.none() | st.floats(-9, HEIGHT + 9),
    hp=st.none() | st.floats(0, 100),
)
ops = st.one_of(
    st.tuples(st.integers(0, 9), changes),
    st.tuples(st.just("spawn"), st.floats(0, 63)),
    st.tuples(st.just("destroy"), st.integers(0, 9)),
)
scripts = st.lists(st.lists(ops, max_size=3), min_size=1, max_size=40)


class Meddler:
    """A rule that does what a script says, and notes whom it has put where."""

    def __init__(self) -> None:
        self.todo: list[Any] = []
        self.placed: dict[int, tuple[int, ...]] = {}

    def do(self, world: World) -> None:
        table = world[Walker]
        for what, value in self.todo:
            if what == "spawn":
                world.spawn(Walker(x=value, y=value / 2, heading=value))
            elif len(table) and what == "destroy":
                world.destroy(int(table.id[value % len(table)]))
            elif len(table):
                given = attrs.asdict(value, filter=lambda _, each: each is not None)
                for name, number in given.items():
                    getattr(table, name)[what % len(table)] = number
        self.placed = {}
        limit = int(WIDTH / STEP), int(HEIGHT / STEP)
        for walker, course in zip(table.rows(), courses(world), strict=True):
            near = (math.floor(at / STEP + 0.5) for at in (walker.x, walker.y))
            at = tuple(min(max(p, 0), most) for p, most in zip(near, limit, strict=True))
            if at != seen(world, course, world.step - 1):
                self.placed[walker.id] = at


def small_world() -> tuple[World, Meddler]:
    meddler = Meddler()

    def rule(world: World) -> None:
        meddler.do(world)

    world = World(make_game(rule), seed=1)
    for heading in (0, 7, 20, 33):
        world.spawn(Walker(x=heading + 3, y=10, heading=heading))
    return world, meddler
