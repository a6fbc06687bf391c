"""Fixtures of the protocol's tests: the small world, and modules that are no tests.

Test modules cannot import their neighbours (pytest imports each by its path), so what they share
comes from here: `worlds` is the small world's module, `reader` the independent reader's.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from protocol.geometry import Geometry
from protocol.schema import Schema

HERE = Path(__file__).parent


def _load(path: Path) -> ModuleType:
    name = f"shoal_tests_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def worlds() -> ModuleType:
    """Gives tests/protocol/worlds.py."""
    return _load(HERE / "worlds.py")


@pytest.fixture(scope="session")
def reader() -> ModuleType:
    """Gives tests/protocol/independent_reader.py."""
    return _load(HERE / "independent_reader.py")


@pytest.fixture(scope="session")
def generator() -> ModuleType:
    """Gives tests/vectors/generate.py."""
    return _load(HERE.parent / "vectors" / "generate.py")


@pytest.fixture(scope="session")
def schema(worlds: ModuleType) -> Schema:
    made: Schema = worlds.make_schema()
    return made


@pytest.fixture(scope="session")
def geometry(worlds: ModuleType) -> Geometry:
    made: Geometry = worlds.make_geometry()
    return made
