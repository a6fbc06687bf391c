"""One run: a whole cluster in one process, broken on purpose, then left alone, then judged."""

from collections import Counter
from collections.abc import Awaitable, Callable

import attrs
import trio

from protocol.client import Event
from server.shard.space import NOWHERE
from sim import World
from tests.simulation import determinism
from tests.simulation.atlas import SHARDS_MAX
from tests.simulation.audit import Audit
from tests.simulation.faults import strike
from tests.simulation.gateways import GatewayLife
from tests.simulation.judge import Judge
from tests.simulation.moves import Mover
from tests.simulation.nodes import NodeLife
from tests.simulation.place import Place
from tests.simulation.plan import Plan
from tests.simulation.players import Player, Players
from tests.simulation.setting import Setting
from tests.simulation.trace import Trace
from tests.simulation.verdict import Verdict
from tests.simulation.witness import Witness

__all__ = ["Cluster", "Result", "simulate"]

AUDIT_EVERY_S = 0.5
DEADLINE_S = 30.0  # of virtual time, beyond what is planned


@attrs.frozen
class Result:
    """What came of one run. `violations` is empty if all promises were kept."""

    seed: int
    digest: str
    violations: tuple[str, ...]
    story: str
    simulated_s: float
    counts: Counter[str]


class Cluster:
    """All that lives in one run."""

    def __init__(self, setting: Setting, plan: Plan) -> None:
        self.setting = setting
        self.plan = plan
        self.done: Counter[str] = Counter()
        setting.atlas.planned = bool(plan.cuts)
        shards = range(SHARDS_MAX) if plan.cuts else setting.geometry.shards
        self.audit = Audit(setting.history, setting.judge, self._first_world, shards)
        self.witness = Witness(setting, self.audit)
        setting.network.taps.append(self.witness.hear)
        self.nodes = [
            Place(f"n{number}", setting, lambda name: NodeLife(setting, name))
            for number in range(plan.nodes)
        ]
        self.mover = Mover(setting, self.nodes)
        self.gateways = [
            Place(f"g{number}", setting, lambda name: GatewayLife(setting, name))
            for number in range(plan.gateways)
        ]
        self.players = Players(
            plan.players,
            setting,
            self.open_gateways,
            on_event=self._told,
            is_void=self.audit.is_void,
            stay_from=plan.fault_s + 1.0,
        )
        self._verdict = Verdict(setting, self.audit, self.witness, self.nodes, self.players.all)

    def open_gateways(self) -> list[GatewayLife]:
        """The gateways that live now."""
        lives = [place.life for place in self.gateways]
        return [life for life in lives if isinstance(life, GatewayLife) and not life.is_dead]

    async def run(self) -> None:
        """Everything from the start to the verdict."""
        setting, plan = self.setting, self.plan
        async with trio.open_nursery() as nursery:
            nursery.start_soon(setting.network.run)
            await nursery.start(setting.engine.run)
            for place in (*self.nodes, *self.gateways):
                place.start(nursery)
            nursery.start_soon(self.players.run)
            nursery.start_soon(self._watch)
            if plan.cuts:
                nursery.start_soon(setting.atlas.run, plan.cuts, setting.schedule.tick_at)
            nursery.start_soon(self.mover.run, plan.moves)
            async with trio.open_nursery() as faults:
                for fault in plan.faults:
                    faults.start_soon(strike, self, fault, self.done)
                await trio.sleep_until(plan.fault_s)
            setting.trace.tell("quiet")
            await trio.sleep(plan.quiet_s)
            await self._verdict.judge()
            nursery.cancel_scope.cancel()

    async def _watch(self) -> None:
        while True:
            await trio.sleep(AUDIT_EVERY_S)
            self.audit.catch_up()

    def _told(self, player: Player, event: Event) -> None:
        welcome = player.client.welcome
        assert welcome is not None, "events follow the welcome"
        self.witness.told_event(welcome.session, event)

    def _first_world(self, shard: int) -> World:
        setting, maker = self.setting, shard + 1
        if shard not in setting.geometry.shards:
            return World.empty(setting.game, setting.chance.seed, maker=maker, bounds=NOWHERE)
        bounds = setting.geometry.rect(shard)
        return World(setting.game, setting.chance.seed, maker=maker, bounds=bounds)

    def counts(self) -> Counter[str]:
        """What happened how often."""
        history, network, engine = self.setting.history, self.setting.network, self.setting.engine
        claims = sum(map(len, history.claims.values()))
        players = self.players.all
        counts = Counter({f"fault: {kind}": times for kind, times in self.done.items()})
        counts.update(
            {
                "ticks": sum(shard.steps for shard in self.audit.shards.values()),
                "records": len(history.log),
                "crossings": self.audit.ledger.crossings,
                "recoveries": claims - len(history.claims),
                "engine restarts": engine.lives - 1,
                "commands": len(self.audit.ledger.done),
                "shots": len(self.audit.ledger.shots),
                "durable events": len(self.audit.ledger.events),
                "events told": self.witness.told,
                "promises": self.witness.promises,
                "stale frames": self.witness.stale_frames,
                "moves": self.mover.moves,
                "owners that went on": self.witness.went_on,
                "shards shown anew": sum(player.began_anew for player in players),
                "thefts tried": self.players.thief.tries,
                "cuts": self.setting.atlas.cuts,
                "sessions": sum(player.sessions for player in players),
                "links": sum(player.links for player in players),
                "messages lost": network.dropped,
                "messages repeated": network.repeated,
                "messages overtaken": network.overtaken,
                "requests lost": engine.lost_requests + engine.lost_answers,
            }
        )
        return counts


async def _main(plan: Plan) -> Result:
    trace, judge = Trace(), Judge()
    setting = Setting.make(plan.seed, trace, judge)
    cluster = Cluster(setting, plan)
    try:
        with trio.move_on_after(plan.fault_s + plan.quiet_s + DEADLINE_S) as scope:
            await _until(judge.found, cluster.run)
        judge.require(not scope.cancelled_caught, "it did not come to an end")
    except Exception:
        if not judge.violations:  # else the first of them is what matters
            raise
    return Result(
        plan.seed,
        trace.digest(),
        tuple(judge.violations),
        trace.story(),
        trio.current_time(),
        cluster.counts(),
    )


async def _until(event: trio.Event, work: Callable[[], Awaitable[None]]) -> None:
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
