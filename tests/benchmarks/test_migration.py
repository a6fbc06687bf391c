"""The migration benchmark moves a shard under real clients and measures what they notice."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
needs_engine = pytest.mark.skipif(
    not (shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")),
    reason="there is no nats-server",
)


@pytest.mark.slow
@needs_engine
def test_a_shard_moves_and_what_that_costs_is_told() -> None:
    """How long it takes is a matter of the machine; what is shown must be right on each."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.migration", "--moves", "1", "--json"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=150,
    )  # fmt: skip
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)
    assert told["moved"] == told["moves"] == 1
    assert told["nodes_alive"]
    assert told["bots_lost"] == 0
    assert (told["published_twice"], told["crc_mismatches"]) == (0, 0)
    assert told["inputs"] > 0
    assert told["pause_ms"]["p100"] > 0
    assert told["standby_bytes"] > 25_000, "the next owner is told all of 2,000 entities"
    assert told["began_anew"] or told["first_frame_bytes"] < 25_000, "and nobody else"
