"""The scale-out benchmark runs one process and five, and adds up what they cost."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scaleout.__main__ import _summary

ROOT = Path(__file__).parents[2]
SMALL = ["--clients", "20", "--seconds", "1", "--warm", "1", "--runs", "1"]
PROCESSES = {"node a", "node b", "gateway 0", "gateway 1", "engine"}
needs_engine = pytest.mark.skipif(
    not (shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")),
    reason="there is no nats-server",
)


def run_of(cpu: dict[str, float], *, held: bool = True) -> dict[str, object]:
    workers = [share for name, share in cpu.items() if name != "engine"]
    return {
        "clients": 1000, "cpu": cpu, "busiest": max(workers), "sum": sum(cpu.values()),
        "held": held,
    }  # fmt: skip


def test_the_busiest_is_no_engine_and_the_sum_is_of_all() -> None:
    ones = [run_of({"single": share}) for share in (0.5, 0.6, 0.9)]
    manys = [
        run_of({"node a": 0.1, "gateway 0": gateway, "engine": 0.5}) for gateway in (0.2, 0.3, 0.7)
    ]
    told = _summary(ones, manys)
    assert (told["single"], told["busiest"]) == (0.6, 0.3), "medians"
    assert told["busiest_ratio"] == 2.0
    assert told["sum"] == pytest.approx(0.9)
    assert told["sum_ratio"] == 1.5
    assert told["us_per_client_s"] == {"single": 600, "busiest": 300, "sum": 900}
    assert told["held"]
    assert not _summary(ones, [run_of({"node a": 0.1}, held=False)])["held"]


@pytest.mark.slow
@needs_engine
def test_clients_play_on_both() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaleout", *SMALL],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, many, told = map(json.loads, done.stdout.splitlines())
    assert (one["setup"], many["setup"]) == ("single", "cluster")
    assert set(many["cpu"]) == PROCESSES
    for each in (one, many):
        assert each["live"] == 20
        assert each["snapshots_per_client_s"] > 0
        assert each["bytes_per_client_s"] > 0
    assert told["busiest_ratio"] > 0
    assert told["sum_ratio"] > 0
