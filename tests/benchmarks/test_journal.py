"""What is timed when journalling is measured is there, and is called."""

from benchmarks.journal.server import _PHASES
from benchmarks.stopwatch import Stopwatch


def test_everything_that_is_timed_is_there() -> None:
    stopwatch = Stopwatch(_PHASES)
    with stopwatch.running():
        assert set(stopwatch.lap()) == set(_PHASES)
