"""One recording gives one checksum on every processor: with and without numpy's vector code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
RUN = """
import json
from numpy._core._multiarray_umath import __cpu_features__
from sim import World
from sim.engine import TickInput
from sim.games.lanterns import game

world = World(game, seed=5)
commands = []
for step in range(1, 121):
    joins = [(session, f"diver {session}") for session in range(1, 13)] if step == 1 else []
    inputs = [
        (1 + step % 12, kind, [(step * 37 + n) % 257 for n in range(len(spec.fields))], step << 8)
        for kind, spec in enumerate(game.rules.inputs)
    ]
    given = TickInput(step, step, joins=joins, inputs=inputs, commands=commands)
    commands = world.advance(TickInput.from_bytes(given.to_bytes())).commands
used = sorted(name for name, on in __cpu_features__.items() if on)
print(json.dumps({"digests": world.digests(), "used": used}))
"""


def run(disabled: str) -> dict[str, object]:
    environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": disabled, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_vector_code_changes_nothing() -> None:
    features = np._core._multiarray_umath.__cpu_features__  # type: ignore[attr-defined]
    dispatched = np._core._multiarray_umath.__cpu_dispatch__  # type: ignore[attr-defined]
    present = [name for name in dispatched if features.get(name)]
    if not present:
        pytest.skip("numpy has no vector code for this processor that could be switched off")
    plain, fast = run(" ".join(present)), run("")
    assert set(plain["used"]) < set(fast["used"]), "The switch must have switched something off."  # type: ignore[call-overload]
    assert plain["digests"] == fast["digests"]
