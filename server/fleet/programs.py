"""What a fleet runs, and how each program says that it is ready.

Must not know: processes, when anything is started or ended.
"""

import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import attrs

from server.fleet.errors import NoEngineError

__all__ = ["Heard", "NatsServer", "Program", "Role"]

_LISTENS: Final = re.compile(r"Listening for client connections on \S+:(\d+)")
_SERIOUS: Final = frozenset({"warning", "error", "critical"})


@attrs.frozen
class Heard:
    """What a line says: that the program is ready, or words for people.

    One that is ready may have a `url`, and a `label` by which others know it.
    """

    ready: bool = False
    url: str = ""
    label: str = ""
    words: str = ""


class Program(Protocol):
    """A command, and its ear for what it says on standard error."""

    @property
    def command(self) -> Sequence[str]:
        """What to run now."""

    def hear(self, line: str) -> Heard:
        """Take one line."""


class Role:
    """`shoal node` or `shoal gateway`, which logs JSON lines and is ready when it names itself.

    `door` stands before the command.
    """

    def __init__(self, role: str, game: str, *options: str, door: Sequence[str] = ()) -> None:
        self._role = role
        self.command: Sequence[str] = [*door, sys.executable, "-m", "server", role, game, *options]

    def hear(self, line: str) -> Heard:
        """Take one line; one that is no JSON is what the command says when it gives up."""
        try:
            said: Any = json.loads(line)
        except ValueError:
            return Heard(words=line.removeprefix("shoal: ").strip())
        if not isinstance(said, dict):
            return Heard()
        if said.get("event") == self._role:
            return Heard(ready=True, url=str(said.get("url", "")), label=str(said.get("name", "")))
        return Heard(words=_sentence(said) if said.get("level") in _SERIOUS else "")


class NatsServer:
    """A private nats-server on one `address` of this machine that keeps its streams in `folder`.

    Raises NoEngineError where nats-server is not installed. Its port is free when it starts first,
    and then stays.
    """

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        program = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
        if program is None:
            raise NoEngineError(
                "there is no nats-server on this machine: install the package nats-server"
                " (apt install nats-server, brew install nats-server),"
                " or name a running one with --engine nats://HOST:4222"
            )
        self._program = program
        self._folder = folder
        self._address = address
        self._port = -1

    @property
    def command(self) -> Sequence[str]:
        """What to run now."""
        where = ["-a", self._address, "-p", str(self._port)]
        return [self._program, *where, "-js", "-sd", str(self._folder)]

    def hear(self, line: str) -> Heard:
        """Take one line."""
        listens = _LISTENS.search(line)
        if listens is not None:
            self._port = int(listens[1])
        if "Server is ready" in line:
            return Heard(ready=True, url=f"nats://{self._address}:{self._port}")
        serious = "[FTL]" in line or "[ERR]" in line
        return Heard(words=line.partition("] ")[2] if serious else "")


def _sentence(said: Mapping[str, Any]) -> str:
    """A log line as one sentence."""
    passed_over = {"event", "level", "timestamp", "logger"}
    facts = [f"{name} {value}" for name, value in said.items() if name not in passed_over]
    return ", ".join([str(said.get("event", "")), *facts])
