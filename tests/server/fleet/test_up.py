"""`shoal up` as a person runs it: everything comes up, stays up, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.server.cluster import nats_server

pytest.importorskip("trio_asyncio", reason="needs the extra 'cluster'")

UP = [sys.executable, "-m", "server", "up"]
ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0
pytestmark = pytest.mark.timeout(240)


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    nats_server.find()
    process = subprocess.Popen(
        [*UP, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def line_with(process: subprocess.Popen[str], wanted: Callable[[str], bool]) -> str:
    """The first line from now on that is wanted."""
    assert process.stdout is not None
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        assert line, "it ended"
        if wanted(line):
            return line
    raise AssertionError("no such line in time")


def all_run(line: str) -> bool:
    return line.count(" running") == 4 and "(0 shards)" not in line


def children(pid: int) -> dict[int, str]:
    """The processes that `pid` has started, and what they are."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            found[int(child)] = command
    return found


def wait_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while left := [pid for pid in pids if _alive(pid)]:
        assert time.monotonic() < deadline, f"{left} are left behind"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_dies_is_started_again_and_all_ends_in_order() -> None:
    with running("--nodes", "1", "--gateways", "2") as up:
        line_with(up, all_run)
        before = children(up.pid)
        assert sum("nats-server" in command for command in before.values()) == 1
        (node,) = [pid for pid, command in before.items() if " node " in command]
        os.kill(node, signal.SIGKILL)
        line_with(up, lambda line: "node-1 running" not in line)
        line_with(up, all_run)
        after = children(up.pid)
        assert node not in after
        assert len(after) == len(before)
        up.send_signal(signal.SIGINT)
        out, errors = up.communicate(timeout=PATIENCE_S)
    assert up.returncode == 0, errors
    assert "Traceback" not in errors
    ended = [line for line in out.splitlines() if "gateway-1 ended" in line]
    assert all("engine running" in line for line in ended), "the engine ends last"
    wait_gone(list(after))


def test_a_second_signal_ends_it_at_once_and_nothing_is_left() -> None:
    with running("--nodes", "2", "--gateways", "1") as up:
        line_with(up, lambda line: line.count(" running") == 4)
        everybody = list(children(up.pid))
        up.send_signal(signal.SIGINT)
        line_with(up, lambda line: "stopping" in line)
        up.send_signal(signal.SIGINT)
        up.communicate(timeout=PATIENCE_S)
    wait_gone(everybody)


def test_killed_it_leaves_nothing_behind() -> None:
    with running("--nodes", "1", "--gateways", "1") as up:
        line_with(up, lambda line: line.count(" running") == 3)
        everybody = list(children(up.pid))
        assert len(everybody) == 3
        up.kill()
        up.communicate(timeout=PATIENCE_S)
    wait_gone(everybody)


def test_a_member_that_cannot_start_is_named_and_nothing_is_left() -> None:
    nats_server.find()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = subprocess.run(
            [*UP, "--nodes", "1", "--gateways", "1", "--port", port],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            cwd=ROOT,
        )
    assert result.returncode == 2
    assert result.stderr.startswith("shoal: gateway-1: ")
    assert port in result.stderr
    assert "Traceback" not in result.stderr


def test_without_nats_server_the_package_is_named() -> None:
    code = (
        "import shutil; shutil.which = lambda *_, **__: None; from server.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "up", "--port", "0"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )
    assert result.returncode == 2
    assert "apt install nats-server" in result.stderr
    assert "--engine" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["up", "--nodes", "0"], "nodes: 0 is not within 1 to 64"),
        (["up", "--gateways", "65"], "gateways: 65 is not within"),
        (["demo", "--chaos"], "wants --nodes"),
    ],
)
def test_a_mistake_gets_one_clear_answer(arguments: list[str], says: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )
    assert result.returncode == 2
    assert says in result.stderr
