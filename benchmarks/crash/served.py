"""The server under test: `shoal serve --store`, as a person would run it, started and killed.

Must not know: what is proved.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.interest.children import ROOT
from benchmarks.ports import listens

__all__ = ["Served"]

_SHOAL: Final = "from server.cli import main; main()"  # what the `shoal` script does
_END_S: Final = 30.0


@attrs.define
class Served:
    """A server that is started again and again on the same store and port. Logs go to `log`."""

    game: str
    store: Path
    log: Path
    options: dict[str, object]
    _process: subprocess.Popen[bytes] | None = None
    _read: int = 0

    def start(self) -> None:
        """Begin, without waiting for anything."""
        flags = [text for name, value in self.options.items() for text in (f"--{name}", str(value))]
        argv = [sys.executable, "-c", _SHOAL, "serve", self.game, "--store", str(self.store)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*argv, "--log-format", "json", *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )

    def wait_listening(self, port: int, patience_s: float) -> bool:
        """Wait until the port answers; False if the process ended, or it took too long."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline and self.exit_code is None:
            if listens(port):
                return True
            time.sleep(0.05)
        return False

    def kill(self) -> None:
        """SIGKILL, and wait until the process is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(_END_S)

    def end(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def said(self) -> list[dict[str, Any]]:
        """What was logged since the last time; a line that is no JSON comes as {"line": ...}."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            text = log.read()
        whole = text.rfind(b"\n") + 1
        self._read += whole
        return [_parsed(line) for line in text[:whole].decode(errors="replace").splitlines()]


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {"line": line}
    return found if isinstance(found, dict) else {"line": line}
