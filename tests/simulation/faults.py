"""What breaks, when, and for how long: planned from the seed before anything runs.

A fault is one of `KINDS`. Most begin close behind a tick, which is when much is under way, and
after a few turns of the scheduler, so that they fall between any two steps of any task.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs
import trio

from tests.simulation.engine import Trouble
from tests.simulation.game import HZ
from tests.simulation.network import QUIET, Noise
from tests.simulation.nodes import TTL_S

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster

__all__ = ["KINDS", "Fault", "plan_faults", "strike"]


@attrs.frozen
class Fault:
    """One fault. `which` picks who is hit, `turns` how many steps of the scheduler it waits."""

    at: float
    kind: str
    which: int
    for_s: float
    turns: int


@attrs.frozen
class Kind:
    """A kind of fault: how often it is chosen, and how long it lasts."""

    weight: float
    least_s: float
    most_s: float
    strike: Callable[["Cluster", Fault], Awaitable[None]]


def plan_faults(chance: random.Random, begin_s: float, end_s: float) -> tuple[Fault, ...]:
    """A few faults between two times, in order."""
    count = chance.randint(4, 12)
    weights = [kind.weight for kind in KINDS.values()]
    themes = chance.sample(list(KINDS), 3) if chance.random() < 0.4 else []
    faults = []
    for _ in range(count):
        name = chance.choices(list(KINDS), weights)[0]
        if themes and chance.random() < 0.6:
            name = chance.choice(themes)
        kind = KINDS[name]
        at = chance.uniform(begin_s, end_s)
        if chance.random() < 0.8:  # right behind a tick
            at = round(at * HZ) / HZ + chance.choice((0.0, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02))
        for_s = min(chance.uniform(kind.least_s, kind.most_s), max(end_s - at, 0.05))
        faults.append(Fault(at, name, chance.getrandbits(16), for_s, chance.randint(0, 25)))
    return tuple(sorted(faults, key=lambda fault: fault.at))


async def strike(cluster: "Cluster", fault: Fault, done: Counter[str]) -> None:
    """Wait for a fault's time, let it happen, and end it."""
    await trio.sleep_until(fault.at)
    for _ in range(fault.turns):
        await trio.lowlevel.checkpoint()
    done[fault.kind] += 1
    await KINDS[fault.kind].strike(cluster, fault)


# --- the kinds -----------------------------------------------------------------------------------


async def _crash_node(cluster: "Cluster", fault: Fault) -> None:
    await cluster.nodes[fault.which % len(cluster.nodes)].crash(fault.for_s)


async def _pause_node(cluster: "Cluster", fault: Fault) -> None:
    await cluster.nodes[fault.which % len(cluster.nodes)].pause(fault.for_s)


async def _crash_gateway(cluster: "Cluster", fault: Fault) -> None:
    await cluster.gateways[fault.which % len(cluster.gateways)].crash(fault.for_s)


async def _pause_gateway(cluster: "Cluster", fault: Fault) -> None:
    await cluster.gateways[fault.which % len(cluster.gateways)].pause(fault.for_s)


async def _crash_engine(cluster: "Cluster", fault: Fault) -> None:
    engine = cluster.setting.engine
    if engine.journal is None:
        return
    engine.crash(f"the power is gone for {fault.for_s:.2f} s")
    await trio.sleep(fault.for_s)
    await engine.reopen(forget_leases=fault.which % 4 == 0)


async def _break_disk(cluster: "Cluster", fault: Fault) -> None:
    cluster.setting.trace.fault("the disk fails to sync")
    cluster.setting.engine.disk.fails = True  # until the engine has died of it
    await trio.lowlevel.checkpoint()


async def _slow_disk(cluster: "Cluster", fault: Fault) -> None:
    engine = cluster.setting.engine
    cluster.setting.trace.fault(f"the disk is slow, for {fault.for_s:.2f} s")
    engine.sync_s = (0.05, 0.15, 0.4)[fault.which % 3]
    await trio.sleep(fault.for_s)
    engine.sync_s = engine.usual_sync_s


async def _fill_disk(cluster: "Cluster", fault: Fault) -> None:
    engine = cluster.setting.engine
    cluster.setting.trace.fault(f"the disk is full, for {fault.for_s:.2f} s")
    engine.room = fault.which % 4000
    await trio.sleep(fault.for_s)
    engine.room = None


async def _noise(cluster: "Cluster", fault: Fault) -> None:
    network = cluster.setting.network
    noise = (
        Noise(drop=0.05, delay_ms=(1, 5)),
        Noise(drop=0.3, delay_ms=(1, 20)),
        Noise(repeat=0.3, delay_ms=(1, 60)),
        Noise(overtake=0.3, delay_ms=(1, 150)),
        Noise(drop=0.1, repeat=0.1, overtake=0.1, delay_ms=(0, 250)),
    )[fault.which % 5]
    cluster.setting.trace.fault(f"{noise}, for {fault.for_s:.2f} s")
    network.noise = noise
    await trio.sleep(fault.for_s)
    if network.noise is noise:
        network.noise = QUIET


async def _trouble(cluster: "Cluster", fault: Fault) -> None:
    engine = cluster.setting.engine
    trouble = (
        Trouble(lose_request=0.3),
        Trouble(lose_answer=0.3),
        Trouble(lose_request=0.1, lose_answer=0.1, delay_ms=(1, 120)),
    )[fault.which % 3]
    cluster.setting.trace.fault(f"{trouble}, for {fault.for_s:.2f} s")
    engine.trouble = trouble
    await trio.sleep(fault.for_s)
    if engine.trouble is trouble:
        engine.trouble = Trouble()


async def _partition(cluster: "Cluster", fault: Fault) -> None:
    """One place is cut from some others, in one direction or both."""
    chance = random.Random(fault.which)
    places = [place.name for place in (*cluster.nodes, *cluster.gateways)]
    one = chance.choice(places)
    others = [place for place in places if place != one]
    apart = chance.sample(others, chance.randint(1, len(others)))
    if chance.random() < 0.6:
        apart.append("engine")
    ways = chance.choice((("to", "from"), ("to", "from"), ("to",), ("from",)))
    links = [(one, other) for other in apart if "to" in ways]
    links += [(other, one) for other in apart if "from" in ways]
    network = cluster.setting.network
    cluster.setting.trace.fault(
        f"{one} is cut ({' and '.join(ways)}) {', '.join(apart)}, for {fault.for_s:.2f} s"
    )
    network.cut(links)
    await trio.sleep(fault.for_s)
    network.mend(links)
    cluster.setting.trace.tell(f"{one} is no longer cut")


async def _stall(cluster: "Cluster", fault: Fault) -> None:
    """What one place sends on the bus hangs and then comes all at once; it may be cut off, too."""
    places = [place.name for place in (*cluster.nodes, *cluster.gateways)]
    place, network = places[fault.which % len(places)], cluster.setting.network
    is_cut = fault.which % 3 > 0
    cluster.setting.trace.fault(
        f"what {place} sends hangs{' and it is cut from the engine' if is_cut else ''}, "
        f"for {fault.for_s:.2f} s"
    )
    network.stall(place, trio.current_time() + fault.for_s)
    links = [(place, "engine")] if is_cut else []
    network.cut(links)
    await trio.sleep(fault.for_s)
    network.mend(links)


async def _blackout(cluster: "Cluster", fault: Fault) -> None:
    """The engine and all nodes die at once, as when they are one machine."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_crash_engine, cluster, attrs.evolve(fault, for_s=fault.for_s / 2))
        for place in cluster.nodes:
            nursery.start_soon(place.crash, fault.for_s)


async def _cut_links(cluster: "Cluster", fault: Fault) -> None:
    chance = random.Random(fault.which)
    players = cluster.players.all
    cut = chance.sample(players, chance.randint(1, len(players)))
    cluster.setting.trace.fault(f"links are cut: {', '.join(player.name for player in cut)}")
    for player in cut:
        player.cut()
    await trio.lowlevel.checkpoint()


KINDS: dict[str, Kind] = {
    "node crash": Kind(3.0, 0.1, 3.0, _crash_node),
    "node pause": Kind(2.0, 0.2, 2.5 * TTL_S, _pause_node),
    "gateway crash": Kind(1.0, 0.1, 2.0, _crash_gateway),
    "gateway pause": Kind(0.5, 0.2, 4.0, _pause_gateway),
    "engine crash": Kind(1.5, 0.05, 1.5, _crash_engine),
    "failed sync": Kind(0.5, 0.0, 0.1, _break_disk),
    "slow disk": Kind(1.0, 0.5, 3.0, _slow_disk),
    "full disk": Kind(1.0, 0.5, 3.0, _fill_disk),
    "bus noise": Kind(2.0, 0.5, 4.0, _noise),
    "engine trouble": Kind(1.5, 0.5, 3.0, _trouble),
    "partition": Kind(1.5, 0.3, 4.0, _partition),
    "bus stall": Kind(1.0, 0.3, 3.5, _stall),
    "blackout": Kind(2.0, 0.1, 1.0, _blackout),
    "link cut": Kind(1.5, 0.0, 0.1, _cut_links),
}
