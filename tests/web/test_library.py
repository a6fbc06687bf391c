"""The JavaScript client is tested by itself: `node --test` runs every `*.test.js` beside this file.

That needs Node.js and npm, which fetches the one package that the tests compare with (pinned in
`package-lock.json`): absent, this is skipped, but never where `CI` is set.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HOME = Path(__file__).parent
INSTALL_S = 300
NODE_LEAST = 20


def do_without(reason: str) -> None:
    """Skip, or fail where nothing may be skipped."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(*argv: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=HOME, capture_output=True, text=True, check=False, timeout=timeout_s
    )


def find_node() -> str:
    node = shutil.which("node")
    if node is None:
        do_without("the JavaScript client is tested with Node.js (`node`), which is not here")
    assert node is not None
    version = run(node, "--version", timeout_s=20).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < NODE_LEAST:
        do_without(f"the JavaScript client is tested with Node.js {NODE_LEAST}, not {version}")
    return node


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


@pytest.fixture(scope="module")
def node() -> str:
    """The `node` that runs the tests, with the packages that they need installed."""
    node = find_node()
    if missing := missing_packages():
        npm = shutil.which("npm")
        if npm is None:
            do_without(f"npm, which would install {', '.join(missing)}, is not on the path")
        assert npm is not None
        done = run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", timeout_s=INSTALL_S)
        if done.returncode != 0:
            do_without(f"npm could not install {', '.join(missing)}:\n{done.stderr.strip()}")
    return node


def test_the_lock_names_no_registry() -> None:
    lock = (HOME / "package-lock.json").read_text()
    assert '"resolved"' not in lock, "install with --omit-lockfile-registry-resolved"


@pytest.mark.timeout(INSTALL_S + 120)
def test_the_library_keeps_its_promises(node: str) -> None:
    tests = sorted(path.name for path in HOME.glob("*.test.js"))
    assert tests, "there is something to run"
    done = run(node, "--test", "--test-reporter=tap", *tests, timeout_s=100)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
