"""Trio made repeatable: the only module here that touches trio's insides.

A run is a function of its seed: tasks that are ready at the same moment run in an order that the
seed shuffles, and time jumps to the next deadline as soon as nobody has anything to do. Whoever
reads another clock, or has chance of its own, breaks that; the trace's hash tells.

A `Process` is a group of tasks that can be stopped and go on, as SIGSTOP and SIGCONT do with a real
one: while it is stopped none of its tasks takes a step, whatever was to wake them. What woke them
meanwhile (an answer, a deadline) they learn when they go on.
"""

import gc
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import trio
import trio.testing
from trio._core import _run as internals

__all__ = ["Process", "run"]

T = TypeVar("T")

_PROCESS: ContextVar["Process | None"] = ContextVar("process", default=None)


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

    internals._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    internals._r = random.Random(seed)
    internals.Runner.reschedule = reschedule_unless_stopped  # type: ignore[method-assign]
    try:
        yield
    finally:
        internals._ALLOW_DETERMINISTIC_SCHEDULING, internals._r = kept
        internals.Runner.reschedule = reschedule  # type: ignore[method-assign]


@contextmanager
def _no_collections() -> Iterator[None]:
    """A run is short: garbage can wait for its end."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()
