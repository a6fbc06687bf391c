"""The engine as a process has it: one link, and on it the three things that a cluster needs.

    async with open_engine(settings, world="main") as engine:
        ...  # engine.bus, engine.directory, engine.journal

Resource handling: the link and everything on it ends with the block. What was published shortly
before is sent first, unless the engine does not answer within a second.
Error handling: EngineError when there is no engine, or none that is good enough. Later it may come
and go: the bus is down meanwhile, and journal and directory wait.

Must not know: shards, gateways, nodes.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from server.cluster.nats import limits
from server.cluster.nats.bridge import Bridge, BridgeStatistics
from server.cluster.nats.bus import NatsBus
from server.cluster.nats.calls import Calls
from server.cluster.nats.directory import NatsDirectory
from server.cluster.nats.errors import EngineError, JetStreamError
from server.cluster.nats.jetstream import JetStream
from server.cluster.nats.journal import NatsJournal
from server.cluster.nats.names import Names
from server.cluster.nats.settings import EngineSettings
from server.cluster.nats.versions import ServerInfo

__all__ = ["Engine", "open_engine"]


@attrs.frozen(eq=False)
class Engine:
    """One world's bus, directory and journal on NATS."""

    bus: NatsBus
    directory: NatsDirectory
    journal: NatsJournal
    _bridge: Bridge

    @property
    def server(self) -> ServerInfo | None:
        """The server that this process is linked to, None while there is no link."""
        return self._bridge.server

    def statistics(self) -> BridgeStatistics:
        """Counters of the link since the start."""
        return self._bridge.statistics()

    async def flush(self) -> None:
        """Wait until what was published is at the server, and what it sent before is delivered.

        Returns at once while the bus is down.
        """
        await self._bridge.flush()


@asynccontextmanager
async def open_engine(
    settings: EngineSettings, world: str, *, name: str = "shoal"
) -> AsyncIterator[Engine]:
    """One world's engine. `name` is how the engine's operator sees this process.

    EngineError if there is none that is good enough, ValueError if `world` is no name.
    """
    names = Names(world)
    bridge = Bridge(settings, name)
    # Each asks by itself: trouble with one shard's stream must not keep contenders from leases.
    directory = NatsDirectory(JetStream(Calls(bridge)), names)
    journal = NatsJournal(JetStream(Calls(bridge)), names, settings.replicas)
    async with trio.open_nursery() as nursery:
        failure: EngineError | None = await nursery.start(bridge.run)
        if failure is None:
            failure = await _prepare(directory, settings.replicas)
        if failure is None:
            await nursery.start(directory.run)
            yield Engine(NatsBus(bridge, names.bus), directory, journal, bridge)
            with trio.move_on_after(limits.CLOSE_S):
                await bridge.flush()
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _prepare(directory: NatsDirectory, replicas: int) -> EngineError | None:
    """Have what every world needs; what stands in the way, if anything does."""
    try:
        with trio.fail_after(limits.PREPARE_S):
            await directory.prepare(replicas)
    except JetStreamError as error:
        return EngineError(f"the engine cannot keep leases with {replicas} replicas: {error}")
    except trio.TooSlowError:
        return EngineError("the engine's JetStream does not answer: has its cluster a leader?")
    return None
