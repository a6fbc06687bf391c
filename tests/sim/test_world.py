"""One step after another: players, inputs, events, commands, scores, and how errors are told."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sim import EngineError, GameError, World
from sim.engine import EmittedEvent, TickInput

Drive = Callable[[World], Any]
STEER, BURST, RUDDER, DROP = range(4)
BOAT, LOG, BUOY = range(3)


@pytest.fixture
def world(pond: SimpleNamespace) -> World:
    return World(pond.game, seed=1)


def test_ids_are_the_makers_number_and_a_counter(pond: SimpleNamespace) -> None:
    world = World(pond.game, seed=1, maker=3)
    assert world.owned_ids() == [3 << 40 | 1]
    assert world.spawn(pond.Log(x=1, y=1)) == 3 << 40 | 2
    with pytest.raises(EngineError, match="maker"):
        World(pond.game, seed=1, maker=0)


def test_set_up_fills_each_shard_in_its_bounds(pond: SimpleNamespace) -> None:
    world = World(pond.game, seed=1, maker=2, bounds=(512, 0, 1024, 256))
    assert [(buoy.x, buoy.y) for buoy in world[pond.Buoy].rows()] == [(768.0, 128.0)]


def test_a_player_joins_and_leaves(pond: SimpleNamespace, world: World, drive: Drive) -> None:
    driver = drive(world)
    output = driver.step(joins=[(7, "ann"), (8, "bob")])
    ann, bob = output.joined[7], output.joined[8]
    assert world.sessions == {7: ann, 8: bob}
    assert world.get(ann, pond.Boat).name == "ann"
    assert set(output.created) >= {ann, bob}
    assert driver.step(joins=[(7, "ann")]).joined == {7: ann}, "Joining twice is joining once."
    output = driver.step(leaves=[7])
    assert output.destroyed == [ann]
    assert world.sessions == {8: bob}
    world.get(bob).sunk = True
    output = driver.step(leaves=[8, 8, 99])
    assert output.destroyed == [], "The game may keep the entity of a player who leaves."
    assert world.get(bob) is not None


def test_a_session_whose_entity_is_destroyed_stays_without_one(world: World, drive: Drive) -> None:
    driver = drive(world)
    ann = driver.step(joins=[(7, "ann")]).joined[7]
    driver.step(inputs=[(7, RUDDER, (200,), 0)], commands=[(ann, "sink", {})])
    assert world.sessions == {7: 0}
    driver.step(inputs=[(7, RUDDER, (200,), 0), (7, DROP, (3,), 0)])
    driver.step(leaves=[7])
    assert world.sessions == {}


def test_an_intent_holds_until_it_is_replaced(world: World, drive: Drive) -> None:
    driver = drive(world)
    ann = driver.step(joins=[(7, "ann")]).joined[7]
    driver.step(inputs=[(7, RUDDER, (200,), 0)])
    driver.steps(2)
    assert world.get(ann).rudder == pytest.approx(3.0)
    driver.step(inputs=[(7, RUDDER, (150,), 0), (7, RUDDER, (50,), 0)])
    driver.step()
    assert world.get(ann).rudder == pytest.approx(2.0), "The newest of a tick holds."


def test_what_happens_once_happens_each_time_it_is_sent(
    pond: SimpleNamespace, world: World, drive: Drive
) -> None:
    driver = drive(world)
    ann = driver.step(joins=[(7, "ann")]).joined[7]
    output = driver.step(inputs=[(7, DROP, (3,), 0), (7, DROP, (4,), 0)])
    assert len(world[pond.Log]) == 2
    assert [event.values for event in output.events] == [(ann, "ann", 3), (ann, "ann", 4)]
    driver.steps(3)
    assert len(world[pond.Log]) == 2


def test_a_bound_input_moves_and_dashes(world: World, drive: Drive) -> None:
    driver = drive(world)
    ann = driver.step(joins=[(7, "ann")]).joined[7]
    me = world.get(ann)
    me.x = 10
    driver.step(inputs=[(7, STEER, (200, 100), 0)])
    assert me.vx > 0
    driver.steps(100)
    assert me.vx == 60
    driver.step(inputs=[(7, BURST, (), 0)])
    assert me.vx == 180
    driver.steps(10)
    assert me.vx == 60


def test_inputs_of_strangers_are_ignored(world: World, drive: Drive) -> None:
    before = world.checksum()
    twin = World(world.game, seed=1)
    drive(twin).step()
    drive(world).step(inputs=[(9, DROP, (3,), 0)])
    assert world.checksum() == twin.checksum() != before


def test_a_handler_knows_what_was_on_the_screen(
    another_pond: Callable[[], SimpleNamespace], drive: Drive
) -> None:
    pond = another_pond()
    views = []

    @pond.game.system
    def look(world: World) -> None:
        views.append(world.view)

    def handle(world: World, me: Any, cmd: Any) -> None:
        views.append(world.view)

    handle.__annotations__ = {"me": pond.Boat, "cmd": pond.Steer}
    pond.game.on_input(pond.Steer)(handle)
    driver = drive(World(pond.game, seed=1))
    driver.step(joins=[(7, "ann")])
    driver.step(inputs=[(7, STEER, (200, 100), 256 + 128)])
    driver.step()
    assert views == [0.0, 1.5, 0.0, 2.5, 0.0], "The screen moves on while an intent holds."


def test_events_have_a_place_a_recipient_or_neither(pond: SimpleNamespace, world: World) -> None:
    event = pond.Dropped(by=5, name="x" * 20, weight=99)
    world.emit(event, at=(1, 2))
    world.emit(event, to=5)
    world.emit(event)
    with pytest.raises(GameError, match="not both"):
        world.emit(event, at=(1, 2), to=5)
    output = world.advance(TickInput(tick=1, step=1))
    sent = (5, "x" * 8, 9)
    assert output.events == [
        EmittedEvent(0, sent, (1.0, 2.0), None),
        EmittedEvent(0, sent, None, 5),
        EmittedEvent(0, sent, None, None),
    ], "Values are clipped to what the wire can say."
    bad = pond.Dropped(by=5, name="x", weight=float("nan"))
    with pytest.raises(ValueError, match="finite") as caught:
        world.emit(bad)
    assert "Dropped.weight" in caught.value.__notes__[0]


def test_a_command_is_done_by_the_owner_in_its_next_step(world: World, drive: Drive) -> None:
    driver = drive(world)
    ann = driver.step(joins=[(7, "ann")]).joined[7]
    output = driver.step(inputs=[(7, DROP, (3,), 0)])
    assert [(each.target, each.name) for each in output.commands] == [(ann, "count")]
    assert output.commands[0].args == {"what": output.created[0], "extra": [1, 2.5, "a"]}
    assert world.get(ann).logs == 0
    driver.step()
    assert world.get(ann).logs == 1


def test_commands_for_others_are_ignored_and_unknown_ones_refused(
    pond: SimpleNamespace, world: World, drive: Drive
) -> None:
    driver = drive(world)
    buoy = world[pond.Buoy].row(0)
    driver.step(commands=[(12345, "sink", {}), (buoy.id, "sink", {})])
    assert world.get(buoy.id) is not None, "A buoy is none of the kinds that sink."
    with pytest.raises(EngineError, match="'nonsense'"):
        driver.step(commands=[(buoy.id, "nonsense", {})])


def test_anything_can_be_placed(pond: SimpleNamespace, world: World, drive: Drive) -> None:
    driver = drive(world)
    ann = driver.step(joins=[(7, "ann")]).joined[7]
    buoy = world[pond.Buoy].row(0)
    args = {"x": 10.0, "y": 20.0}
    driver.step(commands=[(ann, "shoal.place", args), (buoy.id, "shoal.place", args)])
    assert (world.get(ann).x, world.get(ann).y) == (10.0, 20.0)
    assert (buoy.x, buoy.y) == (10.0, 20.0)


def test_scores_come_when_they_are_due_best_first(world: World, drive: Drive) -> None:
    driver = drive(world)
    joined = driver.step(joins=[(7, "ann"), (8, "bob"), (9, "cec")]).joined
    driver.step(inputs=[(8, DROP, (1,), 0)])
    found = [driver.step().scores for _ in range(10)]
    assert [scores is not None for scores in found] == [step == 10 for step in range(3, 13)]
    scores = next(scores for scores in found if scores)
    assert scores == [(joined[8], "bob", 1), (joined[7], "ann", 0)]


def test_interest_is_a_function_of_the_columns(
    another_pond: Callable[[], SimpleNamespace], world: World, drive: Drive
) -> None:
    driver = drive(world)
    joined = driver.step(joins=[(7, "ann"), (8, "bob")]).joined
    world.get(joined[8]).fuel = 20
    driver.step()
    assert (world.interest(joined[7]), world.interest(joined[8])) == (1, 0)
    assert world.interests(BOAT).tolist() == [1, 0]
    assert world.interests(BUOY).tolist() == [0]
    assert world.interest(12345) == 0
    pond = another_pond()
    pond.game.rules.interests[BUOY] = lambda _: 5
    with pytest.raises(GameError, match="a class is 0 to 1"):
        World(pond.game, seed=1).interests(BUOY)


def test_owners_receive_what_is_private(world: World, drive: Drive) -> None:
    driver = drive(world)
    joined = driver.step(joins=[(7, "ann"), (8, "bob")]).joined
    driver.step(inputs=[(8, DROP, (1,), 0), (8, STEER, (200, 100), 0)])
    driver.step()
    assert world.private(joined[8]) == (BOAT, [1, 512, 256, 0, 0, 0])
    ids = world.export(BOAT).ids.tolist()
    rows = np.array([ids.index(joined[7]), ids.index(joined[8])])
    ints = world.privates(BOAT, rows)
    assert ints.tolist() == [[0, 256, 256, 0, 0, 0], [1, 512, 256, 0, 0, 0]]
    assert world.privates(LOG, np.zeros(0, np.int64)).shape == (0, 0)
    with pytest.raises(KeyError):
        world.private(12345)


def test_the_export_has_wire_integers_and_handles_that_ride_along(
    pond: SimpleNamespace, world: World, drive: Drive
) -> None:
    driver = drive(world)
    joined = driver.step(joins=[(7, "ann"), (8, "bob"), (9, "cec")]).joined
    exported = world.export(BOAT)
    assert exported.handles.tolist() == [-1, -1, -1]
    exported.handles[:] = [10, 20, 30]
    world.get(joined[9]).fuel = 12.3
    driver.step(leaves=[7], joins=[(5, "dan")])
    exported = world.export(BOAT)
    handles = dict(zip(exported.ids.tolist(), exported.handles.tolist(), strict=True))
    assert handles == {joined[8]: 20, joined[9]: 30, world.sessions[5]: -1}
    row = exported.ids.tolist().index(joined[9])
    assert exported.fields["fuel"][row] == 49
    assert exported.fields["name"][row] == b"cec"
    assert exported.fields["sunk"].dtype == "uint8"
    assert list(exported.fields) == [field["name"] for field in fields(world, BOAT)]
    buoys = world.export(BUOY)
    assert buoys.course is None
    assert buoys.fields["x"].tolist() == [512 * 16]
    assert buoys.fields["x"].dtype == "uint16"
    with pytest.raises(ValueError, match="read-only"):
        exported.x[0] = 3
    world[pond.Buoy].x = 100.0
    driver.step()
    assert world.export(BUOY).fields["x"].tolist() == [1600]


def fields(world: World, kind: int) -> list[Any]:
    return list(world.game.describe()["kinds"][kind]["fields"])


def test_everything_is_rounded_to_its_sim_step_even_what_is_never_sent(
    world: World, drive: Drive
) -> None:
    driver = drive(world)
    me = world.get(driver.step(joins=[(7, "ann")]).joined[7])
    me.rudder = 1 / 3
    me.fuel = 1 / 3
    driver.step()
    assert me.rudder == round(2**20 / 3) / 2**20
    assert (me.fuel * 1024).is_integer()


@pytest.mark.parametrize(("tick", "step"), [(1, 1), (2, 3), (1, 2), (0, 2)])
def test_a_step_that_does_not_follow_is_refused(world: World, tick: int, step: int) -> None:
    world.advance(TickInput(tick=1, step=1))
    with pytest.raises(EngineError, match="does not follow"):
        world.advance(TickInput(tick=tick, step=step))


def test_ticks_may_be_skipped(world: World) -> None:
    world.advance(TickInput(tick=10, step=1))
    world.advance(TickInput(tick=20, step=2))
    assert (world.tick, world.step) == (20, 2)


def test_an_error_of_the_game_says_where(
    another_pond: Callable[[], SimpleNamespace], drive: Drive
) -> None:
    pond = another_pond()

    @pond.game.system
    def stumble(world: World) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        drive(World(pond.game, seed=1)).step()
    assert caught.value.__notes__ == ["In the system stumble of pond, step 1."]


def test_a_join_must_give_an_entity(
    another_pond: Callable[[], SimpleNamespace], drive: Drive
) -> None:
    pond = another_pond()
    pond.game.rules.join = lambda _world, name: name
    with pytest.raises(GameError, match="join returned 'ann'"):
        drive(World(pond.game, seed=1)).step(joins=[(1, "ann")])
    pond = another_pond()
    pond.game.rules.join = None
    with pytest.raises(GameError, match="nobody can play"):
        drive(World(pond.game, seed=1)).step(joins=[(1, "ann")])


def test_the_past_is_where_everybody_was(pond: SimpleNamespace, world: World, drive: Drive) -> None:
    log = world.spawn(pond.Log(x=100, y=100, vx=20, left=1000))
    driver = drive(world)
    driver.steps(20)
    row = world.get(log)

    def seen(view: float, limit_s: float = 0.5) -> float:
        with world.rewound(view, limit_s) as past:
            return float(past[pond.Log].x[0])

    assert seen(18) == pytest.approx(row.x - 2)
    assert seen(17.5) == pytest.approx(row.x - 2.5, abs=1e-3)
    assert seen(1) == pytest.approx(row.x - 10), "Nobody looks back further than allowed."
    assert seen(17, limit_s=0.1) == pytest.approx(row.x - 2)
    assert seen(0) == row.x, "Who did not say what was on the screen saw the present."
    assert seen(99) == row.x
    with pytest.raises(GameError, match="history_s"):
        world.rewound(18, 2.0)
    with pytest.raises(GameError, match="its past is not kept"):
        _ = world.rewound(18, 0.5)[pond.Buoy]


def test_the_journal_can_tell_that_bytes_are_no_input() -> None:
    for data in (b"", b"\x80", b"\x01", TickInput(1, 1).to_bytes()[:-1]):
        with pytest.raises(EngineError, match="not a TickInput"):
            TickInput.from_bytes(data)
