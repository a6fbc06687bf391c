"""Between shards: an entity cut out to bytes with all that is its own, and put in elsewhere.

What it is: its integers, its course by age, its session with the inputs that hold, and its past.

Invariants: what arrives is what departed, moved on along its course by the steps that it missed;
ages travel, never steps or ticks of the source (the past is in ticks, which all shards share).

It must not know who decides where an entity goes.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cbor2
import numpy as np

from sim import limits
from sim.courses import travelled
from sim.errors import EngineError
from sim.fields import Column
from sim.history import Trail
from sim.population import Population

if TYPE_CHECKING:
    from sim.state import State


def depart(world: "State", ids: Sequence[int]) -> list[bytes]:
    """Cut entities out; their bytes in the same order. EngineError if one is not here."""
    bodies = [_cut(world, entity) for entity in ids]
    for entity in ids:
        session = world.players.session.get(entity)
        if session is not None:
            world.players.drop(session)
    world.roster.remove(ids)
    return bodies


def _cut(world: "State", entity: int) -> bytes:
    population = world.roster.find(entity)
    if population is None:
        raise EngineError(f"Entity {entity} is not here and cannot depart.")
    raw = population.raw(slice(population.place[entity], population.place[entity] + 1))
    if "course.step0" in raw:
        raw["course.step0"] = world.step - raw["course.step0"]
    session = world.players.session.get(entity)
    held = None if session is None else world.players.to_data(session, world.tick)
    trail = world.histories[population.spec.index].trail(entity)
    body = [
        population.spec.name,
        entity,
        {name: column[0].item() for name, column in raw.items()},
        None if session is None else [session, held],
        [list(trail.ticks), list(trail.x), list(trail.y)],
    ]
    return cbor2.dumps(body)


def arrive(world: "State", data: bytes, age: int) -> int:
    """Put in an entity that was cut out `age` ticks ago, during a step; gives its id.

    It is as far along its course as if it had been here at the end of the step before.
    """
    try:
        kind, entity, numbers, session, (ticks, xs, ys) = cbor2.loads(data)
    except (cbor2.CBORDecodeError, TypeError, ValueError) as error:
        raise EngineError("These bytes are not an entity in transit.") from error
    population = next((each for each in world.roster.populations if each.spec.name == kind), None)
    if population is None:
        raise EngineError(f"An entity of kind {kind!r} arrives, which this game has not.")
    raw = _columns(population, numbers)
    _move(population, raw, min(age - 1, limits.TRANSIT_STEPS_MAX), world.step - 1)
    population.insert([entity], raw)
    if session is not None:
        number, held = session
        world.players.bind(number, entity)
        world.players.load(number, held, world.game.rules.inputs, world.tick - age)
    trail = Trail(tuple(ticks), tuple(xs), tuple(ys))
    world.histories[population.spec.index].insert([(entity, trail)])
    return int(entity)


def _columns(population: Population, numbers: dict[str, Any]) -> dict[str, Column]:
    dtypes = {field.name: field.dtype for field in population.plain}
    try:
        return {
            name: np.array([number], dtypes.get(name, np.dtype(np.int64)))
            for name, number in numbers.items()
        }
    except (TypeError, ValueError, OverflowError) as error:
        raise EngineError("An entity in transit has a field that is no number.") from error


def _move(population: Population, raw: dict[str, Column], steps: int, now: int) -> None:
    """Turn a course's age into a step of this world's clock, `steps` further on."""
    course = population.spec.course
    if course is None:
        return
    age = raw["course.step0"] + steps
    raw["course.step0"] = now - age
    way = [
        ("x", raw["course.x0"] + travelled(course, raw["vx"], age)),
        ("y", raw["course.y0"] + travelled(course, raw["vy"], age)),
    ]
    for name, there in way:
        scale = population.spec.field(name).sim
        assert scale is not None, "Courses are numbers."
        raw[name] = there.clip(scale.least, scale.most)
    if any((raw[name] != there).any() for name, there in way):  # it would have left the world
        raw |= {"course.x0": raw["x"], "course.y0": raw["y"]}
        raw["course.step0"] = np.array([now], np.int64)
