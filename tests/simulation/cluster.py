"""One run: a whole cluster in one process, broken on purpose, then left alone, then judged."""

from collections.abc import Callable

import attrs
import trio

from tests.simulation import determinism
from tests.simulation.gateways import GatewayLife
from tests.simulation.judge import Judge
from tests.simulation.nodes import NodeLife
from tests.simulation.place import Place
from tests.simulation.plan import Plan
from tests.simulation.players import Players
from tests.simulation.setting import Setting
from tests.simulation.trace import Trace

__all__ = ["Cluster", "Result", "simulate"]


@attrs.frozen
class Result:
    """What came of one run. `violations` is empty if all promises were kept."""

    seed: int
    digest: str
    violations: tuple[str, ...]
    story: str
    simulated_s: float
    counts: dict[str, int]


class Cluster:
    """All that lives in one run."""

    def __init__(self, setting: Setting, plan: Plan) -> None:
        self.setting = setting
        self.plan = plan
        self.nodes = [
            Place(f"n{number}", setting, lambda name: NodeLife(setting, name))
            for number in range(plan.nodes)
        ]
        self.gateways = [
            Place(f"g{number}", setting, lambda name: GatewayLife(setting, name))
            for number in range(plan.gateways)
        ]
        self.players = Players(plan.players, setting, self.open_gateways, lambda *_: None)

    def open_gateways(self) -> list[GatewayLife]:
        """The gateways that live now."""
        lives = [place.life for place in self.gateways]
        return [life for life in lives if isinstance(life, GatewayLife) and not life.is_dead]

    async def run(self) -> None:
        """Everything from the start to the verdict."""
        setting = self.setting
        async with trio.open_nursery() as nursery:
            nursery.start_soon(setting.network.run)
            await nursery.start(setting.engine.run)
            for place in (*self.nodes, *self.gateways):
                place.start(nursery)
            nursery.start_soon(self.players.run)
            await trio.sleep(self.plan.fault_s)
            await trio.sleep(self.plan.quiet_s)
            nursery.cancel_scope.cancel()


async def _main(plan: Plan) -> Result:
    trace, judge = Trace(), Judge()
    setting = Setting.make(plan.seed, trace, judge)
    cluster = Cluster(setting, plan)
    with trio.fail_after(plan.fault_s + plan.quiet_s + 60):
        await _until(judge.found, cluster.run)
    counts: dict[str, int] = {}
    return Result(
        plan.seed,
        trace.digest(),
        tuple(judge.violations),
        trace.story(),
        trio.current_time(),
        counts,
    )


async def _until(event: trio.Event, work: Callable) -> None:
    """Do `work`, at most until `event`."""
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        await work()
        nursery.cancel_scope.cancel()


def simulate(plan: Plan) -> Result:
    """Run what `plan` says; the same plan gives the same result."""
    return determinism.run(plan.seed, _main, plan)
