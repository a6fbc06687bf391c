"""Trio made repeatable: the only module here that touches trio's insides.

A run is a function of its seed: tasks that are ready at the same moment run in an order that the
seed shuffles, time jumps to the next deadline as soon as nobody has anything to do, and no code of
the server reads another clock.

A `Process` is a group of tasks that can be stopped and go on, as SIGSTOP and SIGCONT do with a real
one: while it is stopped none of its tasks takes a step, whatever was to wake them. What woke them
meanwhile (an answer, a deadline) they learn when they go on.
"""

import gc
import random
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, TypeVar

import trio
import trio.testing
from trio._core import _run as internals

__all__ = ["Process", "run"]

T = TypeVar("T")

_PROCESS: ContextVar["Process | None"] = ContextVar("process", default=None)
_NO_CLOCKS = ("monotonic", "perf_counter", "time")


class Process:
    """A group of tasks that can be stopped: those of `run`, and all that they start."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopped = False
        self._woken: list[tuple[trio.lowlevel.Task, Any]] = []

    async def run(self, main: Callable[[], Awaitable[None]]) -> None:
        """Run `main` in this process. The calling task becomes a part of it."""
        _PROCESS.set(self)
        await main()

    def stop(self) -> None:
        """No task takes a further step."""
        self.stopped = True

    def go_on(self) -> None:
        """All tasks go on, and learn what happened meanwhile."""
        self.stopped = False
        woken, self._woken = self._woken, []
        for task, outcome in woken:
            trio.lowlevel.reschedule(task, outcome)

    def hold(self, task: trio.lowlevel.Task, outcome: Any) -> None:
        """Keep what `task` was woken with until the process goes on."""
        # As `Runner.reschedule` does: it has been woken, so nothing can wake it a second time.
        task._abort_func = None
        task.custom_sleep_data = None
        self._woken.append((task, outcome))


def run(seed: int, main: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run `main` in virtual time, in the order of tasks that `seed` gives."""
    with _repeatable(seed), _no_collections():
        return trio.run(main, *args, clock=trio.testing.MockClock(autojump_threshold=0))


@contextmanager
def _repeatable(seed: int) -> Iterator[None]:
    """What a run needs, for as long as it lasts."""
    kept = internals._ALLOW_DETERMINISTIC_SCHEDULING, internals._r
    reschedule = internals.Runner.reschedule
    nothing = internals._NO_SEND

    def reschedule_unless_stopped(
        self: internals.Runner, task: trio.lowlevel.Task, next_send: Any = nothing
    ) -> None:
        process = task.context.get(_PROCESS)
        if process is not None and process.stopped:
            process.hold(task, next_send)
        else:
            reschedule(self, task, next_send)

    clocks = _clocks()
    internals._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    internals._r = random.Random(seed)
    internals.Runner.reschedule = reschedule_unless_stopped  # type: ignore[method-assign]
    for module, name, _ in clocks:
        setattr(module, name, _virtual(name))
    try:
        yield
    finally:
        internals._ALLOW_DETERMINISTIC_SCHEDULING, internals._r = kept
        internals.Runner.reschedule = reschedule  # type: ignore[method-assign]
        for module, name, clock in clocks:
            setattr(module, name, clock)


@contextmanager
def _no_collections() -> Iterator[None]:
    """A run is short: garbage can wait for its end."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


def _clocks() -> list[tuple[Any, str, Any]]:
    """Where the server's modules hold a real clock: (module, name, what is there)."""
    import time

    real = [time, *(getattr(time, name) for name in _NO_CLOCKS)]
    return [
        (module, name, value)
        for path, module in sorted(sys.modules.items())
        if path.split(".")[0] in ("server", "protocol", "sim")
        for name, value in vars(module).items()
        if any(value is clock for clock in real)
    ]


def _virtual(name: str) -> Any:
    if name == "time":
        return SimpleNamespace(**dict.fromkeys(_NO_CLOCKS, trio.current_time))
    return trio.current_time
