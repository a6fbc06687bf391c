"""Reading a game's classes: an attrs class with `Annotated` fields becomes a specification.

What it is: the readers of kinds of entities, of inputs and of events.

Invariants: whatever is wrong is said here, at the class, with its name and the field's.

It must not know games' handlers, tables or worlds.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import attrs

from sim import limits
from sim.declare_motion import check_speed, in_course, read_course, read_headings, state_field
from sim.errors import DeclarationError
from sim.fields import Audience, FieldSpec, Marker, Quant, Scale, Text
from sim.motion import Heading
from sim.specs import COURSE_FIELDS, KindSpec, MessageSpec, Motion

_RESERVED: Final = frozenset({"id", "row", "rows", "destroy", "owned"})


def read_kind(
    cls: type,
    *,
    index: int,
    motion: Motion | None,
    ghost_fields: Sequence[str],
    hz: float,
    size: tuple[float, float],
) -> KindSpec:
    """The specification of a kind of entity. Raises DeclarationError."""
    fields = read_fields(cls)
    names = tuple(field.name for field in fields)
    bad = sorted(_RESERVED & set(names)) + [name for name in names if name.startswith("_")]
    if bad:
        raise DeclarationError(f"{cls.__name__}.{bad[0]}: this name belongs to the engine.")
    if not {"x", "y"} <= set(names):
        raise DeclarationError(f"{cls.__name__} needs fields x and y: the world is a plane.")
    course, parameters = None, None
    if motion is None:
        fields = [_placed(field) for field in fields]
    else:
        course = read_course(cls, fields, hz, size)
        parameters = motion.parameters(hz, size, course.speed_step)
        check_speed(cls, fields, parameters)
        fields = [in_course(field, course, size) for field in fields]
        if isinstance(motion, Heading):
            headings = read_headings(cls, fields, motion, course.speed_step)
            course = attrs.evolve(course, headings=headings)
        fields += [state_field(cls, names, state) for state in motion.state()]
    if len(fields) > limits.FIELDS_MAX:
        raise DeclarationError(f"{cls.__name__} has more than {limits.FIELDS_MAX} fields.")
    spec = KindSpec(index, cls.__name__, cls, names, tuple(fields), motion, parameters, course, ())
    return attrs.evolve(spec, ghost_fields=_ghost_fields(spec, ghost_fields))


def read_message(cls: type, *, index: int, flag: bool) -> MessageSpec:
    """The specification of an input or an event. Raises DeclarationError."""
    fields = read_fields(cls)
    for field in fields:
        if field.audience is not Audience.PUBLIC or field.predicted:
            raise DeclarationError(
                f"{cls.__name__}.{field.name}: the fields of inputs and events are sent to whom "
                "they concern; owner_only, server_only and predicted are for entities."
            )
    return MessageSpec(index, cls, tuple(fields), flag)


def read_fields(cls: type) -> list[FieldSpec]:
    """The fields of an attrs class, in order. Raises DeclarationError."""
    if not attrs.has(cls):
        name = getattr(cls, "__name__", cls)
        raise DeclarationError(f"{name} must be an attrs class: put @attrs.define above it.")
    try:
        hints = get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise DeclarationError(
            f"{cls.__name__}: an annotation names something that does not exist here: {error}"
        ) from error
    return [
        _read_field(f"{cls.__name__}.{attribute.name}", attribute.name, hints[attribute.name])
        for attribute in attrs.fields(cls)
    ]


def _read_field(where: str, name: str, hint: Any) -> FieldSpec:
    base, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    markers = {note for note in notes if isinstance(note, Marker)}
    quants = [note for note in notes if isinstance(note, Quant)]
    texts = [note for note in notes if isinstance(note, Text)]
    if len(quants) + len(texts) + (Marker.IDENT in markers) > 1:
        raise DeclarationError(f"{where}: more than one of quant, text and ident.")
    audience = _audience(where, markers)
    is_predicted = Marker.PREDICTED in markers
    if base is str and texts:
        if audience is Audience.OWNER or is_predicted:
            raise DeclarationError(f"{where}: a text is sent to everybody or to nobody.")
        return FieldSpec(name, str, audience, is_predicted, None, None, size=texts[0].size)
    if base is int and Marker.IDENT in markers:
        return FieldSpec(name, int, audience, is_predicted, None, None)
    if base is bool and not quants:
        quants = [Quant(0.0, 1.0, 1.0, None)]
    if base in (float, int, bool) and quants:
        sim, wire = _scales(where, base, quants[0], audience, is_predicted=is_predicted)
        return FieldSpec(name, base, audience, is_predicted, sim, wire)
    if base in (float, int) and audience is Audience.SERVER:
        step = limits.SERVER_STEP if base is float else 1.0
        most = limits.SERVER_STEPS_MAX
        return FieldSpec(name, base, audience, is_predicted, Scale(0.0, step, -most, most), None)
    raise DeclarationError(
        f"{where}: {hint!r} does not say how it is sent. Write Annotated[float, quant(lo, hi, "
        "step)] (or int), Annotated[str, text(bytes)], Annotated[int, ident], bool, or "
        "Annotated[float, server_only]."
    )


def _audience(where: str, markers: set[Marker]) -> Audience:
    if {Marker.OWNER_ONLY, Marker.SERVER_ONLY} <= markers:
        raise DeclarationError(f"{where} is both owner_only and server_only.")
    if {Marker.PREDICTED, Marker.SERVER_ONLY} <= markers:
        raise DeclarationError(f"{where}: who predicts a field must receive it.")
    if Marker.SERVER_ONLY in markers:
        return Audience.SERVER
    return Audience.OWNER if Marker.OWNER_ONLY in markers else Audience.PUBLIC


def _scales(
    where: str, base: type, given: Quant, audience: Audience, *, is_predicted: bool
) -> tuple[Scale, Scale]:
    fine = given.sim_step or (given.step / 256 if base is float else given.step)
    if base is not float and not (given.lo.is_integer() and fine.is_integer()):
        raise DeclarationError(f"{where}: a field of {base.__name__} needs whole lo and steps.")
    sim = Scale.of(given.lo, given.hi, fine)
    if (audience is Audience.OWNER or is_predicted) and sim.most > limits.FIELD_STEPS_MAX:
        raise DeclarationError(
            f"{where} is sent to its owner in steps of {fine}: more than 32 bits can count; "
            "give a larger sim_step."
        )
    return sim, Scale.of(given.lo, given.hi, given.step)


def _placed(field: FieldSpec) -> FieldSpec:
    """Mark x and y of a kind without courses."""
    if field.name not in ("x", "y"):
        return field
    return attrs.evolve(field, axis=0 if field.name == "x" else 1)


def _ghost_fields(spec: KindSpec, wanted: Sequence[str]) -> tuple[str, ...]:
    """The position, the speed of a course, and what the game asks for."""
    always = COURSE_FIELDS if spec.course is not None else ("x", "y")
    public = {field.name for field in spec.public}
    for name in wanted:
        if name not in public and name not in always:
            raise DeclarationError(
                f"{spec.name}: ghost_fields names {name!r}, which is no public field of it."
            )
    return (*always, *(name for name in wanted if name not in always))
