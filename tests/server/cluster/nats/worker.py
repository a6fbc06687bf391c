"""What runs in the other processes of these tests: `python -m tests.server.cluster.nats.worker`.

Arguments are one JSON object, what happened goes to stdout as JSON lines. Times are of the
machine's monotonic clock, which all processes share.
"""

import json
import sys
import time
from typing import Any

import structlog
import trio

from server.cluster.nats.engine import Engine, open_engine
from server.cluster.nats.settings import EngineSettings
from server.cluster.seams import Draft, Fenced, LeaseLost
from tests.server.cluster.nats import handoffs

TTL_S = 2.5
RENEW_S = 0.6


def tell(what: str, **facts: Any) -> None:
    sys.stdout.write(json.dumps({"what": what, "at": time.monotonic(), **facts}) + "\n")
    sys.stdout.flush()


async def race_for_lease(engine: Engine, rounds: int) -> int:
    """Hold one name again and again, each time for a moment; how often it was not to be had."""
    held = refused = 0
    while held < rounds:
        lease = await engine.directory.acquire("race", b"", 60)  # nobody's is to run out here
        if lease is None:
            refused += 1
            await trio.sleep(0.002)
            continue
        tell("granted", epoch=lease.epoch)
        await trio.sleep(0.005)
        tell("released", epoch=lease.epoch)
        await lease.release()
        held += 1
    return refused


async def race_for_positions(engine: Engine, name: str, rounds: int) -> int:
    """Append where others append, until `rounds` of ours are in; how often others were first."""
    position = await last_position(engine, 1)
    done = refused = 0
    while done < rounds:
        draft = Draft(f"{name}.{done}", name.encode())
        try:
            position = await engine.journal.append(1, [draft], expect=position)
        except Fenced:
            refused += 1
            position = await last_position(engine, 1)
        else:
            tell("appended", id=draft.id, position=position)
            done += 1
    return refused


async def last_position(engine: Engine, shard: int) -> int:
    records = await engine.journal.read(shard, 0)
    return records[-1].position if records else 1  # the claim that the test made


async def own(engine: Engine, name: str) -> None:
    """Contend for shard 1 and append to it; believe to be its owner until the journal refuses."""
    while True:
        lease = await engine.directory.acquire("shard.1", name.encode(), TTL_S)
        if lease is None:
            await trio.sleep(0.1)
            continue
        position = await engine.journal.claim(1, lease.epoch)
        tell("owner", epoch=lease.epoch)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep, lease)
            try:
                number = 0
                while True:
                    draft = Draft(f"{lease.epoch}.{number}", name.encode())
                    position = await engine.journal.append(1, [draft], expect=position)
                    if number == 0:
                        tell("first", epoch=lease.epoch)
                    number += 1
                    await trio.sleep(0.02)
            except Fenced:
                tell("fenced", epoch=lease.epoch, number=number)
            nursery.cancel_scope.cancel()


async def keep(lease: Any) -> None:
    """Renew; a lost lease is told and otherwise ignored, for the sake of the test."""
    try:
        while True:
            await trio.sleep(RENEW_S)
            await lease.renew()
    except LeaseLost:
        tell("lost", epoch=lease.epoch)


async def main(task: dict[str, Any]) -> None:
    settings = EngineSettings(urls=tuple(task["urls"]), replicas=task["replicas"])
    async with open_engine(settings, task["world"], name=task["name"]) as engine:
        go = engine.bus.subscribe("go", buffer=1)
        await engine.flush()
        tell("ready")
        match task["do"]:
            case "lease":
                await anext(aiter(go))
                tell("done", refused=await race_for_lease(engine, task["rounds"]))
            case "positions":
                await anext(aiter(go))
                refused = await race_for_positions(engine, task["name"], task["rounds"])
                tell("done", refused=refused)
            case "own":
                await own(engine, task["name"])
            case "handoffs":
                await handoffs.serve(engine, task["name"], task["shards"], task["seed"])


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    trio.run(main, json.loads(sys.argv[1]))
