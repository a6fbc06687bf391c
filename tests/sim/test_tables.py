"""Columns, rows, and when entities come and go."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import DeclarationError, Game, GameError, World
from sim.store import Store

Drive = Callable[[World], Any]


@pytest.fixture
def world(pond: SimpleNamespace) -> World:
    return World(pond.game, seed=1)


def test_a_column_is_read_written_and_edited_in_place(pond: SimpleNamespace, world: World) -> None:
    for x in (10, 20, 30):
        world.spawn(pond.Boat(x=x, y=5))
    boats = world[pond.Boat]
    boats.fuel = boats.fuel - [10, 20, 30]
    boats.fuel[1] += 5
    boats.logs = 7
    assert boats.fuel.tolist() == [90, 85, 70]
    assert boats.logs.tolist() == [7, 7, 7]
    assert len(boats) == 3
    assert boats.x.tolist() == [10, 20, 30]


def test_a_row_is_an_instance_of_its_class(pond: SimpleNamespace, world: World) -> None:
    ann = world.spawn(pond.Boat(x=10, y=5, name="ann"))
    row = world.get(ann, pond.Boat)
    assert isinstance(row, pond.Boat)
    assert row.id == ann
    assert row.describe() == "ann at 10", "The methods of a class work on rows."
    row.x += 2
    row.name = "a very long name"
    row.sunk = True
    row.logs = 3
    assert (row.x, row.name, row.sunk, row.logs) == (12.0, "a very l", True, 3)
    assert type(row.sunk) is bool
    assert type(row.logs) is int
    assert row == world[pond.Boat].row(0)
    assert world.get(ann, pond.Log) is None, "It is no log."
    assert [boat.id for boat in world[pond.Boat].rows()] == [ann]


def test_a_row_follows_its_entity_and_notices_its_end(pond: SimpleNamespace, world: World) -> None:
    first, *_, last = [world.spawn(pond.Boat(x=x, y=5)) for x in range(5)]
    row = world.get(last)
    kept = world.get(first)
    world.destroy(first)
    assert row.x == 4.0
    row.x = 7
    assert world.get(last).x == 7.0
    with pytest.raises(LookupError, match="is gone"):
        _ = kept.x
    with pytest.raises(LookupError, match="is gone"):
        kept.x = 3


@pytest.mark.parametrize(
    ("name", "value", "error", "says"),
    [
        ("fuel", [1, 2], ValueError, "has 1 rows, not 2"),
        ("logs", [1.5], TypeError, "is of int"),
        ("sunk", [1.5], TypeError, "is of bool"),
        ("hp", [1], AttributeError, "has no field 'hp'"),
        ("handle", [1], AttributeError, "has no field 'handle'"),
        ("id", [1], AttributeError, "has no field 'id'"),
    ],
)
def test_a_wrong_column_is_refused(
    pond: SimpleNamespace, world: World, name: str, value: Any, error: type[Exception], says: str
) -> None:
    world.spawn(pond.Boat(x=10, y=5))
    with pytest.raises(error, match=says):
        setattr(world[pond.Boat], name, value)


def test_ids_cannot_be_written(pond: SimpleNamespace, world: World) -> None:
    world.spawn(pond.Boat(x=10, y=5))
    with pytest.raises(ValueError, match="read-only"):
        world[pond.Boat].id[0] = 3


def test_texts_are_columns_too(pond: SimpleNamespace, world: World) -> None:
    for name in ("ann", "bob"):
        world.spawn(pond.Boat(x=10, y=5, name=name))
    boats = world[pond.Boat]
    assert boats.name.tolist() == [b"ann", b"bob"]
    boats.name = ["Zoë with a tail", "b"]
    assert [boat.name for boat in boats.rows()] == ["Zoë wit", "b"]
    boats.name = "all"
    assert [boat.name for boat in boats.rows()] == ["all", "all"]


def test_what_is_no_number_is_refused_where_it_is_written(
    pond: SimpleNamespace, world: World
) -> None:
    row = world.get(world.spawn(pond.Boat(x=10, y=5)))
    with pytest.raises(ValueError, match=r"Boat\.fuel must be a finite number"):
        row.fuel = float("nan")
    with pytest.raises(ValueError, match=r"Boat\.logs is of int"):
        row.logs = 1.5
    with pytest.raises(ValueError, match=r"Boat\.x must be a finite number"):
        world.spawn(pond.Boat(x=float("inf"), y=5))


def test_a_mask_says_how_to_destroy_by_it(pond: SimpleNamespace, world: World) -> None:
    for x in (10, 20, 30):
        world.spawn(pond.Boat(x=x, y=5))
    boats = world[pond.Boat]
    with pytest.raises(TypeError, match=r"world\[Kind\]\.destroy\(mask\)"):
        world.destroy(boats.x > 15)
    assert boats.destroy(boats.x > 15) == 2
    assert boats.x.tolist() == [10]
    assert world.destroy(12345) == 0, "Who is not here cannot be destroyed."


def test_kinds_and_events_must_be_declared(pond: SimpleNamespace, world: World) -> None:
    with pytest.raises(GameError, match="not a kind"):
        _ = world[pond.Steer]
    with pytest.raises(GameError, match=r"@game\.entity"):
        world.spawn(pond.Steer(0, 0))
    with pytest.raises(GameError, match=r"@game\.event"):
        world.emit(pond.Steer(0, 0))
    with pytest.raises(GameError, match=r"@game\.command"):
        world.command(1, "nonsense")
    with pytest.raises(GameError, match="numbers, texts and lists"):
        world.command(1, pond.count, what=object())


def test_spawned_and_destroyed_take_effect_when_the_rule_ends(
    another_pond: Callable[[], SimpleNamespace], drive: Drive
) -> None:
    pond = another_pond()
    seen: list[tuple[int, int]] = []

    @pond.game.system
    def churn(world: World) -> None:
        logs = world[pond.Log]
        before = len(logs)
        world.spawn(pond.Log(x=1, y=1))
        world.destroy(logs.id[:1])
        seen.append((before, len(logs)))

    @pond.game.system
    def after(world: World) -> None:
        seen.append((len(world[pond.Log]), -1))

    drive(World(pond.game, seed=1)).steps(3)
    assert seen == [(0, 0), (1, -1), (1, 1), (1, -1), (1, 1), (1, -1)]


def test_who_is_spawned_and_destroyed_in_one_rule_counts_as_both(
    another_pond: Callable[[], SimpleNamespace], drive: Drive
) -> None:
    pond = another_pond()

    @pond.game.system
    def flicker(world: World) -> None:
        world.destroy(world.spawn(pond.Log(x=1, y=1)))

    world = World(pond.game, seed=1)
    output = drive(world).step()
    assert len(output.created) == 2, "the buoy of the set-up, and the log"
    assert output.destroyed == output.created[1:]
    assert (world.created, world.destroyed) == (2, 1)
    assert len(world.owned_ids()) == world.created - world.destroyed


def test_a_rule_that_leaves_nonsense_in_a_column_is_named(
    another_pond: Callable[[], SimpleNamespace], drive: Drive
) -> None:
    pond = another_pond()

    @pond.game.system
    def divide(world: World) -> None:
        boats = world[pond.Boat]
        with np.errstate(invalid="ignore"):
            boats.fuel[1:] = np.array(0.0) / 0.0

    world = World(pond.game, seed=1)
    for x in (10, 20, 30):
        world.spawn(pond.Boat(x=x, y=5))
    with pytest.raises(GameError, match=r"system divide leaves nan in Boat\.fuel, row 1") as caught:
        drive(world).step()
    assert "In the system divide of pond, step 1." in caught.value.__notes__


def test_a_game_without_entities_cannot_be_played() -> None:
    with pytest.raises(DeclarationError, match="has no entities"):
        World(Game("empty", size=(64, 64)), seed=1)


def test_columns_are_asked_for_by_who_looks_only(pond: SimpleNamespace, world: World) -> None:
    world.spawn(pond.Boat(x=10, y=5))
    looking = world.roster.looking[0]
    with pytest.raises(ValueError, match="read-only"):
        looking.fuel[0] = 3
    with pytest.raises(AttributeError, match="only be read"):
        looking.fuel = 3


@given(st.lists(st.one_of(st.integers(1, 90), st.lists(st.integers(0, 99), min_size=1))))
def test_a_store_keeps_each_row_together(script: list[int | list[int]]) -> None:
    store = Store()
    store.add("a", np.dtype(np.int64))
    store.add("b", np.dtype(np.float64))
    alive: set[int] = set()
    made = 0
    for action in script:
        if isinstance(action, int):
            numbers = np.arange(made, made + action)
            store.append({"a": numbers, "b": numbers / 2}, action)
            alive |= set(numbers.tolist())
            made += action
        elif store.count:
            rows = np.unique(np.array(action) % store.count)
            alive -= set(store.views["a"][rows].tolist())
            store.remove(rows)
    assert sorted(store.views["a"].tolist()) == sorted(alive)
    assert (store.views["b"] * 2 == store.views["a"]).all(), "Rows must move as a whole."
