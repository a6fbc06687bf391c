"""A member of a fleet: one program that is kept running until it is asked to stop.

What dies is started again after a pause that grows while it keeps dying, and that is short again
once it has run for a while.

    STARTING -> RUNNING -> DOWN -> STARTING ...
    any -> STOPPING -> ENDED

Error handling: MemberError when the program ends with its very first start, before it was ready:
then something is to be mended that another start would not mend.

Must not know: what the program is for.
"""

import signal
from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import Final

import trio

from server.fleet.child import Child
from server.fleet.errors import MemberError
from server.fleet.programs import Program

__all__ = ["Member", "State"]

PAUSE_FIRST_S: Final = 0.5
PAUSE_MAX_S: Final = 30.0
STEADY_S: Final = 20.0  # after so long it does not count as dying again
LAST_WORDS_S: Final = 1.0  # for what a process said before it ended
WORDS_KEPT: Final = 20


class State(Enum):
    """What a member is doing."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    DOWN = "down"
    STOPPING = "stopping"
    ENDED = "ended"


class Member:
    """One member. `words` are what it said last that people should know, and when.

    `label` is what it calls itself, and `url` where it listens, as soon as it is ready.
    """

    def __init__(
        self, name: str, role: str, program: Program, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.role = role
        self.state = State.STARTING
        self.url = ""
        self.restarts = 0
        self.since = trio.current_time()
        self.again_at: float | None = None
        self.label = name
        self.words: deque[tuple[float, str]] = deque(maxlen=WORDS_KEPT)
        self._program = program
        self._environment = environment
        self._child: Child | None = None
        self._stopping = trio.Event()
        self._news = trio.Event()
        self._was_ready = False

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return None if self._child is None else self._child.pid

    @property
    def cpu_s(self) -> float:
        """Processor time of the process that runs now."""
        return 0.0 if self._child is None else self._child.cpu_s

    async def run(self) -> None:
        """Keep it running until `stop` is called and it has ended; cancelled, it is killed."""
        failures = 0
        try:
            while not self._stopping.is_set():
                began = trio.current_time()
                code = await self._run_once()
                if self._stopping.is_set():
                    break
                if not self._was_ready:
                    words = self.words[-1][1] if self.words else f"it ended with code {code}"
                    raise MemberError(f"{self.name}: {words}")
                failures = 0 if trio.current_time() - began > STEADY_S else failures
                pause_s = min(PAUSE_FIRST_S * 2**failures, PAUSE_MAX_S)
                failures, self.restarts = failures + 1, self.restarts + 1
                self._say(f"ended with code {code}")
                self.again_at = trio.current_time() + pause_s
                self._turn(State.DOWN)
                with trio.move_on_after(pause_s):
                    await self._stopping.wait()
        finally:
            self._turn(State.ENDED)

    async def wait_running(self) -> None:
        """Wait until it is ready for the first time, or again."""
        while self.state is not State.RUNNING:
            await self._news.wait()

    async def wait_again(self) -> None:
        """Wait until it is ready once more, after it was struck."""
        starts = self.restarts
        while self.restarts == starts or self.state is not State.RUNNING:
            await self._news.wait()

    async def stop(self, patience_s: float) -> None:
        """Ask it to end in order, and wait until it has; it is killed when time is up."""
        self._stopping.set()
        if self._child is not None:
            self._turn(State.STOPPING)
            self._child.signal(signal.SIGCONT)
            self._child.signal(signal.SIGTERM)
        with trio.move_on_after(patience_s):
            await self._wait_ended()
            return
        self.signal(signal.SIGKILL)
        await self._wait_ended()

    def signal(self, number: signal.Signals) -> None:
        """Do something to the process, for chaos."""
        if self._child is None:
            return
        self._child.signal(number)
        if number is signal.SIGSTOP:
            self._turn(State.PAUSED)
        elif number is signal.SIGCONT and self.state is State.PAUSED:
            self._turn(State.RUNNING)

    async def _wait_ended(self) -> None:
        while self.state is not State.ENDED:
            await self._news.wait()

    async def _run_once(self) -> int:
        self.again_at = None
        child = self._child = Child(self._program.command, environment=self._environment)
        self._turn(State.STARTING)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hear, child)
                code = await child.wait()
                nursery.cancel_scope.deadline = trio.current_time() + LAST_WORDS_S
        finally:
            self._child = None
            child.end()
        return code

    async def _hear(self, child: Child) -> None:
        async for line in child.lines:
            heard = self._program.hear(line.decode(errors="replace"))
            if heard.words:
                self._say(heard.words)
            if heard.ready:
                self.url, self.label = heard.url, heard.label or self.name
                self._was_ready = True
                if self.state is State.STARTING:
                    self._turn(State.RUNNING)

    def _say(self, words: str) -> None:
        self.words.append((trio.current_time(), words))

    def _turn(self, state: State) -> None:
        self.state, self.since = state, trio.current_time()
        news, self._news = self._news, trio.Event()
        news.set()
