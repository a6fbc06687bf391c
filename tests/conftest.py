"""The order of the tests: the browser's come last.

Playwright's driver keeps an asyncio loop running in the main thread for as long as its browser is
there, and whatever else runs on asyncio in this process (the client of the cluster's engine) would
be taken for a part of it.
"""

from pathlib import Path

import pytest

BROWSER = Path(__file__).parent / "browser"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.is_relative_to(BROWSER))
