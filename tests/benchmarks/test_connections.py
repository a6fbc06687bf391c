"""The connections benchmark gets real clients in and out of a real server, and measures it."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL = ["--idle", "50", "--handshakes", "40", "--settle", "0.2", "--json"]


def test_idle_clients_and_handshakes_are_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.connections", *SMALL],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    about, idle, handshakes = map(json.loads, done.stdout.splitlines())
    assert about["machine"]["cores"] >= 1
    assert idle["idle"] == 50
    assert idle["joined_kb"] > 0
    assert handshakes["handshakes"] == 40
    assert handshakes["per_s"] > 0
    assert 0 < handshakes["took_ms_p50"] <= handshakes["took_ms_p99"]
