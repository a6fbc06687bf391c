"""A table is brought to the rows it is given, in any order; rows without sense change nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from protocol.geometry import Geometry
from protocol.parts import CourseRows, KindRows, PartTable
from protocol.schema import Schema

FISH = 0
CELLS = 8


class Owner:
    """Fish in columns, and the table that they are written to."""

    def __init__(self, schema: Schema, geometry: Geometry) -> None:
        self.table = PartTable(schema, geometry)
        self.chance = np.random.default_rng(5)
        self.tick = 0
        self.handles = np.zeros(0, np.int64)
        self.ids = np.zeros(0, np.uint64)
        self.cells = np.zeros(0, np.int32)
        self.hp = np.zeros(0, np.uint8)
        self.course = np.zeros((5, 0), np.int64)

    def spawn(self, count: int, cell: int | None = None) -> None:
        new = np.arange(count, dtype=np.uint64) + np.uint64(self.tick * 1000 + 1)
        cells = self.chance.integers(CELLS, size=count) if cell is None else np.full(count, cell)
        course = self.chance.integers(1000, size=(5, count))
        course[4] = self.tick
        self.handles = np.append(self.handles, np.full(count, -1))
        self.ids = np.append(self.ids, new)
        self.cells = np.append(self.cells, cells.astype(np.int32))
        self.hp = np.append(self.hp, np.zeros(count, np.uint8))
        self.course = np.concatenate((self.course, course), axis=1)

    def keep(self, rows: Any) -> None:
        """Only these rows, in this order."""
        self.handles, self.ids, self.cells = self.handles[rows], self.ids[rows], self.cells[rows]
        self.hp, self.course = self.hp[rows], self.course[:, rows]

    def live(self) -> None:
        """Some move, some are hurt, some turn."""
        moving, hurt, turning = (self.chance.random((3, len(self.ids))) < 0.2).astype(bool)
        self.cells[moving] = self.chance.integers(CELLS, size=np.count_nonzero(moving))
        self.hp[hurt] += 1
        self.course[:4, turning] += 3
        self.course[4, turning] = self.tick

    def rows(self) -> KindRows:
        name = np.array([b"fish"] * len(self.ids), "S8")
        fields = {"hp": self.hp, "name": name}
        return KindRows(self.handles, self.ids, self.cells, fields, CourseRows(*self.course))

    def write(self) -> None:
        self.tick += 1
        self.table.begin(self.tick, self.tick)
        self.table.write(self.tick, self.tick, FISH, self.rows(), {})
        self.table.finish()

    def check(self) -> None:
        """The table holds just what the columns say."""
        ids, cells, fields, course = self.table.columns(FISH)
        assert course is not None
        mine, theirs = np.argsort(self.ids), np.argsort(ids)
        assert np.array_equal(ids[theirs], self.ids[mine])
        assert np.array_equal(cells[theirs], self.cells[mine])
        assert np.array_equal(fields["hp"][theirs], self.hp[mine])
        assert np.array_equal(course[:, theirs], self.course[:, mine])
        assert np.array_equal(self.table.slabs[FISH].ids[self.handles], self.ids)


@pytest.fixture
def owner(schema: Schema, geometry: Geometry) -> Owner:
    made = Owner(schema, geometry)
    made.spawn(30)
    made.write()
    return made


def test_rows_may_come_go_and_stand_elsewhere_at_every_tick(owner: Owner) -> None:
    for _ in range(200):
        owner.live()
        order = owner.chance.permutation(len(owner.ids))
        if owner.chance.random() < 0.5:
            order = order[: -int(owner.chance.integers(1, 5))]
        if owner.chance.random() < 0.5:
            order.sort()
        owner.keep(order)
        owner.spawn(int(owner.chance.integers(0, 6)))
        owner.write()
        owner.check()


def test_only_what_changed_counts_as_changed(owner: Owner) -> None:
    owner.table.encode_changed(owner.tick)
    owner.keep(owner.chance.permutation(len(owner.ids)))
    owner.hp[3] += 1
    owner.write()
    slab = owner.table.slabs[FISH]
    assert (slab.latest == owner.tick).nonzero()[0].tolist() == [owner.handles[3]]


def test_a_crowd_in_one_cell_spreads_over_parts(owner: Owner) -> None:
    owner.spawn(150, cell=2)
    owner.write()
    owner.check()
    owner.keep(slice(0, None, 2))
    owner.write()
    owner.spawn(100, cell=2)
    owner.live()
    owner.write()
    owner.check()


def _doubled_handle(owner: Owner) -> None:
    owner.handles[4] = owner.handles[5]


def _unknown_handle(owner: Owner) -> None:
    owner.handles[4] = 10_000


def _vacant_handle(owner: Owner) -> None:
    owner.handles[4] = (owner.table.slabs[FISH].part < 0).nonzero()[0][0]


def _swapped_handles(owner: Owner) -> None:
    owner.handles[[4, 5]] = owner.handles[[5, 4]]


def _doubled_entity(owner: Owner) -> None:
    owner.spawn(1)
    owner.ids[-1] = owner.ids[4]


def _twins(owner: Owner) -> None:
    owner.spawn(2)
    owner.ids[-1] = owner.ids[-2]


def _short_column(owner: Owner) -> None:
    owner.cells = owner.cells[:-1]


@pytest.mark.parametrize(
    "spoil",
    [
        _doubled_handle, _unknown_handle, _vacant_handle, _swapped_handles, _doubled_entity,
        _twins, _short_column,
    ],
)  # fmt: skip
def test_rows_without_sense_are_refused_and_change_nothing(
    owner: Owner, spoil: Callable[[Owner], None]
) -> None:
    before = owner.table.encode(owner.table.parts_in(range(CELLS)), None)
    spoil(owner)
    with pytest.raises(ValueError, match=r"handle|entity|columns"):
        owner.table.write(owner.tick, owner.tick, FISH, owner.rows(), {})
    owner.table.finish()
    assert owner.table.encode(owner.table.parts_in(range(CELLS)), None) == before
