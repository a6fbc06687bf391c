"""The peers: other servers with the same workload, which need Node.js and a few of its packages.

They live in `benchmarks/peers`, whose `package.json` pins what they are made of. Nothing else in
the benchmark needs them: without Node there is a reason to print in place of their figures.

Must not know: what is measured.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.interest.children import ChildFailedError, pin

__all__ = ["PeerMissing", "command", "find_node", "install", "missing_packages", "validate"]

_HOME: Final = Path(__file__).resolve().parents[1] / "peers"
_SERVERS: Final = {"colyseus": "colyseus.mjs", "floor": "floor.mjs"}
_INSTALL_S: Final = 300.0
_VERDICT_S: Final = 60.0  # the validator itself gives up after half of it


class PeerMissing(Exception):  # noqa: N818 - it is a reason to do without, not a fault
    """A peer cannot be run here; the message says why."""


def find_node() -> Path | None:
    """The `node` on the path."""
    found = shutil.which("node")
    return Path(found) if found else None


def missing_packages() -> list[str]:
    """The packages, as `name version`, that the peers want and that are not installed just so."""
    wanted: dict[str, str] = _read(_HOME / "package.json")["dependencies"]
    return [f"{name} {version}" for name, version in wanted.items() if _installed(name) != version]


def install(log: Callable[[str], None]) -> None:
    """Have the peers' packages where they look for them. Raises PeerMissing."""
    _node()
    missing = missing_packages()
    if not missing:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise PeerMissing(f"npm, which would install {', '.join(missing)}, is not on the path")
    log(f"installing {', '.join(missing)}")
    argv = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock"]
    try:
        done = subprocess.run(
            argv, cwd=_HOME, capture_output=True, text=True, check=False, timeout=_INSTALL_S
        )
    except subprocess.TimeoutExpired:
        raise PeerMissing(f"npm did not end within {_INSTALL_S:g} s") from None
    if done.returncode != 0:
        raise PeerMissing(f"npm failed (exit code {done.returncode}):\n{done.stderr.strip()}")
    if still := missing_packages():
        raise PeerMissing(f"npm did not install {', '.join(still)}")


def command(name: str, options: Mapping[str, object]) -> list[str]:
    """What starts the server of a peer; options become `--name value`. Raises PeerMissing."""
    flags = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    return [str(_node()), str(_HOME / _SERVERS[name]), *flags]


def validate(port: int, core: int) -> dict[str, Any]:
    """Compare real clients, kept to `core`, with what the Colyseus server on `port` says is true.

    The answer has `checks`, `set_differs`, `value_differs` and `visible`; whether it is good is for
    the caller to say. Raises ChildFailedError when there is no answer, and PeerMissing.
    """
    argv = [str(_node()), str(_HOME / "validate.mjs"), "--port", str(port)]
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            timeout=_VERDICT_S,
            preexec_fn=partial(pin, core),
        )
    except subprocess.TimeoutExpired:
        raise ChildFailedError(f"validate.mjs says nothing for {_VERDICT_S:g} s") from None
    verdicts = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not verdicts:
        code = f"validate.mjs ended without a verdict (exit code {done.returncode})"
        raise ChildFailedError("\n".join([code, *done.stderr.splitlines()[-30:]]))
    verdict: dict[str, Any] = json.loads(verdicts[-1])
    return verdict


def _node() -> Path:
    found = find_node()
    if found is None:
        raise PeerMissing("Node.js (`node`), in which the peers are written, is not on the path")
    return found


def _installed(name: str) -> str | None:
    try:
        version: str = _read(_HOME / "node_modules" / name / "package.json")["version"]
    except FileNotFoundError:
        return None
    return version


def _read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document
