"""One entity as a receiver sees it: the integers it was told, in units on demand.

Must not know: how replicas keep what they hold.
"""

from typing import Any

import attrs

from protocol import courses
from protocol.schema import Field, Kind

__all__ = ["Course", "EntityView"]

Course = tuple[int, int, int, int, int]


@attrs.frozen(repr=False)
class EntityView:
    """One entity as a replica has it at one moment.

    `course` is (x0, y0, vx, vy, step0) in integers, or None; `held`: it is between two places, on
    its last course. `x`, `y`, `vx`, `vy` are in units (vx and vy 0 without a course), `fields` in
    their own units by name; each of these can also be read as an attribute.
    """

    id: int
    kind: int
    shard: int
    form: Kind
    wire: tuple[Any, ...]
    course: Course | None
    step: float
    held: bool = False

    @property
    def x(self) -> float:
        """Across, in units."""
        return self._position(0)

    @property
    def y(self) -> float:
        """Down, in units."""
        return self._position(1)

    @property
    def vx(self) -> float:
        """Units per second."""
        return self._velocity(2)

    @property
    def vy(self) -> float:
        """Units per second."""
        return self._velocity(3)

    @property
    def fields(self) -> dict[str, Any]:
        """All public fields by name."""
        pairs = zip(self.form.fields, self.wire, strict=True)
        return {field.name: _in_units(field, value) for field, value in pairs}

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            for field, value in zip(self.form.fields, self.wire, strict=True):
                if field.name == name:
                    return _in_units(field, value)
        raise AttributeError(name)

    def __repr__(self) -> str:
        held = ", held" if self.held else ""
        where = f"({self.x:g}, {self.y:g})"
        return f"<{self.form.name} {self.id} at {where} in shard {self.shard}{held}>"

    def _position(self, axis: int) -> float:
        form = self.form.course
        if self.course is None or form is None:
            for field, value in zip(self.form.fields, self.wire, strict=True):
                if field.axis == axis:
                    return float(_in_units(field, value))
            return 0.0
        start, speed = self.course[axis], self.course[axis + 2]
        age = int(self.step) - self.course[4]
        return courses.evaluate(start, speed, age, form.num, form.den) * form.step

    def _velocity(self, index: int) -> float:
        form = self.form.course
        return 0.0 if self.course is None or form is None else self.course[index] * form.speed_step


def _in_units(field: Field, value: Any) -> Any:
    if field.is_text:
        return bytes(value).rstrip(b"\0").decode("utf-8", "replace")
    if field.type == "u64":
        return value
    return field.lo + value * field.step
