"""Processes of `worker`, for tests: started, heard, paused and killed."""

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from tests.server.cluster.nats_server import NatsCluster, NatsServer

ROOT = Path(__file__).parents[4]
PATIENCE_S = 60.0  # a loaded machine is slow, a broken one is slower

Fact = dict[str, Any]


class Worker:
    """One process, and what it has told so far."""

    def __init__(self, process: trio.Process, name: str) -> None:
        self.process = process
        self.name = name
        self.told: list[Fact] = []
        self._news = trio.Event()

    async def listen(self) -> None:
        assert self.process.stdout is not None
        rest = b""
        async for data in self.process.stdout:
            *lines, rest = (rest + data).split(b"\n")
            self.told += [json.loads(line) for line in lines]
            self._news.set()
            self._news = trio.Event()
        self._news.set()

    async def wait_for(self, wanted: Callable[[Fact], bool]) -> Fact:
        """The first fact, told or to come, that is wanted."""
        with trio.fail_after(PATIENCE_S):
            while not (found := [fact for fact in self.told if wanted(fact)]):
                await self._news.wait()
        return found[0]

    async def wait_told(self, what: str) -> Fact:
        return await self.wait_for(lambda fact: fact["what"] == what)

    def all_told(self, what: str) -> list[Fact]:
        return [fact for fact in self.told if fact["what"] == what]

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()


class Workers:
    """All workers of one test."""

    def __init__(self, nursery: trio.Nursery, server: NatsServer | NatsCluster, world: str) -> None:
        self._nursery = nursery
        self._task = {"urls": server.urls, "replicas": server.replicas, "world": world}
        self.all: list[Worker] = []

    async def start(self, do: str, **task: Any) -> Worker:
        """Start one and wait until it is linked to the engine."""
        name = f"{do}{len(self.all)}"
        argument = json.dumps({**self._task, "do": do, "name": name, **task})
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "tests.server.cluster.nats.worker", argument],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        worker = Worker(process, name)
        self.all.append(worker)
        self._nursery.start_soon(worker.listen)
        await worker.wait_told("ready")
        return worker


@asynccontextmanager
async def workers(server: NatsServer | NatsCluster, world: str) -> AsyncIterator[Workers]:
    """Processes in one world, which end with the block."""
    async with trio.open_nursery() as nursery:
        group = Workers(nursery, server, world)
        try:
            yield group
        finally:
            for worker in group.all:
                worker.kill()
            with trio.CancelScope(shield=True), trio.move_on_after(10):
                for worker in group.all:
                    await worker.process.wait()
            nursery.cancel_scope.cancel()
