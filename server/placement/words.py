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
from server.placement.plan import Plan

__all__ = [
    "COORDINATOR",
    "NODE_PREFIX",
    "Beacon",
    "Handover",
    "Report",
    "Stage",
    "WordError",
    "beacon_subject",
    "handover_subject",
    "report_subject",
]

COORDINATOR: Final = "coordinator"  # the lease of who decides
NODE_PREFIX: Final = "node."  # and those of who can run shards, each with its name behind it


class WordError(ValueError):
    """These bytes are no beacon or report; their sender is broken, or of another version."""


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
    game it is, and `geometry` how it is cut, as plain data.
    """

    epoch: int
    number: int
    now_s: float
    start_s: float
    hz: int
    identity: Any
    geometry: Any
    plan: Plan

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
    """What one node says: the share of its time that each of its shards takes, and its tick."""

    node: str
    tick: int
    costs: dict[int, float]

    def encode(self) -> bytes:
        """As CBOR bytes."""
        return cbor.dumps([self.node, self.tick, [[s, float(c)] for s, c in self.costs.items()]])

    @classmethod
    def decode(cls, data: bytes) -> "Report":
        """The reverse; WordError if it is none."""
        try:
            body: Any = cbor.loads(data)
            node, tick, costs = body
            return cls(
                node=str(node),
                tick=int(tick),
                costs={int(shard): float(cost) for shard, cost in costs},
            )
        except (ProtocolError, TypeError, ValueError) as error:
            raise WordError("not a report") from error


class Stage(IntEnum):
    """How far a handover has come."""

    READY = 1  # the next owner has followed the journal and waits for the shard
    BEHIND = 2  # the next owner can only begin from a checkpoint
    GOING = 3  # the former owner takes no more mail


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
