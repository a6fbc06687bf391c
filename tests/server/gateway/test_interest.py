"""Interest is a function of centre and class alone, and those who share it share one object."""

import pytest

from protocol.geometry import Geometry
from server.gateway import limits
from server.gateway.interest import Interests


@pytest.fixture
def geometry() -> Geometry:
    return Geometry.grid(1024, 512, 64, [64, 200], shards=(2, 1))


def test_the_same_centre_and_class_give_the_same_object(geometry: Geometry) -> None:
    interests = Interests(geometry)
    assert interests.at(20, 0) is interests.at(20, 0), "bodies are shared by identity"
    assert interests.at(20, 0) is not interests.at(20, 1), "another radius sees more"


def test_an_interest_is_divided_by_the_shards_rectangles(geometry: Geometry) -> None:
    centre = geometry.cell_of(512, 256)
    interest = Interests(geometry).at(centre, 1)
    assert set(interest.by_shard) == {0, 1}, "the centre lies at the border"
    for shard, cells in interest.by_shard.items():
        assert all(geometry.shard_of(cell) == shard for cell in cells)
    assert sorted(c for cells in interest.by_shard.values() for c in cells) == list(interest.cells)


def test_an_observer_sees_every_cell(geometry: Geometry) -> None:
    interests = Interests(geometry)
    assert interests.everything.cells == tuple(range(geometry.cells))
    assert interests.everything.everything


def test_cells_and_classes_that_do_not_exist_are_refused(geometry: Geometry) -> None:
    interests = Interests(geometry)
    for centre, radius_class in ((-1, 0), (geometry.cells, 0), (0, -1), (0, 2)):
        with pytest.raises(ValueError, match="the world has no"):
            interests.at(centre, radius_class)


def test_interests_that_nobody_has_are_forgotten_in_the_end(
    geometry: Geometry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "INTERESTS_KEPT", 8)
    interests = Interests(geometry)
    mine = interests.at(3, 0)
    mine.links = 1
    for centre in range(geometry.cells):
        interests.at(centre, 0)
    assert len(interests) <= 8, "the memory is bounded"
    assert interests.at(3, 0) is mine, "one that is in use is kept"
