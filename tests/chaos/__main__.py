"""`make chaos`, or python -m tests.chaos --seconds 300 --bots 100.

Plays the demo's world in many processes, does to them what can happen to processes, and prints one
JSON line. Where this machine allows it, each process has a network namespace of its own, in which
nft cuts it off the engine; elsewhere that is left out, and the line says why. Exits with 1 if a
promise was broken, and says which.
"""

import argparse
import json
import sys
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import attrs
import trio

from server.cluster.nats.settings import EngineSettings
from server.crowd import Crowd
from server.fleet.fleet import FleetPlan
from server.fleet.rooms import NoRoomsError, open_rooms
from server.fleet.stage import FleetStage, run_fleet_stage
from server.games import DEFAULT_GAME, load_game
from server.observe.logs import configure_logs
from server.settings import Settings
from tests.chaos.promises import broken


def main() -> None:
    options = _options()
    configure_logs("warning", "console")
    result = trio.run(_play, options)
    complaints = list(broken(result, bots=options.bots, takeover_s=options.takeover_s))
    print(json.dumps({**result, "seed": options.seed, "broken": complaints}))
    sys.exit(1 if complaints else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--bots", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1, help="of what happens when")
    parser.add_argument("--takeover-s", type=float, default=5.0, help="the longest that is allowed")
    return parser.parse_args()


async def _play(options: argparse.Namespace) -> dict[str, Any]:
    plan = FleetPlan(
        game=DEFAULT_GAME, nodes=options.nodes, gateways=options.gateways, counting=True
    )
    async with AsyncExitStack() as stack:
        no_cuts = ""
        try:
            members = [*plan.node_names, *plan.gateway_names]
            rooms = await stack.enter_async_context(open_rooms(members))
            plan = attrs.evolve(plan, rooms=rooms)
        except NoRoomsError as error:
            no_cuts = str(error)
            print(f"nobody is cut off: {no_cuts}", file=sys.stderr)
        result = await _run(plan, options)
        return {**result, "cuts_left_out": no_cuts or None}


async def _run(plan: FleetPlan, options: argparse.Namespace) -> dict[str, Any]:
    crowd = Crowd(options.bots, options.bots)
    settings = Settings(port=0, page=False, clients_per_address_max=10_000)
    run_stage = partial(
        run_fleet_stage,
        load_game(DEFAULT_GAME),
        settings,
        EngineSettings(),
        plan,
        chaos_seed=options.seed,
        seconds=options.seconds,
    )
    async with trio.open_nursery() as nursery:
        stage: FleetStage = await nursery.start(run_stage)
        with trio.move_on_after(options.seconds):
            await crowd.run(stage.urls)
        result = await stage.finish(crowd.numbers, crowd.count)
        nursery.cancel_scope.cancel()
    assert stage.chaos is not None
    blows = {blow.name.lower(): count for blow, count in stage.chaos.struck.items()}
    return {"blows": blows, **result}


if __name__ == "__main__":
    main()
