"""What a world tells of itself on the bus: who runs what, how busy they are, whom gateways hold.

Must not know: processes, what is shown.
"""

import attrs
import trio

from server.cluster.seams import Bus
from server.placement.reconciler import Listener
from server.placement.words import Report, WordError, report_subject
from server.roles.told import GatewayTold, links_subject

__all__ = ["Sight"]

BUFFERED = 256  # messages that wait; the newest of each counts anyway


@attrs.define
class Sight:
    """The newest that was heard. `reports` by node, `links` by gateway's name."""

    listener: Listener
    reports: dict[str, Report] = attrs.field(factory=dict)
    links: dict[str, int] = attrs.field(factory=dict)

    @property
    def tick(self) -> int:
        """The newest tick that any node has reported."""
        return max((report.tick for report in self.reports.values()), default=0)

    def shards(self, node: str) -> frozenset[int]:
        """Those that the coordinator has placed on `node`."""
        newest = self.listener.newest
        return frozenset() if newest is None else newest.plan.of(node)

    @property
    def leaves(self) -> frozenset[int]:
        """The shards that have a rectangle of the world now; all others rest."""
        newest = self.listener.newest
        if newest is None:
            return frozenset()
        return frozenset(int(leaf[0]) for leaf in newest.geometry["shards"])

    @property
    def version(self) -> int:
        """How often the world was cut, the founding included."""
        newest = self.listener.newest
        return 0 if newest is None else int(newest.geometry["version"])

    def load(self, node: str) -> float:
        """The share of a core's time that `node` steps."""
        report = self.reports.get(node)
        return 0.0 if report is None else sum(report.costs.values())

    async def run(self, bus: Bus, world: str) -> None:
        """Hear until cancelled."""
        reports = bus.subscribe(report_subject(world, "*"), buffer=BUFFERED)
        links = bus.subscribe(links_subject(world, "*"), buffer=BUFFERED)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.listener.run)
            while True:
                await trio.sleep(0.2)
                for message in reports.take_nowait():
                    try:
                        report = Report.decode(message.data)
                    except WordError:
                        continue
                    self.reports[report.node] = report
                for message in links.take_nowait():
                    told = GatewayTold.decode(message.data)
                    if told is not None:
                        self.links[told.gateway] = told.links
