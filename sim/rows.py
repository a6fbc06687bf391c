"""One entity as an object: what input handlers and commands work on.

What it is: `row_class` makes, for one population, a subclass of the game's own class whose fields
are read from and written to the columns. So the methods that a game gives its class work on rows.

Invariants: a row is an id; it stays right while rows are moved about, and says so clearly when its
entity is gone. A number that is not finite is refused when it is written.

It must not know worlds or sessions.
"""

from collections.abc import Callable
from typing import Any, Final

from sim.fields import FieldSpec, fit_text
from sim.population import Population

_INFINITE: Final = float("inf")


def row_class(population: Population) -> Callable[[int], Any]:
    """Gives the row of an id that is in the population."""
    spec = population.spec
    names: dict[str, Any] = {field.name: _property(population, field) for field in spec.fields}
    names |= {
        "__slots__": ("id",),
        "__setattr__": object.__setattr__,  # a frozen class's rows can be written, too
        "__eq__": lambda self, other: type(self) is type(other) and self.id == other.id,
        "__hash__": lambda self: hash(self.id),
        "__repr__": lambda self: f"<{spec.name} {self.id}>",
        "__doc__": f"A row of {spec.name}.",
        "__module__": spec.cls.__module__,
    }
    made = type(spec.cls)(spec.name, (spec.cls,), names)

    def row(entity: int) -> Any:
        new: Any = object.__new__(made)
        object.__setattr__(new, "id", entity)
        return new

    return row


def _property(population: Population, field: FieldSpec) -> property:
    name, place, store, dirty = field.name, population.place, population.store, population.dirty
    read, write = _reader(field), _writer(population.spec.name, field)
    why = population.spec.why_fixed(name)

    def get(self: Any) -> Any:
        row = place.get(self.id)
        if row is None:
            raise LookupError(f"{population.spec.name} {self.id} is gone.")
        return read(store.views[name].item(row))

    def refuse(self: Any, value: Any) -> None:  # noqa: ARG001 - a setter's signature
        raise AttributeError(why)

    def put(self: Any, value: Any) -> None:
        row = place.get(self.id)
        if row is None:
            raise LookupError(f"{population.spec.name} {self.id} is gone.")
        store.views[name][row] = write(value)
        dirty.add(name)

    return property(get, put if why is None else refuse)


def _reader(field: FieldSpec) -> Callable[[Any], Any]:
    return _decoded if field.size else _same


def _writer(kind: str, field: FieldSpec) -> Callable[[Any], Any]:
    if field.size:
        return lambda value: fit_text(value, field.size)
    return _finite(kind, field) if field.python is float else _whole(kind, field)


def _same(value: Any) -> Any:
    return value


def _decoded(value: bytes) -> str:
    return value.decode()


def _whole(kind: str, field: FieldSpec) -> Callable[[Any], int]:
    def write(value: Any) -> int:
        if not abs(value) < _INFINITE or int(value) != value:
            raise ValueError(f"{kind}.{field.name} is of {field.python.__name__}, not {value!r}.")
        return int(value)

    return write


def _finite(kind: str, field: FieldSpec) -> Callable[[Any], Any]:
    def write(value: Any) -> Any:
        if not abs(value) < _INFINITE:
            raise ValueError(f"{kind}.{field.name} must be a finite number, not {value!r}.")
        return value

    return write
