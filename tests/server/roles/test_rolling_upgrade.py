"""A world is upgraded process by process, while everybody plays on.

Real processes on a real nats-server. The new version speaks the same wire and has other rules, so
its nodes cannot replay what the old ones recorded: each shard goes over with a checkpoint.
"""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.server.cluster.nats_server import NatsServer, free_port
from tests.server.roles.front import Front, front

ROOT = Path(__file__).parents[3]
PATIENCE_S = 90.0  # a loaded machine is slow
BOTS = 8
GAME = "sim.games.lanterns:game"


async def kill(process: trio.Process) -> None:
    process.kill()


class Running:
    """One process, and the JSON lines that it has said."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []
        self.words: list[str] = []

    async def listen(self, stream: trio.abc.ReceiveStream) -> None:
        rest = b""
        async for data in stream:
            *lines, rest = (rest + data).split(b"\n")
            self.said += [json.loads(line) for line in lines if line.startswith(b"{")]
            self.words += [line.decode() for line in lines if not line.startswith(b"{")]

    async def wait(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with trio.fail_after(PATIENCE_S):
            while not (found := [line for line in self.said if wanted(line)]):  # noqa: ASYNC110
                await trio.sleep(0.05)
        return found[-1]

    async def wait_event(self, event: str) -> dict[str, Any]:
        return await self.wait(lambda line: line.get("event") == event)

    def events(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.said if line.get("event") == event]

    async def end(self) -> None:
        """SIGTERM, and wait until it has gone in order."""
        self.process.send_signal(signal.SIGTERM)
        with trio.fail_after(PATIENCE_S):
            code = await self.process.wait()
        assert code == 0, "\n".join([*map(str, self.said[-5:]), *self.words])


class Town:
    """An engine and what runs on it."""

    def __init__(self, nursery: trio.Nursery, engine: NatsServer) -> None:
        self._nursery = nursery
        self._engine = engine

    async def start(self, version: int, role: str, *flags: str) -> Running:
        argv = [sys.executable, "-m", "tests.server.roles.versioned", str(version), role, GAME]
        argv += ["--engine", self._engine.url, "--shards", "2x1", "--log-format", "json", *flags]
        return await self._run(argv, stderr=subprocess.PIPE)

    async def bots(self, port: int) -> Running:
        argv = [sys.executable, "-m", "client_demo", "bots", "--url", f"ws://127.0.0.1:{port}"]
        return await self._run([*argv, "--count", str(BOTS), "--json"], stdout=subprocess.PIPE)

    async def _run(self, argv: list[str], **pipes: int) -> Running:
        process = await self._nursery.start(
            partial(trio.run_process, argv, cwd=ROOT, check=False, deliver_cancel=kill, **pipes)
        )
        running = Running(process)
        stream = process.stdout or process.stderr
        assert stream is not None
        self._nursery.start_soon(running.listen, stream)
        return running

    async def node(self, version: int, name: str) -> Running:
        node = await self.start(version, "node", "--name", name)
        await node.wait_event("node")
        return node

    async def gateway(self, version: int, before: Front) -> tuple[Running, int]:
        port = free_port()
        gateway = await self.start(version, "gateway", "--port", str(port), "--drain-s", "5")
        await gateway.wait_event("gateway")
        before.backends.append(port)
        return gateway, port


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[tuple[Town, Front]]:
    engine = NatsServer(folder)
    engine.start()
    try:
        async with trio.open_nursery() as nursery, front() as before:
            yield Town(nursery, engine), before
            nursery.cancel_scope.cancel()
    finally:
        engine.kill()


@pytest.mark.slow
async def test_nobody_is_lost_when_all_processes_are_replaced_one_by_one(tmp_path: Path) -> None:
    async with town(tmp_path) as (given, before):
        nodes = [await given.node(1, name) for name in ("a", "b")]
        gateways = [await given.gateway(1, before) for _ in range(2)]
        bots = await given.bots(before.port)
        await bots.wait(lambda line: line.get("connected") == BOTS)
        fresh = []
        for old, name in zip(nodes, ("c", "d"), strict=True):
            fresh.append(await given.node(2, name))
            await old.end()
        for gateway, port in gateways:
            await given.gateway(2, before)
            before.backends.remove(port)
            await gateway.end()
            await bots.wait(lambda _: bots.said[-1]["connected"] == BOTS)
        await trio.sleep(2)
        taken = {line["shard"] for node in fresh for line in node.events("shard taken")}
        assert taken == {0, 1}
        foreign = [
            line for node in fresh for line in node.said if line["event"].startswith("records of")
        ]
        assert not foreign, "every shard went over with a checkpoint, so all motion went with it"
        bots.process.send_signal(signal.SIGINT)
        final = await bots.wait(lambda line: bool(line.get("final")))
        assert final["clients"] == final["connected"] == BOTS
        assert final["disconnects"] >= BOTS, "every bot has had to leave an old gateway"
        assert final["resumes"] == final["disconnects"], "and came back as who it was"
        assert final["rejoins"] == 0
        assert final["replica_checks"] > 0
        assert final["replica_mismatches"] == 0
