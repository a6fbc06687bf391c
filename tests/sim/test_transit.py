"""A handoff loses nothing: what arrives is what departed, further along its course."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import EngineError, World
from sim.engine import TickInput

Drive = Callable[[World], Any]
STEER, BURST, RUDDER, DROP = range(4)
BOAT, LOG, BUOY = range(3)


def two_worlds(pond: SimpleNamespace, drive: Drive, later: int = 0) -> tuple[Any, Any]:
    """Two shards of one world, at the same tick; the second has made `later` steps less."""
    source, target = World(pond.game, seed=1), World(pond.game, seed=1, maker=2)
    left, right = drive(source), drive(target)
    left.step(joins=[(7, "ann"), (8, "bob")])
    left.steps(later)
    target.advance(TickInput(tick=source.tick, step=1))
    return left, right


def everything(world: World, entity: int) -> dict[str, Any]:
    """All that is an entity's own, its course by age."""
    population = world.roster.find(entity)
    assert population is not None
    row = population.place[entity]
    raw = {name: column[0].item() for name, column in population.raw(slice(row, row + 1)).items()}
    if "course.step0" in raw:
        raw["age"] = world.step - raw.pop("course.step0")
    session = world.players.session.get(entity)
    held = None if session is None else (session, world.players.to_data(session, world.tick))
    trail = world.histories[population.spec.index].trail(entity)
    return raw | {"held": held, "trail": trail}


def test_everything_of_a_player_arrives(pond: SimpleNamespace, drive: Drive) -> None:
    left, right = two_worlds(pond, drive)
    ann = left.world.sessions[7]
    left.world.get(ann).name = "Zoë"
    left.world.get(ann).x = 100
    left.step(inputs=[(7, RUDDER, (130,), 300), (7, STEER, (180, 90), 300), (7, DROP, (1,), 0)])
    left.steps(5)
    target = right.world
    for tick in range(target.tick + 1, left.world.tick):
        target.advance(TickInput(tick=tick, step=target.step + 1))
    before = everything(left.world, ann)
    twin = World.restore(pond.game, left.world.checkpoint())
    (body,) = left.world.depart([ann])
    assert left.world.get(ann) is None
    assert left.world.sessions == {8: left.world.players.entity[8]}
    target.advance(TickInput(tick=left.world.tick, step=target.step + 1))
    tick = target.tick + 1
    target.advance(TickInput(tick=tick, step=target.step + 1, arrivals=[(body, 1)]))
    twin.advance(TickInput(tick=tick, step=twin.step + 1))
    stayed, arrived = everything(twin, ann), everything(target, ann)
    past_of = {"trail"}
    assert {k: v for k, v in stayed.items() if k not in past_of} == {
        k: v for k, v in arrived.items() if k not in past_of
    }, "Who is handed over must be as if it had stayed."
    recent = slice(-3, None)
    assert stayed["trail"].ticks[recent] == arrived["trail"].ticks[recent]
    assert stayed["trail"].x[recent] == arrived["trail"].x[recent]
    assert before["held"] is not None
    assert target.sessions == {7: ann}
    assert (target.created, target.destroyed) == (1, 0), "Who arrives was not made here."


@settings(deadline=None, max_examples=60)
@given(
    x=st.floats(0, 1024),
    y=st.floats(0, 512),
    vx=st.floats(-200, 200),
    vy=st.floats(-200, 200),
    steps=st.integers(0, 30),
    later=st.integers(0, 20),
    age=st.integers(1, 40),
)
def test_a_late_arrival_is_as_far_as_its_course_leads(
    pond: SimpleNamespace,
    drive: Drive,
    x: float,
    y: float,
    vx: float,
    vy: float,
    steps: int,
    later: int,
    age: int,
) -> None:
    left, right = two_worlds(pond, drive, later)
    source, target = left.world, right.world
    ball = source.spawn(pond.Log(x=x, y=y, vx=vx, vy=vy, left=10_000))
    left.steps(steps)
    course = source.roster.find(ball).raw(slice(0, 1))
    form = source.roster.find(ball).spec.course
    (body,) = source.depart([ball])
    tick = source.tick + age
    target.advance(TickInput(tick=tick - 1, step=target.step + 1)) if tick - 1 > target.tick else 0
    target.advance(TickInput(tick=tick, step=target.step + 1, arrivals=[(body, age)]))
    past = source.step - course["course.step0"][0] + age - 1
    for name, start, side in (("x", "course.x0", 1024), ("y", "course.y0", 512)):
        speed = int(course[f"v{name}"][0])
        there = int(course[start][0]) + (speed * int(past) * form.num + form.den // 2) // form.den
        there = min(max(there, 0), side * 4096)
        log = target.get(ball, pond.Log)
        # In the step of its arrival it has moved on, and the waves may have turned it.
        assert abs(getattr(log, name) - there / 4096) <= (abs(speed) / 64 + 6) / 20 + 1 / 4096


def test_many_depart_at_once_and_the_rest_stays(pond: SimpleNamespace, drive: Drive) -> None:
    left, _ = two_worlds(pond, drive)
    world = left.world
    logs = [world.spawn(pond.Log(x=x, y=1, left=1000)) for x in range(20)]
    left.step()
    rest = {log: everything(world, log) for log in logs[1::2]}
    bodies = world.depart(logs[::2])
    assert len(bodies) == 10
    assert sorted(world[pond.Log].id.tolist()) == logs[1::2]
    assert {log: everything(world, log) for log in logs[1::2]} == rest
    left.steps(3)


def test_kinds_without_a_motion_travel_too(pond: SimpleNamespace, drive: Drive) -> None:
    left, right = two_worlds(pond, drive)
    (buoy,) = left.world[pond.Buoy].id.tolist()
    bodies = left.world.depart([buoy])
    right.step(arrivals=[(bodies[0], 1)])
    assert right.world.get(buoy).x == 512


def test_what_cannot_be_is_refused(pond: SimpleNamespace, drive: Drive) -> None:
    left, right = two_worlds(pond, drive)
    with pytest.raises(EngineError, match="not here and cannot depart"):
        left.world.depart([12345])
    (buoy,) = left.world[pond.Buoy].id.tolist()
    (body,) = left.world.depart([buoy])
    right.step(arrivals=[(body, 1)])
    with pytest.raises(EngineError, match="here already"):
        right.step(arrivals=[(body, 1)])
    with pytest.raises(EngineError, match="not an entity in transit"):
        two_worlds(pond, drive)[1].step(arrivals=[(b"\x80", 1)])


def test_an_intent_goes_on_where_its_player_is(pond: SimpleNamespace, drive: Drive) -> None:
    left, right = two_worlds(pond, drive)
    ann = left.world.sessions[7]
    left.step(inputs=[(7, RUDDER, (150,), 0)])
    right.step()
    (body,) = left.world.depart([ann])
    right.step(arrivals=[(body, 1)])
    right.step()
    assert right.world.get(ann).rudder == pytest.approx(1.5)
    right.step(inputs=[(7, RUDDER, (100,), 0)])
    assert right.world.get(ann).rudder == pytest.approx(1.5), "Its session came with it."


def test_columns_of_a_departed_row_do_not_stay_behind(pond: SimpleNamespace, drive: Drive) -> None:
    left, _ = two_worlds(pond, drive)
    world = left.world
    handles = world.export(BOAT).handles
    handles[:] = [5, 6]
    world.depart([world.sessions[7]])
    assert world.export(BOAT).handles.tolist() == [6]
    assert np.array_equal(world.export(BOAT).ids, [world.sessions[8]])
