"""The implementations that the conformance tests run through: one factory for each.

A further implementation of the seam adds itself to the parameters here and must pass unchanged.
"""

from collections.abc import Callable

import pytest
import trio

from server.cluster.bus import MemoryBus
from server.cluster.directory import MemoryDirectory
from server.cluster.journal import MemoryJournal
from server.cluster.seams import Bus, Directory, Journal
from server.store.journal import StoreJournal
from server.testing.disk import SimulatedDisk


def stored_journal() -> Journal:
    """The embedded journal on an empty disk, where opening waits for nothing."""
    opening = StoreJournal.open(SimulatedDisk(), pytest.fail)
    try:
        opening.send(None)
    except StopIteration as opened:
        journal: Journal = opened.value
        return journal
    raise AssertionError("an empty disk was waited for")


@pytest.fixture(params=[MemoryBus], ids=["memory"])
def make_bus(request: pytest.FixtureRequest) -> Callable[[], Bus]:
    return request.param


@pytest.fixture(params=[lambda: MemoryDirectory(trio.current_time)], ids=["memory"])
def make_directory(request: pytest.FixtureRequest) -> Callable[[], Directory]:
    return request.param


@pytest.fixture(params=[MemoryJournal, stored_journal], ids=["memory", "store"])
def make_journal(request: pytest.FixtureRequest) -> Callable[[], Journal]:
    return request.param
