"""Child processes of a benchmark: started on one core, spoken to in lines, their CPU time read.

A child writes JSON lines to stdout and takes commands as lines from stdin. The first line says that
it is ready; `start` begins a window, `stop` ends it and is answered with what happened in it.

Must not know: what the children do.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Final, Self

__all__ = ["Child", "ChildFailedError", "core_busy_s", "pin"]

ROOT: Final = Path(__file__).resolve().parents[2]
_CLOCK_HZ: Final = os.sysconf("SC_CLK_TCK")
_ANSWER_S: Final = 60.0


class ChildFailedError(Exception):
    """A child ended, or did not answer; the message has its last words."""


def pin(core: int) -> None:
    """Keep this process to one core, as far as the machine has it."""
    os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})


class Child:
    """One running child."""

    def __init__(self, argv: Sequence[str], core: int | None) -> None:
        self.name = Path(argv[2] if argv[1] == "-m" else argv[1]).name
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            preexec_fn=None if core is None else lambda: pin(core),  # noqa: PLW1509 - nothing else runs at that moment
        )
        self._lines: Queue[str | None] = Queue()
        self._words: list[str] = []
        self._listeners = [
            threading.Thread(target=listen, daemon=True)
            for listen in (self._listen, self._note_words)
        ]
        for listener in self._listeners:
            listener.start()
        self.ready: dict[str, Any] = {}

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def wait_ready(self, patience_s: float = _ANSWER_S) -> dict[str, Any]:
        """Its first line."""
        self.ready = self.answer(patience_s)
        return self.ready

    def tell(self, command: str) -> None:
        """Give a command. Raises ChildFailedError if the child is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        except OSError:
            raise ChildFailedError(self.last_words("is gone")) from None

    def answer(self, patience_s: float = _ANSWER_S) -> dict[str, Any]:
        """Its next line. Raises ChildFailedError."""
        try:
            line = self._lines.get(timeout=patience_s)
        except Empty:
            raise ChildFailedError(self.last_words(f"says nothing for {patience_s:g} s")) from None
        if line is None:
            raise ChildFailedError(self.last_words("ended"))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, command: str, patience_s: float = _ANSWER_S) -> dict[str, Any]:
        """Give a command and wait for the answer."""
        self.tell(command)
        return self.answer(patience_s)

    def cpu_s(self) -> tuple[float, float]:
        """CPU seconds used so far, in its own code and in the kernel's."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        fields = stat[stat.rindex(")") + 2 :].split()
        return int(fields[11]) / _CLOCK_HZ, int(fields[12]) / _CLOCK_HZ

    def rss_mb(self) -> float:
        """Resident memory in megabytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        kilobytes = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(kilobytes.split()[1]) / 1024

    def end(self) -> None:
        """Have it end, by force if need be."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        for listener in self._listeners:
            listener.join(1.0)  # it closes what it listens to

    @classmethod
    @contextmanager
    def running(cls, argv: Sequence[str], core: int | None) -> Iterator[Self]:
        """A child that ends with the block; without a `core` of its own it runs on any."""
        child = cls(argv, core)
        try:
            yield child
        finally:
            child.end()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.startswith("{"):
                    self._lines.put(line)
        self._lines.put(None)

    def _note_words(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self._words = [*self._words[-30:], line.rstrip()]

    def last_words(self, what: str) -> str:
        """What became of it, and what it wrote last on stderr."""
        time.sleep(0.2)
        code = self._process.poll()
        ended = "" if code is None else f" (exit code {code})"
        return "\n".join([f"{self.name} {what}{ended}", *self._words])


def python(module: str, **options: Any) -> list[str]:
    """The command for a module of this repository; options become `--name value`."""
    flags = [text for name, value in options.items() for text in _flag(name, value)]
    return [sys.executable, "-m", module, *flags]


def _flag(name: str, value: Any) -> list[str]:
    return [f"--{name.replace('_', '-')}", str(value)]


def core_busy_s(core: int) -> float:
    """CPU seconds that a core has spent on anything since the machine started."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + softirq + steal) / _CLOCK_HZ
    return 0.0
