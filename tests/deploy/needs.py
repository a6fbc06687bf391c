"""What a test of deployments needs; it is skipped without, except in CI, which must have it."""

import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec

import pytest


def need(*, programs: Sequence[str] = (), modules: Sequence[str] = (), extra: str = "") -> None:
    """Skip unless the `programs` are installed and the `modules`, of an extra, importable."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    missing = [f"{name} (a package)" for name in programs if not shutil.which(name, path=path)]
    if any(find_spec(module) is None for module in modules):
        missing.append(f"the extra '{extra}'")
    if not missing:
        return
    reason = f"this machine lacks {' and '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, which .ci/run must install")
    pytest.skip(reason)
