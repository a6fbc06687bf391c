"""The JavaScript client is tested by itself: `node --test` runs every `*.test.js` beside this file.

That needs Node.js and npm, which fetches the one package that the tests compare with (pinned in
`package-lock.json`): absent, this is skipped, but never where `CI` is set.
"""

from pathlib import Path

import pytest

from tests.web.conftest import INSTALL_S, Run

HOME = Path(__file__).parent


def test_the_lock_names_no_registry() -> None:
    lock = (HOME / "package-lock.json").read_text()
    assert '"resolved"' not in lock, "install with --omit-lockfile-registry-resolved"


@pytest.mark.timeout(INSTALL_S + 120)
def test_the_library_keeps_its_promises(node: Run, packages: None) -> None:
    tests = sorted(path.name for path in HOME.glob("*.test.js"))
    assert tests, "there is something to run"
    done = node("--test", "--test-reporter=tap", *tests)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
