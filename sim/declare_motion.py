"""Reading what a motion asks of a kind: the course that x, y follow, and the motion's own columns.

It must not know how the other fields of a class are read.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import attrs
import numpy as np

from sim import limits
from sim.errors import DeclarationError
from sim.fields import Audience, FieldSpec, Scale
from sim.headings import Headings, circle
from sim.motion import Heading, State
from sim.specs import COURSE_FIELDS, CourseSpec


def read_course(
    cls: type, fields: Sequence[FieldSpec], hz: float, size: tuple[float, float]
) -> CourseSpec:
    """The course of a kind with a motion. Raises DeclarationError."""
    by_name = {field.name: field for field in fields}
    for name in COURSE_FIELDS:
        field = by_name.get(name)
        if field is None or field.python is not float or field.wire is None:
            raise DeclarationError(f"{cls.__name__} has a motion: it needs {name}, quant floats.")
        if field.audience is not Audience.PUBLIC:
            raise DeclarationError(f"{cls.__name__}.{name}: everybody sees where a course leads.")
    steps = {name: _sim(by_name[name]).step for name in COURSE_FIELDS}
    if steps["x"] != steps["y"] or steps["vx"] != steps["vy"]:
        raise DeclarationError(f"{cls.__name__}: x and y, vx and vy must have the same steps.")
    step, speed_step = steps["x"], steps["vx"]
    fraction = _rational(speed_step) / (_rational(hz) * _rational(step))
    fastest = max(_bound(_sim(by_name[name])) for name in ("vx", "vy"))
    if max(size) / step > limits.POSITION_MAX or fastest > limits.POSITION_MAX:
        raise DeclarationError(f"{cls.__name__}: steps too fine for 32 bits; give a sim_step.")
    if fastest * limits.COURSE_AGE_WIRE_MAX * fraction.numerator > limits.COURSE_PRODUCT_MAX:
        raise DeclarationError(
            f"{cls.__name__}: the steps of position ({step}) and speed ({speed_step}) at {hz} Hz "
            "have no simple ratio; choose powers of two."
        )
    speed_type = "i16" if fastest < 1 << 15 else "i32"
    return CourseSpec(step, speed_step, fraction.numerator, fraction.denominator, speed_type)


def _sim(field: FieldSpec) -> Scale:
    assert field.sim is not None, "A number has a scale."
    return field.sim


def _bound(scale: Scale) -> int:
    """The largest integer of a speed, which counts from 0."""
    lowest = scale.lo / scale.step
    return int(np.ceil(max(abs(lowest), abs(lowest + scale.most))))


def _rational(step: float) -> Fraction:
    """A step as its author meant it: 0.05 is a twentieth."""
    exact = Fraction(step)
    return exact if exact.denominator <= 1 << 30 else exact.limit_denominator(10**9)


def check_speed(cls: type, fields: Sequence[FieldSpec], parameters: dict[str, Any]) -> None:
    """Refuse a motion that is faster than its kind's fields can say."""
    fastest = parameters.get("max_speed", 0.0) * max(1.0, parameters.get("dash_factor", 0.0))
    for field in fields:
        if field.name in ("vx", "vy") and fastest > _reach(_sim(field)):
            raise DeclarationError(_too_fast(cls, field.name, _sim(field), fastest))


def _reach(scale: Scale) -> float:
    """How fast a speed can be in both directions."""
    return min(-scale.value_of(scale.least), scale.value_of(scale.most))


def _too_fast(cls: type, name: str, scale: Scale, speed: float) -> str:
    return (
        f"{cls.__name__}.{name} reaches {_reach(scale)} either way, but its motion makes it "
        f"{speed}; widen the field."
    )


def read_headings(
    cls: type, fields: Sequence[FieldSpec], motion: Heading, speed_step: float
) -> Headings:
    """The tables of a kind that moves by its heading. Raises DeclarationError.

    `fields` are as `in_course` gives them.
    """
    where = f"{cls.__name__}.{motion.field}"
    field = next((field for field in fields if field.name == motion.field), None)
    if field is None:
        raise DeclarationError(f"{where}: the motion follows this field, which is not there.")
    if field.audience is not Audience.PUBLIC:
        raise DeclarationError(f"{where}: everybody sees where a course leads, so its heading too.")
    if field.python is not float or field.wire is None or field.name in COURSE_FIELDS:
        raise DeclarationError(f"{where}: a heading is a quant float, beside x, y, vx, vy.")
    if field.wire_type != "u8":
        raise DeclarationError(
            f"{where} has {field.wire.most + 1} wire steps: a heading is one byte, at most 256."
        )
    if not speed_step / 2 <= motion.speed < float("inf"):
        raise DeclarationError(
            f"{cls.__name__}: a heading's speed is above 0, finite, and at least half a step of "
            f"vx, vy, which is {speed_step}; it is {motion.speed}."
        )
    tables = circle(motion.speed, speed_step, field.wire.most + 1, still=motion.still)
    for name, table in zip(("vx", "vy"), tables, strict=True):
        scale = next(_sim(field) for field in fields if field.name == name)
        if table.min() < scale.least or table.max() > scale.most:
            raise DeclarationError(_too_fast(cls, name, scale, motion.speed))
    return Headings(field, *tables)


def in_course(field: FieldSpec, course: CourseSpec, size: tuple[float, float]) -> FieldSpec:
    """Positions and speeds of courses are signed and count from 0."""
    if field.name not in COURSE_FIELDS:
        return field
    scale = _sim(field)
    low, high = scale.lo, scale.lo + scale.most * scale.step
    if field.name in ("x", "y"):
        side = size[0] if field.name == "x" else size[1]
        if low > 0 or high + course.step < side:
            raise DeclarationError(
                f"the field {field.name} reaches from {low} to {high}, the world from 0 to {side}."
            )
        low, high = 0.0, side
    least, most = int(np.ceil(low / scale.step)), int(np.floor(high / scale.step))
    return attrs.evolve(field, sim=Scale(0.0, scale.step, least, most), wire=None)


def state_field(cls: type, names: Sequence[str], state: State) -> FieldSpec:
    """A column that the motion adds, private to the owner."""
    if state.name in names:
        raise DeclarationError(f"{cls.__name__}.{state.name}: the motion has a column so named.")
    scale = Scale.of(state.low, state.high, state.step)
    return FieldSpec(state.name, float, Audience.OWNER, False, scale, None)  # noqa: FBT003
