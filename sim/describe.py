"""The schema of a game as plain data: what the wire carries, and what its hash covers.

Invariants: dicts, lists, strings, numbers and None only, the same for the same declarations. The
protocol reads this data; neither package imports the other.

It must not know worlds.
"""

import hashlib
from typing import TYPE_CHECKING, Any, Final

import cbor2

from sim.fields import FieldSpec
from sim.specs import CourseSpec, KindSpec, MessageSpec

if TYPE_CHECKING:
    from sim.game import Game

# Raised when the engine's arithmetic or order of events changes, so that old journals are refused.
ENGINE_VERSION: Final = 1


def describe(game: "Game") -> dict[str, Any]:
    """The schema of a game, with its hash."""
    return _described(game) | {"hash": hash_of(game)}


def hash_of(game: "Game") -> str:
    """16 hex digits of the schema, the engine's version and the author's."""
    data = [_described(game), ENGINE_VERSION, game.version]
    return hashlib.sha256(cbor2.dumps(data, canonical=True)).hexdigest()[:16]


def _described(game: "Game") -> dict[str, Any]:
    rules = game.rules
    return {
        "game": game.name,
        "hz": game.hz,
        "size": list(game.size),
        "cell": game.cell,
        "interest": list(game.radii),
        "jump": game.jump,
        **({"rings": list(game.rings)} if game.rings else {}),
        "kinds": [_kind(spec) for spec in rules.kinds],
        "inputs": [_message(spec, "once") for spec in rules.inputs],
        "events": [_message(spec, "durable") for spec in rules.events],
    }


def _kind(spec: KindSpec) -> dict[str, Any]:
    modelled = spec.parameters is not None and spec.parameters["model"] != "free"
    return {
        "name": spec.name,
        "fields": [_field(field) | {"axis": field.axis} for field in spec.public],
        "course": None if spec.course is None else _course(spec, spec.course),
        "private": [_private(field) for field in spec.private],
        "motion": spec.parameters if modelled else None,
    }


def _course(spec: KindSpec, course: CourseSpec) -> dict[str, Any]:
    described = {
        "step": course.step,
        "speed_step": course.speed_step,
        "num": course.num,
        "den": course.den,
        "speed_type": course.speed_type,
    }
    headings = course.headings
    if headings is None:
        return described
    index = [field.name for field in spec.public].index(headings.field.name)
    tables = {"field": index, "vx": headings.vx.tolist(), "vy": headings.vy.tolist()}
    return described | {"heading": tables}


def _message(spec: MessageSpec, flag: str) -> dict[str, Any]:
    return {"name": spec.name, flag: spec.flag, "fields": [_field(field) for field in spec.fields]}


def _field(field: FieldSpec) -> dict[str, Any]:
    lo, step = (0.0, 1.0) if field.wire is None else (field.wire.lo, field.wire.step)
    return {"name": field.name, "type": field.wire_type, "lo": lo, "step": step}


def _private(field: FieldSpec) -> dict[str, Any]:
    if field.sim is None:
        return {"name": field.name, "type": "u64", "lo": 0.0, "step": 1.0}
    scale = field.sim
    return {"name": field.name, "type": scale.unsigned, "lo": scale.lo, "step": scale.step}
