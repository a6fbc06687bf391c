"""What the tests of the JavaScript client share: Node.js, with the packages that they need.

`package.json` holds back cbor-extract, which cbor-x would like: the parts of its newest release are
not in every registry, and `npm ci` wants a lock that names them all.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HOME = Path(__file__).parent
INSTALL_S = 300
NODE_LEAST = 20

Run = Callable[..., subprocess.CompletedProcess[str]]


def do_without(reason: str) -> None:
    """Skip, or fail where nothing may be skipped."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(*argv: str, timeout_s: float = 100) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=HOME, capture_output=True, text=True, check=False, timeout=timeout_s
    )


def missing_packages() -> list[str]:
    """The pinned packages that are not installed just so."""
    wanted = json.loads((HOME / "package.json").read_text())["devDependencies"]
    return [f"{name} {version}" for name, version in wanted.items() if installed(name) != version]


def installed(name: str) -> str | None:
    try:
        text = (HOME / "node_modules" / name / "package.json").read_text()
    except FileNotFoundError:
        return None
    version: str = json.loads(text)["version"]
    return version


@pytest.fixture(scope="session")
def node() -> Run:
    """Runs `node` with some arguments, here, and waits for it."""
    found = shutil.which("node")
    if found is None:
        do_without("the JavaScript client is tested with Node.js (`node`), which is not here")
    assert found is not None
    version = run(found, "--version").stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < NODE_LEAST:
        do_without(f"the JavaScript client is tested with Node.js {NODE_LEAST}, not {version}")
    return lambda *arguments: run(found, *arguments)


@pytest.fixture(scope="session")
def packages(node: Run) -> None:
    """The packages that the tests compare with, fetched if they are not here."""
    missing = missing_packages()
    if not missing:
        return
    npm = shutil.which("npm")
    if npm is None:
        do_without(f"npm, which would install {', '.join(missing)}, is not on the path")
    assert npm is not None
    done = run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", timeout_s=INSTALL_S)
    if done.returncode != 0:
        do_without(f"npm could not install {', '.join(missing)}:\n{done.stderr.strip()}")
