"""Running a service until a signal ends it: in order at first, at once at the second.

Must not know: what the service does.
"""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

import structlog
import trio

__all__ = ["Stoppable", "run_until_signalled"]

_log = structlog.get_logger(__name__)


class Stoppable(Protocol):
    """A service that can end in order."""

    async def shut_down(self, reason: str) -> None:
        """End in order; returns when that is done."""


async def run_until_signalled(service: Callable[..., Awaitable[object]]) -> None:
    """Run `service(task_status=)` until it ends or SIGINT or SIGTERM comes.

    It is started with something `Stoppable`. A signal before that, or a second one, cancels it.
    """
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            watch = _Watch(nursery)
            nursery.start_soon(watch.run, signals)
            async with trio.open_nursery() as inner:
                watch.running = await inner.start(service)
            nursery.cancel_scope.cancel()


class _Watch:
    """Waits for signals; `running` is the service once it has started."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.running: Stoppable | None = None
        self._nursery = nursery
        self._asked = False

    async def run(self, signals: AsyncIterator[int]) -> None:
        """Act on every signal."""
        async for number in signals:
            name = signal.Signals(number).name
            if self._asked or self.running is None:
                _log.warning("ending at once", signal=name)
                self._nursery.cancel_scope.cancel()
                return
            self._asked = True
            _log.info("draining", signal=name)
            self._nursery.start_soon(self._drain, self.running)

    async def _drain(self, running: Stoppable) -> None:
        await running.shut_down("the server is shutting down")
        _log.info("ended")
        self._nursery.cancel_scope.cancel()
