"""The world's record: what outlives whoever coordinates it, and how it is kept.

It lies where shards have their checkpoints, under a number that no shard has, so only who replaces
the revision that it has read may write it.

Must not know: leases, the bus, how anything is decided.
"""

from typing import Any, Final

import attrs
import trio

from protocol import cbor
from protocol.errors import ProtocolError
from protocol.geometry import Geometry
from server.cluster.seams import Journal, JournalError
from server.placement.plan import Plan
from server.placement.tree import Tree, TreeError

__all__ = ["RECORD", "Founding", "RecordError", "WorldRecord", "kept_shards"]

RECORD: Final = (1 << 31) - 1  # where shards have their checkpoints


class RecordError(JournalError):
    """The world that is kept is another one than this process would run."""


@attrs.frozen(kw_only=True)
class Founding:
    """A world as its first coordinator makes it. `identity` and `geometry` are plain data.

    `budget` is the share of a core above which a shard is cut in two, None for never.
    """

    identity: Any
    geometry: Any
    hz: int
    shards: tuple[int, ...]
    budget: float | None = None

    @property
    def space(self) -> Geometry:
        """The world as it is cut in the beginning."""
        return Geometry.from_data(self.geometry)


@attrs.define
class WorldRecord:
    """What outlives coordinators. `seen_s` is when one was last alive."""

    start_s: float
    seen_s: float
    identity: Any
    geometry: Any
    plan: Plan
    tree: Tree
    revision: int = 0
    _saving: trio.Lock = attrs.field(factory=trio.Lock, init=False, eq=False, repr=False)

    @classmethod
    def new(cls, founding: Founding, now_s: float) -> "WorldRecord":
        """That of a world which begins."""
        tree = Tree.founding(founding.space)
        return cls(now_s, now_s, founding.identity, founding.geometry, Plan(), tree)

    def encode(self) -> bytes:
        """As CBOR bytes."""
        plan = [self.plan.version, [[shard, node] for shard, node in self.plan.nodes.items()]]
        times = [float(self.start_s), float(self.seen_s)]
        return cbor.dumps([*times, self.identity, self.geometry, plan, self.tree.to_data()])

    @classmethod
    def decode(cls, data: bytes, revision: int) -> "WorldRecord":
        """The reverse; RecordError if it is damaged."""
        try:
            body: Any = cbor.loads(data)
            start_s, seen_s, identity, geometry, (version, nodes), *later = body
            plan = Plan(version, {int(shard): str(node) for shard, node in nodes})
            (given,) = later or (None,)  # older versions cut no world anew
            founded = Tree.founding(Geometry.from_data(geometry))
            tree = founded if given is None else Tree.from_data(given)
        except (ProtocolError, TreeError, TypeError, ValueError) as error:
            raise RecordError(f"the world's record is damaged: {error}") from error
        return cls(start_s, seen_s, identity, geometry, plan, tree, revision)

    async def save(self, journal: Journal, now_s: float) -> None:
        """Keep it. Raises Fenced when somebody else has since, JournalUnavailable."""
        async with self._saving:
            self.seen_s = now_s
            self.revision = await journal.save(
                RECORD, self.encode(), position=0, revision=self.revision
            )


async def kept_shards(journal: Journal) -> tuple[int, ...]:
    """All shards of the world that is kept, ascending; none if there is no record of it."""
    kept = await journal.load(RECORD)
    return () if kept is None else tuple(range(WorldRecord.decode(kept.data, 0).tree.count))
