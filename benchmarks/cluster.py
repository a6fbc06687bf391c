"""A world as many processes for a benchmark: a private nats-server, nodes, gateways.

They are the programs themselves, started from the command line on loopback, and their CPU time is
read from outside. The nats-server gets a folder of its own, which is gone afterwards.

Must not know: what is measured.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.interest.children import Child, ChildFailedError
from benchmarks.ports import free_port, listens

__all__ = ["Cluster", "EngineMissingError"]

WORLD: Final = "bench"
_START_S: Final = 90.0
_END_S: Final = 10.0


class EngineMissingError(Exception):
    """There is no nats-server on this machine."""


class Role(Child):
    """A program that ends at SIGTERM."""

    def end(self) -> None:
        """Have it end in order, by force if need be."""
        try:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            pass
        super().end()


class Cluster:
    """Starts processes of one world; all of them end with `running`."""

    def __init__(self, game: str, shards: str, stack: ExitStack) -> None:
        self._game = game
        self._shards = shards
        self._stack = stack
        self._engine_port = free_port()
        self.engine_url = f"nats://127.0.0.1:{self._engine_port}"
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="shoal-bench-"))
        self.engine = self._start_engine(Path(folder))

    @classmethod
    @contextmanager
    def running(cls, game: str, shards: str) -> Iterator["Cluster"]:
        """An engine for the world of `game`, on which processes can be started.

        Raises EngineMissingError.
        """
        with ExitStack() as stack:
            yield cls(game, shards, stack)

    @staticmethod
    @contextmanager
    def alone(game: str, shards: str) -> Iterator[tuple[Child, int]]:
        """The whole world as one process, and its port."""
        port = free_port()
        with Role.running(_command("serve", game, shards, *_admitting(port)), None) as child:
            _wait_listens(port, child)
            yield child, port

    def node(self, name: str, *flags: str) -> Child:
        """Start a node."""
        return self._start("node", "--name", name, *flags)

    def gateway(self) -> tuple[Child, int]:
        """Start a gateway and wait until it listens; it, and its port."""
        port = free_port()
        child = self._start("gateway", *_admitting(port))
        _wait_listens(port, child)
        return child, port

    def _start(self, role: str, *flags: str) -> Child:
        flags = ("--engine", self.engine_url, *flags)
        return self._run(_command(role, self._game, self._shards, *flags))

    def _start_engine(self, folder: Path) -> Child:
        program = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
        if program is None:
            raise EngineMissingError("there is no nats-server on this machine")
        where = ["-a", "127.0.0.1", "-p", str(self._engine_port), "-sd", str(folder)]
        child = self._run([program, "-js", *where])
        _wait_listens(self._engine_port, child)
        return child

    def _run(self, argv: list[str]) -> Child:
        return self._stack.enter_context(Role.running(argv, None))


def _command(role: str, game: str, shards: str, *flags: str) -> list[str]:
    code = "from server.cli import main; main()"
    world = ["--world", WORLD, "--shards", shards, "--log-level", "warning"]
    return [sys.executable, "-c", code, role, game, *world, *flags]


def _admitting(port: int) -> list[str]:
    most = "20000"
    return ["--port", str(port), "--clients-max", most, "--clients-per-address-max", most]


def _wait_listens(port: int, child: Child) -> None:
    deadline = time.monotonic() + _START_S
    while not listens(port):
        if time.monotonic() > deadline or not child.alive:
            raise ChildFailedError(child.last_words("does not listen"))
        time.sleep(0.05)
