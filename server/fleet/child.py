"""A child process that cannot outlive us: started on a leash, heard line by line, ended for sure.

It has a session of its own, so that Ctrl-C in the terminal reaches only us, who end children in
order. `Child` must be made in the main thread (see `leash`).

Must not know: what is run.
"""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

import trio

from server.fleet import leash

__all__ = ["Child"]

LINE_BYTES_MAX: Final = 64 * 1024  # of a line; the rest of a longer one is taken for the next
_LEASH: Final = [sys.executable, "-I", "-S", leash.__file__]
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Child:
    """One process, from its start on.

    One that `talks` is read and written to, its errors are shown as ours; else `lines` are those of
    its standard error.

    Resource handling: `end` must be called once it is of no use any more.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        talks: bool = False,
    ) -> None:
        pipe, none = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(  # noqa: S603 - what our caller runs, by no shell
            [*_LEASH, str(os.getpid()), *command],
            env=environment,
            stdin=pipe if talks else none,
            stdout=pipe if talks else none,
            stderr=None if talks else pipe,
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._ended = os.pidfd_open(self.pid)
        said = self._process.stdout if talks else self._process.stderr
        assert said is not None, "it is a pipe"
        self.lines = _Lines(said)
        self._open = True

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def cpu_s(self) -> float:
        """Processor time that it has used, 0 when it has ended."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return 0.0
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / _TICKS_PER_S

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it is still there to get it."""
        if self.running:
            self._process.send_signal(number)

    async def wait(self) -> int:
        """Wait until it has ended; its exit code, minus the signal if one killed it."""
        if self.running:
            await trio.lowlevel.wait_readable(self._ended)
        return self._process.wait()

    async def send(self, data: bytes) -> None:
        """Write to its standard input. Raises BrokenPipeError when it reads no more."""
        assert self._process.stdin is not None, "it was made to talk"
        os.write(self._process.stdin.fileno(), data)  # a line fits in the pipe
        await trio.lowlevel.checkpoint()

    def end(self) -> None:
        """Kill it, if it has not ended, and let go of what belongs to it. Idempotent."""
        if not self._open:
            return
        self._open = False
        self._process.kill()
        self._process.wait()
        os.close(self._ended)
        self.lines.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


class _Lines:
    """The lines that come through a pipe. Whoever is cancelled leaves the rest to the next one."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._stream = trio.lowlevel.FdStream(os.dup(pipe.fileno()))
        self._whole: deque[bytes] = deque()
        self._rest = b""

    def __aiter__(self) -> "_Lines":
        return self

    async def __anext__(self) -> bytes:
        while not self._whole:
            chunk = await self._stream.receive_some()
            if not chunk:
                break
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            self._whole += lines
            if len(self._rest) > LINE_BYTES_MAX:
                self._cut()
        if not self._whole:
            if not self._rest:
                raise StopAsyncIteration
            self._cut()
        return self._whole.popleft()

    def _cut(self) -> None:
        self._whole.append(self._rest)
        self._rest = b""

    def close(self) -> None:
        """Read no more."""
        self._stream.close()
