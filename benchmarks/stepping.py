"""What one step of 10,000 moving entities costs, without rules of the game's own.

Prints one JSON line: milliseconds per step for entities under thrust (a tenth of which turn in
each step, as if steered) and for free ones, the checksum of the state, and its checkpoint.

    python benchmarks/stepping.py [entities]
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Annotated

import attrs
import numpy as np

from sim import Game, World, motion, quant
from sim.engine import TickInput

SIDE = 4096
WARM_STEPS, STEPS = 40, 200
BUDGET_MS = 2.0

Coord = Annotated[float, quant(0, SIDE, 1 / 16)]
Speed = Annotated[float, quant(-256, 255.75, 1 / 4, sim_step=1 / 64)]
Health = Annotated[float, quant(0, 100, 1)]

game = Game("stepping", size=(SIDE, SIDE), interest_radius=300)


@game.entity(
    motion=motion.Thrust(
        accel=120, drag=0.3, max_speed=60, dash=motion.Dash(3, seconds=0.2, cooldown=2)
    )
)
@attrs.define
class Thrusting:
    """Under the built-in motion, with a dash."""

    x: Coord
    y: Coord
    vx: Speed = 0
    vy: Speed = 0
    health: Health = 100


@game.entity(motion=motion.Free())
@attrs.define
class Drifting:
    """Along courses, without a model."""

    x: Coord
    y: Coord
    vx: Speed = 0
    vy: Speed = 0
    health: Health = 100


def filled(kind: type, count: int) -> World:
    """A world with `count` entities of a kind, everywhere and in all directions."""
    world = World(game, seed=1)
    angles = np.arange(count) * 2.399963
    for index, angle in enumerate(angles):
        x, y = index * 37 % SIDE, index * 91 % SIDE
        world.roster.spawn(kind(x=x, y=y, vx=40 * np.cos(angle), vy=40 * np.sin(angle)))
    world.flush()
    return world


def steer(world: World) -> None:
    """Another tenth of the entities turns."""
    table = world[Thrusting]
    turning = (np.arange(len(table)) + world.step) % 10 == 0
    angles = np.flatnonzero(turning) + world.step * 0.7
    table.thrust_x[turning] = np.cos(angles)
    table.thrust_y[turning] = np.sin(angles)


def measured(world: World, before: Callable[[World], None]) -> dict[str, float]:
    """Median and 99th percentile of the steps, in ms; `before` each is not counted."""
    costs = []
    for step in range(1, WARM_STEPS + STEPS + 1):
        before(world)
        began = time.perf_counter()
        world.advance(TickInput(tick=step, step=step))
        costs.append((time.perf_counter() - began) * 1000)
    p50, p99 = np.percentile(costs[WARM_STEPS:], [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}


def cost_ms(function: Callable[[], object]) -> float:
    """The best of ten calls, in ms."""
    costs = []
    for _ in range(10):
        began = time.perf_counter()
        function()
        costs.append((time.perf_counter() - began) * 1000)
    return round(min(costs), 3)


def main() -> None:
    """Measure, and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    thrusting, drifting = filled(Thrusting, count), filled(Drifting, count)
    steered = measured(thrusting, steer)
    free = measured(drifting, lambda _: None)
    print(
        json.dumps(
            {
                "entities": count,
                "thrust_step_ms_p50": steered["p50"],
                "thrust_step_ms_p99": steered["p99"],
                "free_step_ms_p50": free["p50"],
                "free_step_ms_p99": free["p99"],
                "checksum_ms": cost_ms(thrusting.checksum),
                "checkpoint_ms": cost_ms(thrusting.checkpoint),
                "checkpoint_bytes": len(thrusting.checkpoint()),
                "budget_ms": BUDGET_MS,
                "within_budget": max(steered["p50"], free["p50"]) <= BUDGET_MS,
            }
        )
    )


if __name__ == "__main__":
    main()
