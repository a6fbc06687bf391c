"""What a game's classes amount to: specifications of kinds, courses, inputs and events.

Invariants: a specification that exists is sound; `sim.declare` checks before it makes one.

It must not know games' handlers, tables or worlds.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import attrs

from sim.fields import Audience, FieldSpec
from sim.headings import Headings
from sim.motion import State

COURSE_FIELDS: Final = ("x", "y", "vx", "vy")


class Motion(Protocol):
    """What a motion model must offer; `sim.motion` has the built-in ones."""

    def state(self) -> tuple[State, ...]:
        """The columns that it adds to a kind."""

    def parameters(self, hz: float, size: tuple[float, float], speed_step: float) -> dict[str, Any]:
        """Plain data for `motion.step_columns` and the schema."""


class Entity:
    """A base for kinds that gives their rows' `id` a type. Kinds work without it, too."""

    __slots__ = ()
    id: int


@attrs.frozen
class CourseSpec:
    """How x, y follow vx, vy: p = p0 + floor(v * age * num / den + 1/2), in integers.

    `step` and `speed_step` are the units of positions and speeds; num / den is reduced. With
    `headings`, velocities follow from a field.
    """

    step: float
    speed_step: float
    num: int
    den: int
    speed_type: str
    headings: Headings | None = None


@attrs.frozen
class KindSpec:
    """A kind of entity. `fields` are all columns: declared ones in order, then the motion's."""

    index: int
    name: str
    cls: type
    declared: tuple[str, ...]
    fields: tuple[FieldSpec, ...]
    motion: Motion | None
    parameters: dict[str, Any] | None
    course: CourseSpec | None
    ghost_fields: tuple[str, ...]

    def field(self, name: str) -> FieldSpec:
        """The field of this name; KeyError if there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @property
    def public(self) -> tuple[FieldSpec, ...]:
        """What everybody receives beside the course, in order."""
        return tuple(
            field
            for field in self.fields
            if field.audience is Audience.PUBLIC and not self.in_course(field.name)
        )

    @property
    def private(self) -> tuple[FieldSpec, ...]:
        """What the owner receives at the sim step, in order."""
        return tuple(
            field
            for field in self.fields
            if (field.audience is Audience.OWNER or field.predicted)
            and not self.in_course(field.name)
        )

    def why_fixed(self, name: str) -> str | None:
        """Why a game cannot set this field; None if it can."""
        headings = None if self.course is None else self.course.headings
        if headings is None or name not in ("vx", "vy"):
            return None
        return f"{self.name}.{name} follows {self.name}.{headings.field.name}: set that instead."

    def in_course(self, name: str) -> bool:
        """Whether a field travels as a part of the course."""
        return self.course is not None and name in COURSE_FIELDS


@attrs.frozen
class MessageSpec:
    """An input or an event: a class with fields, numbered in the order of declaration."""

    index: int
    cls: type
    fields: tuple[FieldSpec, ...]
    flag: bool  # once for inputs, durable for events
    _readers: tuple[Callable[[Any], Any], ...] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_readers", tuple(field.reader() for field in self.fields))

    @property
    def name(self) -> str:
        """The class's name, which is the name on the wire."""
        return self.cls.__name__

    def encode(self, message: object) -> tuple[int | str, ...]:
        """The fields as they are sent. Raises ValueError or TypeError for what is no such value."""
        return tuple(self._encode(message, field) for field in self.fields)

    def _encode(self, message: object, field: FieldSpec) -> int | str:
        value = getattr(message, field.name)
        try:
            return field.encode(value)
        except (TypeError, ValueError) as error:
            error.add_note(f"This was {self.name}.{field.name}, {value!r}.")
            raise

    def decode(self, values: Sequence[Any]) -> Any:
        """An instance of the class from what was sent."""
        return self.cls(*[read(sent) for read, sent in zip(self._readers, values, strict=True)])
