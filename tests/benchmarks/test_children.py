"""A benchmark's children leave nothing behind, and their last words are kept."""

import sys

import pytest

from benchmarks.interest.children import Child, ChildFailedError

ANSWERS = (
    "import sys; print('{\"ready\": 1}', flush=True); [print('{}', flush=True) for _ in sys.stdin]"
)
FAILS = "import sys; sys.exit('the dog ate it')"


def child(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def test_a_child_that_ended_leaves_no_pipe_open() -> None:
    with Child.running(child(ANSWERS), core=0) as answering:
        assert answering.wait_ready(20) == {"ready": 1}
        assert answering.ask("anything") == {}
        process = answering._process
    pipes = (process.stdin, process.stdout, process.stderr)
    assert all(pipe is not None and pipe.closed for pipe in pipes)
    assert process.returncode == 0, "it was asked to end, not killed"


def test_what_a_child_said_last_is_in_the_error() -> None:
    with (
        Child.running(child(FAILS), core=0) as failing,
        pytest.raises(ChildFailedError, match=r"exit code 1\)\nthe dog ate it"),
    ):
        failing.wait_ready(20)
