"""What coordinator and nodes tell each other on the bus, as bytes.

The beacon is the coordinator's, a few times a second: when the world began, how it is cut, who
runs which shard, and what time it is. A report is a node's: what its shards cost. The bus may lose
either, so each says everything, and the newest counts. A handover is what the former and the next
owner of one shard say of it; if it is lost, the shard changes hands all the same, less quickly.

Must not know: the bus, leases, how anything is decided.
"""

from enum import IntEnum
from typing import Any, Final

import attrs

from protocol import cbor
from protocol.errors import ProtocolError
from protocol.geometry import Geometry
from protocol.limits import SHARDS_MAX
from server.placement.plan import Plan
from server.shard.load import Cut
from server.shard.space import Partition

__all__ = [
    "COORDINATOR",
    "NODE_PREFIX",
    "Beacon",
    "Handover",
    "Report",
    "Stage",
    "WordError",
    "beacon_subject",
    "geometry_data",
    "handover_subject",
    "report_subject",
]

COORDINATOR: Final = "coordinator"  # the lease of who decides
NODE_PREFIX: Final = "node."  # and those of who can run shards, each with its name behind it


class WordError(ValueError):
    """These bytes are no beacon or report; their sender is broken, or of another version."""


def geometry_data(partition: Partition) -> dict[str, Any]:
    """The `geometry` of beacons."""
    more = {"since": partition.since, "all": len(partition.shards)}
    return partition.geometry.to_data() | more


def beacon_subject(world: str) -> str:
    """Where the coordinator tells everybody."""
    return f"{world}.beacon"


def report_subject(world: str, node: str) -> str:
    """Where a node tells the coordinator; `"*"` for all nodes."""
    return f"{world}.report.{node}"


def handover_subject(world: str) -> str:
    """Where nodes tell each other about shards that change hands."""
    return f"{world}.handover"


@attrs.frozen(kw_only=True)
class Beacon:
    """What the coordinator of `epoch` says at `now_s`.

    Times are seconds since 1970. Tick 0 of the world begins at `start_s`. `identity` says which
    game it is, and `geometry` how it is cut, as plain data. That has two entries more than
    the one of clients, so that who knows nothing of them may still read it: `since`, the tick from
    which it holds, and `all`, how many shards there are, those without a rectangle among them.
    """

    epoch: int
    number: int
    now_s: float
    start_s: float
    hz: int
    identity: Any
    geometry: Any
    plan: Plan

    def partition(self) -> Partition:
        """How the world is cut. Raises WordError when that makes no sense."""
        try:
            geometry = Geometry.from_data(self.geometry)
            since = int(self.geometry.get("since", 0))
            count = int(self.geometry.get("all", len(geometry.shards)))
        except (ProtocolError, AttributeError, TypeError, ValueError) as error:
            raise WordError("a beacon without a geometry") from error
        if not max(geometry.shards) < count <= SHARDS_MAX:
            raise WordError("a beacon that does not count its shards")
        return Partition(geometry, tuple(range(count)), since)

    def encode(self) -> bytes:
        """As CBOR bytes."""
        plan = [self.plan.version, [[shard, node] for shard, node in self.plan.nodes.items()]]
        head = [self.epoch, self.number, float(self.now_s), float(self.start_s), self.hz]
        return cbor.dumps([*head, self.identity, self.geometry, plan])

    @classmethod
    def decode(cls, data: bytes) -> "Beacon":
        """The reverse; WordError if it is none."""
        try:
            body: Any = cbor.loads(data)
            epoch, number, now_s, start_s, hz, identity, geometry, (version, nodes) = body
            if not all(type(each) is int for each in (epoch, number, hz, version)):
                raise WordError("a beacon with a number that is none")
            return cls(
                epoch=epoch,
                number=number,
                now_s=float(now_s),
                start_s=float(start_s),
                hz=hz,
                identity=identity,
                geometry=geometry,
                plan=Plan(version, {int(shard): str(node) for shard, node in nodes}),
            )
        except (ProtocolError, TypeError, ValueError) as error:
            raise WordError("not a beacon") from error


@attrs.frozen(kw_only=True)
class Report:
    """What one node says: the share of its time that each of its shards takes, and its tick.

    `cuts` are where shards would best be cut, of those that can be; `soon` is what shards will
    take before long, if that goes on as it does.
    """

    node: str
    tick: int
    costs: dict[int, float]
    cuts: dict[int, Cut] = attrs.field(factory=dict)
    soon: dict[int, float] = attrs.field(factory=dict)

    def encode(self) -> bytes:
        """As CBOR bytes."""
        costs = [[shard, float(cost)] for shard, cost in self.costs.items()]
        cuts = [[shard, cut.axis, cut.at, cut.share] for shard, cut in self.cuts.items()]
        soon = [[shard, float(cost)] for shard, cost in self.soon.items()]
        return cbor.dumps([self.node, self.tick, costs, cuts, soon])

    @classmethod
    def decode(cls, data: bytes) -> "Report":
        """The reverse; WordError if it is none."""
        try:
            body: Any = cbor.loads(data)
            node, tick, costs, *later = body
            cuts, soon = [*later, [], []][:2]  # older nodes say nothing of them
            return cls(
                node=str(node),
                tick=int(tick),
                costs={int(shard): float(cost) for shard, cost in costs},
                cuts={int(s): Cut(int(axis), int(at), float(part)) for s, axis, at, part in cuts},
                soon={int(shard): float(cost) for shard, cost in soon},
            )
        except (ProtocolError, TypeError, ValueError) as error:
            raise WordError("not a report") from error


class Stage(IntEnum):
    """How far a handover has come."""

    READY = 1  # the next owner has followed the journal and waits for the shard
    BEHIND = 2  # the next owner can only begin from a checkpoint
    GOING = 3  # the former owner takes no more mail
    SAVED = 4  # the former owner has kept a checkpoint, from which to follow it


@attrs.frozen(kw_only=True)
class Handover:
    """What one node says of a shard that changes hands."""

    node: str
    shard: int
    stage: Stage

    def encode(self) -> bytes:
        """As CBOR bytes."""
        return cbor.dumps([self.node, self.shard, int(self.stage)])

    @classmethod
    def decode(cls, data: bytes) -> "Handover":
        """The reverse; WordError if it is none."""
        try:
            body: Any = cbor.loads(data)
            node, shard, stage = body
            if type(node) is not str or type(shard) is not int:
                raise WordError("a handover of no shard, or by nobody")
            return cls(node=node, shard=shard, stage=Stage(stage))
        except (ProtocolError, TypeError, ValueError) as error:
            raise WordError("not a handover") from error
