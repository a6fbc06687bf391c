"""How long named phases take, measured around the program's own functions.

The functions are replaced by timed ones while the watch runs, so that what is measured is the real
program in its real order. A phase inside another counts in both.

Must not know: what the phases do.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

__all__ = ["Stopwatch"]

Method = tuple[type, str]


class Stopwatch:
    """Milliseconds by phase since the last `lap`, by a clock in seconds.

    `time.thread_time` leaves out what others had of the processor in between.
    """

    def __init__(
        self,
        phases: Mapping[str, Iterable[Method]],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._phases = {name: list(methods) for name, methods in phases.items()}
        self._spent_ms = dict.fromkeys(self._phases, 0.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure within the block."""
        with ExitStack() as replaced:
            for phase, methods in self._phases.items():
                for owner, name in methods:
                    timed = self._timed(phase, getattr(owner, name))
                    replaced.enter_context(patch.object(owner, name, timed))
            yield

    def lap(self) -> dict[str, float]:
        """What was spent since the last lap."""
        spent, self._spent_ms = self._spent_ms, dict.fromkeys(self._phases, 0.0)
        return spent

    def _timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*args: Any, **named: Any) -> Any:
            began = self._clock()
            try:
                return function(*args, **named)
            finally:
                self._spent_ms[phase] += (self._clock() - began) * 1000

        return timed
