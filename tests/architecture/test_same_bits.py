"""A run of the demo game gives the same bits whatever the processor offers.

numpy picks faster code where the processor has it; switching those features off is the nearest to
another processor that one machine can be.
"""

import os
import subprocess
import sys

from numpy._core import _multiarray_umath as core

RUN = """
import hashlib
import numpy as np
from sim import World, math
from sim.engine import TickInput
from sim.games.lanterns import Steer, game

x = np.random.default_rng(1).uniform(-700, 700, 20_001)
y = x[::-1].copy()
said = hashlib.sha256()
for values in (math.sin(x), math.cos(x), math.exp(x), math.log(abs(x)), math.atan2(x, y),
               math.power(abs(x), 1.37), math.length(x, y)):
    said.update(values.tobytes())
world = World(game, 7)
steer = next(spec for spec in game.rules.inputs if spec.cls is Steer)
commands = []
for step in range(1, 201):
    joins = [(number, "d") for number in range(12)] if step == 1 else []
    who = step % 12
    inputs = [(who, steer.index, steer.encode(Steer(math.cos(step * 1.0), math.sin(who * 2.0))), 0)]
    given = TickInput(step, step, joins=joins, inputs=inputs, commands=commands)
    commands = world.advance(given).commands
print(said.hexdigest(), world.checksum())
"""


def run(**environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", RUN],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_a_run_does_not_depend_on_the_processors_features() -> None:
    features = [name for name in core.__cpu_dispatch__ if core.__cpu_features__.get(name)]
    plain = run()
    assert len(plain.split()) == 2
    assert run(NPY_DISABLE_CPU_FEATURES=" ".join(features)) == plain
