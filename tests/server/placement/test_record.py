"""What outlives coordinators and what they say: read strictly, and from older versions as well."""

from typing import Any

import attrs
import pytest

from protocol import cbor
from protocol.geometry import Geometry
from server.cluster.journal import MemoryJournal
from server.placement.plan import Plan
from server.placement.record import RECORD, Founding, RecordError, WorldRecord, kept_shards
from server.placement.tree import Tree, X
from server.placement.words import Beacon, Report, WordError, geometry_data
from server.shard.load import Cut
from server.shard.record import RecordError as TickRecordError
from server.shard.record import TickRecord
from server.shard.space import Partition

SPACE = Geometry.grid(100, 100, 10, (10,), (2, 2))
FOUNDING = Founding(identity="i", geometry=SPACE.to_data(), hz=20, shards=SPACE.shards)


async def test_a_world_is_cut_after_all_its_coordinators_as_it_was_before() -> None:
    journal = MemoryJournal()
    assert await kept_shards(journal) == ()
    record = WorldRecord.new(FOUNDING, 5.0)
    record.tree = record.tree.opened().split(0, X, 3, 4, since=77)
    record.plan = Plan(3, {0: "a", 4: "b"})
    await record.save(journal, 6.0)
    assert await kept_shards(journal) == (0, 1, 2, 3, 4)
    kept = await journal.load(RECORD)
    assert kept is not None
    again = WorldRecord.decode(kept.data, kept.revision)
    assert (again.tree, again.plan, again.seen_s, again.revision) == (
        record.tree,
        record.plan,
        6.0,
        1,
    )


def test_a_record_that_tells_of_no_cuts_is_that_of_a_world_as_it_was_founded() -> None:
    body: Any = cbor.loads(WorldRecord.new(FOUNDING, 5.0).encode())
    assert WorldRecord.decode(cbor.dumps(body[:-1]), 1).tree == Tree.founding(SPACE)


@pytest.mark.parametrize("tree", [[], 7, [1, 0, 10, 10, 4, 4, [0, 99, 0, 1]]])
def test_a_record_with_a_broken_tree_is_refused(tree: object) -> None:
    body: Any = cbor.loads(WorldRecord.new(FOUNDING, 5.0).encode())
    with pytest.raises(RecordError):
        WorldRecord.decode(cbor.dumps([*body[:-1], tree]), 1)


def beacon(geometry: Any) -> Beacon:
    said = Beacon(
        epoch=1, number=1, now_s=0.0, start_s=0.0, hz=20, identity=None, geometry=geometry,
        plan=Plan(),
    )  # fmt: skip
    return Beacon.decode(said.encode())


def test_a_beacon_tells_of_shards_without_a_rectangle_and_from_when_on() -> None:
    partition = Partition(SPACE, (0, 1, 2, 3, 4), 99)
    told = beacon(geometry_data(partition)).partition()
    assert (told.shards, told.since, told.age) == ((0, 1, 2, 3, 4), 99, partition.age)
    assert told.geometry.leaves == SPACE.leaves


def test_a_beacon_of_an_older_version_tells_of_a_world_with_no_other_shards() -> None:
    assert beacon(SPACE.to_data()).partition().shards == (0, 1, 2, 3)


@pytest.mark.parametrize(
    "geometry",
    [None, {}, SPACE.to_data() | {"all": 3}, SPACE.to_data() | {"since": "soon"},
     SPACE.to_data() | {"all": 1 << 40}],
)  # fmt: skip
def test_a_beacon_whose_geometry_makes_no_sense_is_not_followed(geometry: object) -> None:
    with pytest.raises(WordError):
        beacon(geometry).partition()


def test_reports_carry_cuts_and_need_none() -> None:
    report = Report(
        node="a", tick=3, costs={0: 0.5, 1: 0.25}, cuts={0: Cut(1, 4, 0.5)}, soon={0: 0.75}
    )
    assert Report.decode(report.encode()) == report
    older: Any = cbor.loads(report.encode())
    assert Report.decode(cbor.dumps(older[:4])) == attrs.evolve(report, soon={})
    assert Report.decode(cbor.dumps(older[:3])) == attrs.evolve(report, soon={}, cuts={})
    with pytest.raises(WordError):
        Report.decode(cbor.dumps(["a", 3, [[0, 0.5]], [[0, 1]]]))


@pytest.mark.parametrize("bounds", [None, (0.0, 0.0, 64.0, 32.0)])
def test_the_record_of_a_tick_tells_of_new_bounds(bounds: Any) -> None:
    record = TickRecord(3, 2, 1, "g", b"", bounds=bounds)
    assert TickRecord.decode(record.encode()) == record
    body: Any = cbor.loads(record.encode())
    assert TickRecord.decode(cbor.dumps(body[:-1])).bounds is None, "older versions know none"
    with pytest.raises(TickRecordError):
        TickRecord.decode(cbor.dumps([*body[:-1], [1, 2, 3]]))
