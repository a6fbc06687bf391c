"""The implementations that the conformance tests run through: one factory for each.

A further implementation of the seam adds itself to the parameters here and must pass unchanged.
Those in memory run under the autojump clock; the engine has clocks of its own, so on NATS the same
tests take real time.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from server.cluster.bus import MemoryBus
from server.cluster.directory import MemoryDirectory
from server.cluster.journal import MemoryJournal
from server.cluster.seams import Bus, Directory, Journal
from server.store.journal import StoreJournal
from server.testing.disk import SimulatedDisk
from tests.server.cluster.nats_server import NatsCluster, NatsServer

if TYPE_CHECKING:
    from server.cluster.nats.engine import Engine  # needs an extra, which is not always there


def stored_journal() -> Journal:
    """The embedded journal on an empty disk, where opening waits for nothing."""
    opening = StoreJournal.open(SimulatedDisk(), pytest.fail)
    try:
        opening.send(None)
    except StopIteration as opened:
        journal: Journal = opened.value
        return journal
    raise AssertionError("an empty disk was waited for")


# --- NATS ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """One server for all tests that leave it alone; each has a world of its own on it."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def new_world(
    server: NatsServer | NatsCluster | None, name: str = ""
) -> "AsyncIterator[Engine | None]":
    """An engine with a world that nobody else has (or that one), if there is a server."""
    if server is None:
        yield None
        return
    # The extra that these need is not always there; with a server to go to, it is.
    from server.cluster.nats.engine import open_engine  # noqa: PLC0415
    from server.cluster.nats.settings import EngineSettings  # noqa: PLC0415

    settings = EngineSettings(urls=server.urls, replicas=server.replicas, wait_s=60)
    async with open_engine(settings, name or f"t{token_hex(6)}") as engine:
        yield engine


@pytest.fixture
async def engine(nats_server: NatsServer) -> "AsyncIterator[Engine]":
    """A world on NATS, for tests of this implementation alone."""
    async with new_world(nats_server) as engine:
        assert engine is not None
        yield engine


# --- all -----------------------------------------------------------------------------------------


@pytest.fixture
def implementation(request: pytest.FixtureRequest) -> str:
    """Which one a test runs through; see `pytest_generate_tests`."""
    name: str = request.param
    return name


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    names = metafunc.fixturenames
    if "make_journal" in names:
        metafunc.parametrize("implementation", ["memory", "store", "nats"], indirect=True)
    elif "make_bus" in names or "make_directory" in names:
        metafunc.parametrize("implementation", ["memory", "nats"], indirect=True)


@pytest.fixture
def place(implementation: str, request: pytest.FixtureRequest) -> NatsServer | None:
    """The server, if the implementation wants one."""
    if implementation != "nats":
        return None
    server: NatsServer = request.getfixturevalue("nats_server")
    return server


@pytest.fixture
def autojump_clock(request: pytest.FixtureRequest) -> trio.testing.MockClock | None:
    """Virtual time, but real time where there is an engine."""
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and callspec.params.get("implementation") == "nats":
        return None
    return trio.testing.MockClock(autojump_threshold=0)


@pytest.fixture
async def world(place: NatsServer | None) -> "AsyncIterator[Engine | None]":
    async with new_world(place) as engine:
        yield engine


@pytest.fixture
def make_bus(world: "Engine | None") -> Callable[[], Bus]:
    return MemoryBus if world is None else lambda: world.bus


@pytest.fixture
def flush(world: "Engine | None") -> Callable[[], Awaitable[None]]:
    """Wait until what was published is where it goes, which in memory it is at once."""
    return trio.lowlevel.checkpoint if world is None else world.flush


@pytest.fixture
def make_directory(world: "Engine | None") -> Callable[[], Directory]:
    return (
        (lambda: MemoryDirectory(trio.current_time)) if world is None else lambda: world.directory
    )


@pytest.fixture
def make_journal(implementation: str, world: "Engine | None") -> Callable[[], Journal]:
    if world is not None:
        return lambda: world.journal
    return MemoryJournal if implementation == "memory" else stored_journal
