"""Frames that are made all at once are those that would be made one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import messages
from protocol.cbor import dumps
from protocol.frame import Frame
from protocol.geometry import Geometry
from server.gateway.baseline import Baseline
from server.gateway.bodies import Bodies
from server.gateway.feed import Feed
from server.gateway.interest import Interests
from server.gateway.prebuilt import Plan
from server.gateway.strays import Strays
from server.net.frames import FrameReader, frame

KINDS, TICK = 2, 1000
GEOMETRY = Geometry.grid(512, 256, 32, (32, 64), shards=(2, 1))
SCHEMA_KINDS = range(KINDS)
UPDATES = st.lists(
    st.tuples(st.integers(0, GEOMETRY.cells - 1), st.integers(0, 2 * KINDS - 1)),
    max_size=120, unique=True,
)  # fmt: skip


def published(shard: int, updates: list[tuple[int, int]], size: int, tick: int) -> Frame:
    """A frame of a shard: updates in the order in which tables write them, kind by kind."""
    cells = KINDS * GEOMETRY.cells
    keys = [n // KINDS * cells + cell * KINDS + n % KINDS for cell, n in updates]
    keys.sort(key=lambda key: (key % KINDS, key))
    told = [dumps([key, -9, 1, bytes(size)]) for key in keys]
    return Frame(
        shard, 1, tick, tick - 7, tick - 1, 1, 1000, np.array(keys, np.uint32),
        np.cumsum([0, *map(len, told)]).astype(np.uint32), b"".join(told),
        kinds=KINDS, cells=GEOMETRY.cells,
    )  # fmt: skip


class Published(Feed):
    """A feed that has just these frames."""

    def __init__(self, shard: int, frames: list[Frame]) -> None:
        self.shard, self.epoch, self.fresh, self.chained = shard, 1, frames, True
        self.strays = Strays(GEOMETRY, KINDS, shard)
        for each in frames:
            self.strays.note(each)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(UPDATES, UPDATES), min_size=1, max_size=2), st.sampled_from([1, 60, 400]),
    st.lists(st.tuples(st.integers(0, GEOMETRY.cells - 1), st.integers(0, 1)), min_size=1,
             max_size=30, unique=True),
    st.frozensets(st.integers(0, GEOMETRY.cells - 1), max_size=2),
)  # fmt: skip
def test_all_at_once_is_one_by_one(
    told: list[tuple[list[tuple[int, int]], ...]],
    size: int,
    centres: list[tuple[int, int]],
    strayed: frozenset[int],
) -> None:
    """But for interests in which one shard shows something in a cell of another."""
    owners = GEOMETRY.owners
    feeds: dict[int, Feed] = {
        shard: Published(
            shard,
            [
                published(
                    shard,
                    [u for u in each[shard] if owners[u[0]] == shard or u[0] in strayed],
                    size,
                    TICK - n,
                )
                for n, each in reversed(list(enumerate(told)))
            ],
        )
        for shard in (0, 1)
    }
    bodies = Bodies(feeds, TICK, Baseline(TICK - 1, {}))
    interests = Interests(GEOMETRY)
    wanted = [interests.at(cell, radius_class) for cell, radius_class in centres]
    head = messages.snapshot_head(TICK)
    built = bodies.prebuilt(Plan(wanted), head)
    assert built is not None
    strays = feeds[0].strays.fresh | feeds[1].strays.fresh
    for place, interest in enumerate(wanted):
        groups = bodies.shared(interest)
        if not built.size(place):
            assert len(groups) > 3000 or interest.cell_set & strays, "nothing else is left out"
            continue
        assert not interest.cell_set & strays, "whoever sees a stray is told of it"
        assert built.groups(place) == groups
        assert built.frames()[place] == frame(head, groups)
        (whole,) = FrameReader().feed(built.frames()[place])
        assert isinstance(messages.decode(whole.payload, messages.Role.SERVER), messages.Snapshot)
