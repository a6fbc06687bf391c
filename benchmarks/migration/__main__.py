"""How long a loaded shard pauses when it moves to another node while everybody plays on.

Two nodes and a gateway run as processes of their own on a private nats-server. The one shard of the
world, with 2,000 entities and 100 players in it, goes back and forth between the nodes. Four of
the players are real clients: all of them give inputs, which the world must have counted in the end,
and one shows the world 60 times a second. The others are bots that only count.

`pause_ms` is the time between the last snapshot of one owner and the first one of the next, as real
clients get them; `interval_ms` is the time between any other two, for comparison. `ticks_missed`
are those that nobody stepped. `move_bytes` are what the first snapshot of a new owner costs a
client above an ordinary one; `frame_bytes` are those of an ordinary frame on the bus,
`first_frame_bytes` those of a new owner's first one, which every gateway gets that watches the
shard, and `standby_bytes` what the next owner alone is told before a move. `began_anew` counts the
moves after which all of them had to forget what they held. A freeze is when what is shown stands
still.

    python -m benchmarks.migration [--moves 20] [--json]

It exits with 1 when an input is lost, a tick is published twice, or a client sees the world stop.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import trio

from benchmarks import machine
from benchmarks.cluster import WORLD, Cluster, EngineMissingError
from benchmarks.interest.children import Child, ChildFailedError, python
from benchmarks.migration.eyes import Eye
from benchmarks.migration.mover import SHARD, Mover, missed
from benchmarks.migration.world import ENTITIES, PLAYERS, game
from server.cluster.nats.engine import open_engine
from server.cluster.nats.settings import EngineSettings

EYES: Final = 4
WATCHING: Final = 1
WARM_S: Final = 3.0
BETWEEN_S: Final = 2.0
PATIENCE_S: Final = 120.0
_GAME: Final = "benchmarks.migration.world:game"
_SHARDS: Final = "1x1"


async def measure(moves: int) -> dict[str, Any]:
    """Move the shard so often, and tell what was noticed of it."""
    with Cluster.running(_GAME, _SHARDS) as cluster:
        settings = EngineSettings(urls=(cluster.engine_url,))
        async with (
            open_engine(settings, WORLD, name="mover") as engine,
            trio.open_nursery() as nursery,
        ):
            mover = Mover(game, _SHARDS, engine)
            await nursery.start(mover.run, {SHARD: "a"})
            result = await _play(cluster, mover, nursery, moves)
            nursery.cancel_scope.cancel()
    return result


async def _play(
    cluster: Cluster, mover: Mover, nursery: trio.Nursery, moves: int
) -> dict[str, Any]:
    nodes = {name: cluster.node(name) for name in "ab"}
    with trio.fail_after(PATIENCE_S):
        while mover.newest is None:  # noqa: ASYNC110 - remote processes decide
            await trio.sleep(0.05)
    _, port = await trio.to_thread.run_sync(cluster.gateway)
    argv = python("benchmarks.interest.bots", dialect="shoal", port=port, clients=PLAYERS - EYES)
    with Child.running(argv, None) as bots:
        await trio.to_thread.run_sync(bots.wait_ready)
        eyes = [Eye(port, 1000 + number, watches=number < WATCHING) for number in range(EYES)]
        for eye in eyes:
            nursery.start_soon(eye.run)
        with trio.fail_after(PATIENCE_S):
            while not all(eye.told for eye in eyes):  # noqa: ASYNC110 - as above
                await trio.sleep(0.05)
        await trio.sleep(WARM_S)
        began = trio.current_time()
        bots.tell("start")
        for move in range(moves):
            mover.move({SHARD: "ba"[move % 2]})
            # Not in step with ticks or beacons.
            await trio.sleep(BETWEEN_S + 0.037 * (move % 7))
        for eye in eyes:
            eye.be_silent()
        await trio.sleep(BETWEEN_S)
        counted = await trio.to_thread.run_sync(bots.ask, "stop")
        alive = all(node.alive for node in nodes.values())
    figures = _figures(eyes, mover, began)
    return {**figures, "moves": moves, "nodes_alive": alive, "bots_lost": counted["lost"]}


def _figures(eyes: Sequence[Eye], mover: Mover, began: float) -> dict[str, Any]:
    pauses, intervals, extra = [], [], []
    firsts = np.array([change.after for change in mover.changes], np.int64)
    for eye in eyes:
        told = [each for each in eye.told if each.at >= began]
        owners = np.searchsorted(firsts, [each.tick for each in told], "right").tolist()
        ordinary = statistics.median(each.size for each in told)
        for (before, owner), (after, next_owner) in pairwise(zip(told, owners, strict=True)):
            gap_ms = (after.at - before.at) * 1000
            if next_owner == owner:
                intervals.append(gap_ms)
                continue
            pauses.append(gap_ms)
            extra.append(after.size - ordinary)
    return {
        "entities": ENTITIES,
        "players": PLAYERS,
        "moved": len(mover.changes),
        "ticks_missed": _percentiles(missed(mover.changes)),
        "pause_ms": _percentiles(pauses),
        "interval_ms": _percentiles(intervals),
        "inputs": sum(eye.asked for eye in eyes),
        "inputs_lost": sum(eye.inputs_lost for eye in eyes),
        "move_bytes": round(statistics.mean(extra)) if extra else None,
        "frame_bytes": round(statistics.median(mover.frame_bytes or (0,))),
        "first_frame_bytes": _mean([change.frame_bytes for change in mover.changes]),
        "standby_bytes": _mean(mover.standby_bytes),
        "began_anew": sum(change.anew for change in mover.changes),
        "published_twice": mover.overlaps,
        "crc_mismatches": sum(eye.client.statistics().mismatches for eye in eyes),
        "shown": [eye.shown() for eye in eyes[:WATCHING]],
    }


def _mean(sizes: Sequence[int]) -> int:
    return round(statistics.mean(sizes)) if sizes else 0


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    return {
        f"p{percent}": round(float(np.percentile(values, percent)), 1) for percent in (50, 99, 100)
    }


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.migration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="one JSON line")
    options = parser.parse_args()
    try:
        result = {"machine": machine.describe(), **trio.run(measure, options.moves)}
    except (EngineMissingError, ChildFailedError) as error:
        sys.exit(str(error))
    print(json.dumps(result) if options.json else _told(result))
    if not _is_good(result):
        sys.exit("somebody noticed more than they should")


def _is_good(result: dict[str, Any]) -> bool:
    wrong = ("inputs_lost", "published_twice", "crc_mismatches", "bots_lost")
    frozen = any(shown["longest_freeze_ms"] for shown in result["shown"])
    return not frozen and result["moved"] == result["moves"] and not any(map(result.get, wrong))


def _told(result: dict[str, Any]) -> str:
    return "\n".join(f"{name.replace('_', ' '):28} {value}" for name, value in result.items())


if __name__ == "__main__":
    main()
