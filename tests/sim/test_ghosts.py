"""Ghosts: what a shard knows of its neighbours' entities, to look at and never to touch."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sim import EngineError, World
from sim.engine import Ghosts, TickInput

Drive = Callable[[World], Any]
BOAT, LOG, BUOY = range(3)


@pytest.fixture
def world(pond: SimpleNamespace) -> World:
    world = World(pond.game, seed=1, bounds=(0, 0, 512, 512))
    world.spawn(pond.Boat(x=10, y=10, name="mine"))
    return world


def boats(count: int = 2) -> Ghosts:
    """Neighbours' boats at x = 500, 501, …, as a replica has them."""
    ids = np.arange(count, dtype=np.uint64) + np.uint64(2 << 40)
    position = np.arange(500, 500 + count) * 4096
    return Ghosts(
        BOAT,
        ids,
        {
            "x": position,
            "y": position // 2,
            "vx": np.full(count, 20 * 64),
            "vy": np.zeros(count, np.int64),
            "fuel": np.full(count, 50 * 4),
            "name": np.array([b"ann"] * count, "S8"),
        },
    )


def test_everyone_is_those_owned_and_then_the_ghosts(
    pond: SimpleNamespace, world: World, drive: Drive
) -> None:
    drive(world).step(ghosts=[boats()])
    everyone = world.everyone(pond.Boat)
    assert len(everyone) == 3
    assert everyone.owned == 1
    assert everyone.id[1:].tolist() == [2 << 40, (2 << 40) + 1]
    assert everyone.x.tolist() == [10, 500, 501]
    assert everyone.vx.tolist() == [0, 20, 20]
    assert everyone.fuel[1:].tolist() == [50, 50]
    assert everyone.name.tolist() == [b"mine", b"ann", b"ann"]


def test_ghosts_are_as_of_this_tick_only(pond: SimpleNamespace, world: World, drive: Drive) -> None:
    driver = drive(world)
    driver.step(ghosts=[boats()])
    driver.step()
    assert len(world.everyone(pond.Boat)) == 1


def test_ghosts_cannot_be_written(pond: SimpleNamespace, world: World, drive: Drive) -> None:
    drive(world).step(ghosts=[boats()])
    everyone = world.everyone(pond.Boat)
    for column in (everyone.x, everyone.id, everyone.name):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1
    assert world.get(2 << 40) is None
    assert world.destroy(2 << 40) == 0, "A neighbour's entity is its owner's to destroy."


def test_an_owned_copy_does_not_write_through(
    pond: SimpleNamespace, world: World, drive: Drive
) -> None:
    drive(world).step()
    before = world.everyone(pond.Boat)
    assert before.x.tolist() == [10]
    world[pond.Boat].x = 20
    assert before.x.tolist() == [10]


def test_only_ghost_fields_are_there_with_or_without_neighbours(
    pond: SimpleNamespace, world: World, drive: Drive
) -> None:
    for ghosts in ([], [boats()]):
        drive(world).step(ghosts=ghosts)
        with pytest.raises(AttributeError, match="declare it in ghost_fields of Boat"):
            _ = world.everyone(pond.Boat).sunk


def test_ghosts_are_neither_exported_nor_counted_nor_kept(
    pond: SimpleNamespace, world: World, drive: Drive
) -> None:
    twin = World(pond.game, seed=1, bounds=(0, 0, 512, 512))
    twin.spawn(pond.Boat(x=10, y=10, name="mine"))
    drive(world).step(ghosts=[boats()])
    drive(twin).step()
    assert world.checksum() == twin.checksum()
    assert len(world.export(BOAT).ids) == 1
    assert len(world.owned_ids()) == 2
    assert len(World.restore(pond.game, world.checkpoint()).everyone(pond.Boat)) == 1


def test_ghosts_have_a_past_too(pond: SimpleNamespace, world: World, drive: Drive) -> None:
    driver = drive(world)
    for step in range(6):
        moved = boats(1)
        moved.fields["x"][:] += step * 4096
        driver.step(ghosts=[moved])
    past = world.rewound(4, 0.5)[pond.Boat]
    places = dict(zip(past.ids.tolist(), past.x.tolist(), strict=True))
    # Given as of the end of the step before, a ghost is at 503 at the beginning of tick 4.
    assert places[2 << 40] == pytest.approx(504, abs=1 / 1024)


def test_the_past_of_ghosts_is_what_their_owner_says_and_not_where_their_courses_led(
    pond: SimpleNamespace, world: World, drive: Drive
) -> None:
    driver = drive(world)
    driver.step(ghosts=[boats(1)])  # at 500, a unit further each tick
    back = boats(1)
    back.fields["x"][:] = 490 * 4096  # it has dashed away at tick 1
    driver.step(ghosts=[back])
    past = world.rewound(1, 0.5)[pond.Boat]
    places = dict(zip(past.ids.tolist(), past.x.tolist(), strict=True))
    assert places[2 << 40] == 490, "Who looks back sees it where it would have gone."
    kept = World.restore(pond.game, world.checkpoint()).rewound(1, 0.5)[pond.Boat]
    assert kept.x.tolist() == past.x.tolist()


def test_a_rule_sees_ghosts_as_it_sees_its_own(
    pond: SimpleNamespace, world: World, drive: Drive
) -> None:
    driver = drive(world)
    driver.step()
    assert not world[pond.Buoy].row(0).lit
    near = boats(1)
    near.fields["x"][:] = 250 * 4096
    driver.step(ghosts=[near])
    assert world[pond.Buoy].row(0).lit, "The boat beside the buoy is a neighbour's."


def test_ghosts_of_kinds_without_a_motion_come_in_wire_steps(
    pond: SimpleNamespace, world: World, drive: Drive
) -> None:
    ids = np.array([2 << 40], np.uint64)
    columns = {"x": np.array([16 * 600]), "y": np.array([16]), "lit": np.array([1])}
    drive(world).step(ghosts=[(BUOY, ids, columns)])
    everyone = world.everyone(pond.Buoy)
    assert everyone.x[1] == 600
    assert everyone.lit.tolist() == [False, True]


def test_a_missing_column_is_the_servers_mistake(world: World) -> None:
    ghosts = boats()
    del ghosts.fields["fuel"]  # type: ignore[attr-defined]
    with pytest.raises(EngineError, match="lack the column fuel"):
        world.advance(TickInput(1, 1, ghosts=[ghosts]))


def test_ghosts_survive_the_journal() -> None:
    given = TickInput(3, 2, ghosts=[boats(), (LOG, np.zeros(0, np.uint64), {})])
    ghosts = TickInput.from_bytes(given.to_bytes()).ghosts
    assert [each[0] for each in ghosts] == [BOAT, LOG]
    for name, column in boats().fields.items():
        assert ghosts[0][2][name].tolist() == column.tolist()
    assert ghosts[0][1].tolist() == boats().ids.tolist()
