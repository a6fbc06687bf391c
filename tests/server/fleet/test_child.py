"""Children are heard, end in order, and cannot outlive us."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from server.fleet.child import Child

PATIENCE_S = 20.0
ROOT = Path(__file__).parents[3]


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_its_lines_and_its_end_are_heard() -> None:
    child = Child(script("import sys; sys.stderr.write('one\\ntwo\\nthr'); sys.exit(3)"))
    try:
        assert [line async for line in child.lines] == [b"one", b"two", b"thr"]
        assert await child.wait() == 3
    finally:
        child.end()
    child.end()


async def test_one_that_talks_is_answered() -> None:
    child = Child(
        script("print(input()[::-1], flush=True); print(input(), flush=True)"), talks=True
    )
    try:
        await child.send(b"abc\n")
        assert await anext(child.lines) == b"cba"
        with trio.move_on_after(0.05):
            await anext(child.lines)
        await child.send(b"still here\n")
        assert await anext(child.lines) == b"still here", "being cancelled loses nothing"
    finally:
        child.end()


async def test_a_stopped_one_can_be_ended() -> None:
    child = Child(script("import time; time.sleep(60)"))
    child.signal(signal.SIGSTOP)
    child.end()
    assert not alive(child.pid)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_child_outlives_us_however_we_end(how: signal.Signals) -> None:
    text = """
import trio
from server.fleet.child import Child

async def main():
    one = Child(["sleep", "600"])
    other = Child(["sleep", "600"])
    print(one.pid, other.pid, flush=True)
    await trio.sleep_forever()

trio.run(main)
"""
    parent = subprocess.Popen(script(text), stdout=subprocess.PIPE, text=True, cwd=ROOT)
    with parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        # They are on the leash before they are what they become.
        wait_until(lambda: all("sleep" in Path(f"/proc/{p}/comm").read_text() for p in pids))
        os.kill(pids[1], signal.SIGSTOP)
        os.kill(parent.pid, how)
    wait_until(lambda: not any(alive(pid) for pid in pids))
