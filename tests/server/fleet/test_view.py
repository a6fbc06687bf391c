"""What `shoal up` shows of how its world is cut."""

from types import SimpleNamespace
from typing import Any

import trio
from rich.console import Console

from protocol.geometry import Geometry
from server.cluster.bus import MemoryBus
from server.fleet.member import State
from server.fleet.sight import Sight
from server.fleet.view import Picture
from server.placement.plan import Plan
from server.placement.reconciler import Listener
from server.placement.tree import Tree, X
from server.placement.words import Beacon, Report, geometry_data
from server.settings import Settings

WORLD = "w"


class Fleet:
    """One node."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.node = SimpleNamespace(
            name="node-1", role="node", state=State.RUNNING, since=0.0, pid=None, restarts=0,
            again_at=None, words=[], label="node-1", url="",
        )  # fmt: skip

    def __iter__(self) -> Any:
        return iter([self.node])


async def shown(settings: Settings) -> str:
    """The table of a world whose shard 0 was cut, and in which shard 5 rests."""
    space = Geometry.grid(100, 100, 10, (10,), (2, 2))
    tree = Tree.founding(space).opened().opened().split(0, X, 2, 4, since=9)
    listener = Listener(MemoryBus(), WORLD)
    beacon = Beacon(
        epoch=1, number=1, now_s=0.0, start_s=0.0, hz=20, identity=None,
        geometry=geometry_data(tree.partition(space)),
        plan=Plan(1, dict.fromkeys((0, 4, 5), "node-1")),
    )  # fmt: skip
    listener.hear(beacon.encode())
    sight = Sight(listener)
    sight.reports["node-1"] = Report(node="node-1", tick=7, costs={0: 0.25, 4: 0.05, 5: 0.0})
    console = Console(width=120, record=True)
    picture = Picture(Fleet(settings), sight, WORLD)  # type: ignore[arg-type]
    with console.capture() as text:
        console.print(picture.table(""))
    return text.get()


async def test_it_says_how_the_world_is_cut_and_who_rests() -> None:
    await trio.lowlevel.checkpoint()
    text = await shown(Settings(shard_budget=0.3))
    assert "5 shards, cut above 30 %" in text
    assert "shards 0 4, at rest 5, busy 30 %" in text


async def test_it_says_that_a_world_is_never_cut() -> None:
    await trio.lowlevel.checkpoint()
    assert "never cut" in await shown(Settings(splits=False))
