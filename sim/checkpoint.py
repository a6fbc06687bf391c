"""A world as bytes and back.

What it is: CBOR of the world's numbers, and per kind of every column with the scale of its
integers, so that a checkpoint explains itself.

Invariants: a restored world goes on exactly as the one that was written would have. Handles are
not a part of it: replication begins anew.

It must not know where the bytes are kept.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
import cbor2
import numpy as np

from sim.errors import EngineError
from sim.fields import Column, FieldSpec
from sim.population import COURSE_STARTS, Population

if TYPE_CHECKING:
    from sim.game import Game
    from sim.state import State

_FORMAT: Final = 1


def write_checkpoint(world: "State") -> bytes:
    """Everything that the next steps depend on."""
    roster, players = world.roster, world.players
    return cbor2.dumps(
        {
            "format": _FORMAT,
            "game": world.game.name,
            "hash": world.game.hash,
            "seed": world.seed,
            "maker": roster.maker,
            "bounds": list(world.bounds),
            "tick": world.tick,
            "step": world.step,
            "counter": roster.counter,
            "created": roster.created,
            "destroyed": roster.destroyed,
            "kinds": {each.spec.name: _kind(each) for each in roster.populations},
            "sessions": [
                [session, entity, players.to_data(session, world.tick)]
                for session, entity in players.entity.items()
            ],
            "history": {
                each.spec.name: world.histories[each.spec.index].to_data()
                for each in roster.populations
            },
        }
    )


def _kind(population: Population) -> dict[str, Any]:
    raw = population.raw(slice(None))
    return {
        "ids": _bytes(population.column("id")),
        "numbers": {
            field.name: [field.sim.lo, field.sim.step, _bytes(raw[field.name])]
            for field in population.numbers
            if field.sim is not None
        },
        "plain": {field.name: [field.size, _bytes(raw[field.name])] for field in population.plain},
        "course": {name: _bytes(raw[name]) for name in COURSE_STARTS if name in raw},
    }


def read_checkpoint(world: "State", game: "Game", data: bytes) -> None:
    """Make `world` what it was. Raises EngineError."""
    try:
        given = cbor2.loads(data)
        if given["format"] != _FORMAT:
            raise EngineError(f"A checkpoint of format {given['format']}, not {_FORMAT}.")
        if given["game"] != game.name:
            raise EngineError(f"A checkpoint of {given['game']}, not of {game.name}.")
        world.reset(game, given["seed"], given["maker"], tuple(given["bounds"]))
        _fill(world, given, same=given["hash"] == game.hash)
    except (cbor2.CBORDecodeError, KeyError, TypeError, ValueError) as error:
        raise EngineError("These bytes are not a checkpoint.") from error


def _fill(world: "State", given: Mapping[str, Any], *, same: bool) -> None:
    world.stand_at(given["tick"], given["step"])
    roster = world.roster
    roster.counter = given["counter"]
    roster.created, roster.destroyed = given["created"], given["destroyed"]
    for population in roster.populations:
        kind = given["kinds"].get(population.spec.name)
        if kind is not None:
            ids = np.frombuffer(kind["ids"], "<u8").tolist()
            population.insert(ids, _raw(population, kind, len(ids), world.step))
    for session, entity, held in given["sessions"]:
        world.players.bind(session, entity if roster.find(entity) else 0)
        if same:  # another version's inputs may mean something else
            world.players.load(session, held, world.game.rules.inputs, world.tick)
    for population in roster.populations:
        history = given["history"].get(population.spec.name)
        if history is not None:
            world.histories[population.spec.index].load(history)


def _raw(
    population: Population, kind: Mapping[str, Any], count: int, step: int
) -> dict[str, Column]:
    spec = population.spec
    raw: dict[str, Column] = {
        field.name: _number(field, kind["numbers"].get(field.name), spec.cls, count)
        for field in population.numbers
    }
    raw |= {
        field.name: _plain(field, kind["plain"].get(field.name), count)
        for field in population.plain
    }
    if spec.course is not None:
        raw |= {"course.x0": raw["x"], "course.y0": raw["y"]}
        raw["course.step0"] = np.full(count, step, np.int64)
        same = all(
            _scale(kind["numbers"].get(name)) == _scale_of(spec.field(name))
            for name in ("x", "y", "vx", "vy")
        )
        headings = spec.course.headings
        if headings is not None:
            said = headings.velocities(raw)
            same = same and all((raw[name] == column).all() for name, column in said.items())
            raw |= said
        if same and kind["course"]:
            raw |= {name: np.frombuffer(kind["course"][name], "<i8") for name in COURSE_STARTS}
    return raw


def _number(field: FieldSpec, given: list[Any] | None, cls: type, count: int) -> Column:
    """A column of integers, converted when the field's scale has changed since."""
    assert field.sim is not None, "A number has a scale."
    if given is None:
        return np.full(count, field.sim.int_of(_default(cls, field.name)), np.int64)
    lo, step, data = given
    integers = np.frombuffer(data, "<i8").astype(np.int64)
    if (lo, step) == _scale_of(field):
        return integers.clip(field.sim.least, field.sim.most)
    return field.sim.ints(integers * step + lo)


def _default(cls: type, name: str) -> float:
    attribute = attrs.fields_dict(cls).get(name)
    default = None if attribute is None else attribute.default
    return float(default) if isinstance(default, int | float) else 0.0


def _plain(field: FieldSpec, given: list[Any] | None, count: int) -> Column:
    if given is None or bool(given[0]) != bool(field.size):
        return np.zeros(count, field.dtype)
    return np.frombuffer(given[1], f"S{given[0]}" if given[0] else "<u8").astype(field.dtype)


def _scale(given: list[Any] | None) -> tuple[float, float] | None:
    return None if given is None else (given[0], given[1])


def _scale_of(field: FieldSpec) -> tuple[float, float]:
    assert field.sim is not None, "A number has a scale."
    return field.sim.lo, field.sim.step


def _bytes(column: Column) -> bytes:
    return column.astype(column.dtype.newbyteorder("<"), copy=False).tobytes()
