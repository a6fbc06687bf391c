"""A gateway whose world is cut anew: links on time, late ones and new ones hold the truth."""

from typing import Any

import attrs
import numpy as np
import pytest

from protocol.geometry import Geometry
from server.shard.space import Partition


def cut(geometry: Geometry, at: int, version: int) -> Geometry:
    """The world of two shards with its border at column `at`."""
    left, right = geometry.leaves
    return attrs.evolve(
        geometry,
        version=version,
        leaves=(left._replace(x1=at), right._replace(x0=at)),
    )


def stir(world: Any, rng: np.random.Generator) -> None:
    """Some dots, but not all of them, are told of anew."""
    for entity, dot in world.dots.items():
        if entity > 3 and entity % 3 == 0:
            dot.hp = int(rng.integers(0, 100))


@pytest.fixture
def crowd(world: Any) -> tuple[list[Any], np.random.Generator]:
    """Two clients at the border, and one that reads late, among dots."""
    rng = np.random.default_rng(7)
    for _ in range(60):
        world.add_dot(*rng.uniform((300, 0), (740, 500)))
    clients = [world.join(f"c{n}", 440 + 60 * n, 200, cls=1) for n in range(3)]
    world.tick(3)
    return clients, rng


@pytest.mark.parametrize("at", [5, 11])
def test_what_a_shard_still_shows_where_it_owned_cells_is_seen_by_all(
    world: Any, crowd: tuple[list[Any], np.random.Generator], at: int
) -> None:
    """The shards hand nobody over yet: all that they show lies where it did."""
    clients, rng = crowd
    late = clients[2]
    late.reads = late.acknowledges = False
    world.tick(2)
    world.gateway.cut_anew(Partition(cut(world.geometry, at, 2), (0, 1), world.tick_number + 2))
    for tick in range(12):
        stir(world, rng)
        if tick == 4:
            clients.append(world.join("new", 480, 220, cls=1))
        if tick == 8:
            late.reads = late.acknowledges = True
        world.tick()
    world.tick(30)
    for client in clients:
        assert client.seen() == world.truth(client)


def test_shards_that_own_other_cells_are_told_from_there(
    world: Any, crowd: tuple[list[Any], np.random.Generator]
) -> None:
    """The shards hand over at once, and the border comes back after a while."""
    clients, rng = crowd
    founded = world.geometry
    for version, at in enumerate((5, 11, 8), 2):
        geometry = cut(founded, at, version)
        world.gateway.cut_anew(Partition(geometry, (0, 1)))
        world.geometry = geometry  # by which the puppets show what is theirs
        for _ in range(5):
            stir(world, rng)
            world.tick()
            for client in clients:
                assert client.seen() == world.truth(client)
        clients.append(world.join(f"v{version}", 500, 100, cls=1))
    world.tick(70)  # longer than strays are remembered
    for client in clients:
        assert client.seen() == world.truth(client)


def test_a_partition_that_is_not_newer_changes_nothing(world: Any) -> None:
    geometry = cut(world.geometry, 5, 3)
    world.gateway.cut_anew(Partition(geometry, (0, 1)))
    world.tick(2)
    world.gateway.cut_anew(Partition(cut(world.geometry, 11, 2), (0, 1)))
    world.tick(2)
    client = world.join("ann", 500, 100)
    assert client.welcome is not None
    assert client.welcome.geometry == geometry.to_data(), "who comes is told how it is cut now"


def test_a_shard_that_rests_is_not_awaited(world: Any) -> None:
    world.lose = lambda subject: subject == "w.inbox.2"  # there is no such puppet
    world.gateway.cut_anew(Partition(world.geometry, (0, 1, 2)))
    world.tick(200)
    assert not world.gateway.awaits_frames(world.tick_number)
    assert world.gateway.unready(world.now) is None
    assert world.published["w.inbox.2"] > 0, "it hears signs of life, since sessions may be there"
