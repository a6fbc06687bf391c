"""All entities of one kind in one world: columns, integers, courses and where each id stands.

What it is: the engine's side of a table. Each number has a column of values, which the game sees
and changes, and one of integers (`int.<name>`), which is what was true at the end of the last step:
checksums, handoffs and checkpoints speak integers alone. Kinds with a motion have their course
beside it, and `steady`: whose motion need not be asked (see `sim.courses`); kinds that move by a
heading have the wire integer of the one that their course has. `handle` belongs to the server's
replication and rides along with the rows.

Invariants: between steps `int.<name>` and `<name>` say the same. A column that the game may have
changed since is in `dirty`; everything else need not be looked at, and of it only the rows that say
something else than their integers.

It must not know worlds, sessions, or in which order things happen.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from sim.errors import EngineError
from sim.fields import Column, FieldSpec, Ints, Rows, fit_text, read_only
from sim.specs import KindSpec
from sim.store import Store

INTEGERS: Final = "int."
COURSE_STARTS: Final = ("course.x0", "course.y0", "course.step0")
STEADY: Final = "steady"
HEADING: Final = "course.heading"


class Population:
    """The rows of one kind. `unchecked` are columns that the running rule had in its hands."""

    def __init__(self, spec: KindSpec) -> None:
        self.spec = spec
        self.store = Store()
        self.place: dict[int, int] = {}
        self.dirty: set[str] = set()
        self.unchecked: set[str] = set()
        self.wire: dict[str, Column] = {}  # what `export` has made and nobody has touched since
        self.names = frozenset(field.name for field in spec.fields)
        self.numbers = tuple(field for field in spec.fields if field.sim is not None)
        self.plain = tuple(field for field in spec.fields if field.sim is None)
        self.store.add("id", np.dtype(np.uint64))
        self.store.add("handle", np.dtype(np.int64))
        for field in spec.fields:
            self.store.add(field.name, field.dtype)
        for field in self.numbers:
            self.store.add(INTEGERS + field.name, np.dtype(np.int64))
        if spec.course is not None:
            for name in COURSE_STARTS:
                self.store.add(name, np.dtype(np.int64))
            self.store.add(STEADY, np.dtype(np.bool_))
            if spec.course.headings is not None:
                self.store.add(HEADING, np.dtype(np.uint8))

    def __len__(self) -> int:
        return self.store.count

    def column(self, name: str) -> Column:
        """A column as the game sees it, for the engine's own use."""
        return self.store.views[name]

    def integers(self, name: str) -> Ints:
        """A number's integers at the end of the last step."""
        return self.store.views[INTEGERS + name]

    def lend(self, name: str) -> Column:
        """A column for the game, which may change it in place unless it is fixed."""
        column = self.store.views[name]
        if self.spec.why_fixed(name) is not None:
            return read_only(column)
        self.dirty.add(name)
        self.unchecked.add(name)
        return column

    # --- entities come and go --------------------------------------------------------------------

    def read(self, made: Sequence[object], step: int) -> dict[str, Column]:
        """Raw columns of new instances of the kind; their courses begin at `step`.

        Raw columns are integers for numbers, and texts and ids as they are.
        """
        declared = self.spec.declared
        raw = {
            field.name: _raw(
                self.spec,
                field,
                [getattr(each, field.name) if field.name in declared else 0.0 for each in made],
            )
            for field in self.spec.fields
        }
        if self.spec.course is not None:
            raw |= {"course.x0": raw["x"], "course.y0": raw["y"]}
            raw["course.step0"] = np.full(len(made), step, np.int64)
            if self.spec.course.headings is not None:
                raw |= self.spec.course.headings.velocities(raw)
        return raw

    def insert(self, ids: Sequence[int], raw: Mapping[str, Column]) -> None:
        """Append entities; `raw` is as `read` and `raw` give it."""
        doubled = [entity for entity in ids if entity in self.place]
        if doubled:
            raise EngineError(f"{self.spec.name} {doubled[0]} is here already.")
        columns: dict[str, Any] = {"id": np.array(ids, np.uint64), "handle": -1, STEADY: False}
        for field in self.spec.fields:
            given = raw[field.name]
            if field.sim is None:
                columns[field.name] = given
            else:
                columns[INTEGERS + field.name] = given
                columns[field.name] = field.sim.values(np.asarray(given, np.int64))
        if self.spec.course is not None:
            columns |= {name: raw[name] for name in COURSE_STARTS}
            headings = self.spec.course.headings
            if headings is not None:
                columns[HEADING] = headings.of(raw[headings.field.name])
        start = self.store.count
        self.store.append(columns, len(ids))
        self.place.update(zip(ids, range(start, start + len(ids)), strict=True))
        self.wire.clear()

    def raw(self, rows: Ints | slice) -> dict[str, Column]:
        """Copies of what is true of some rows at the end of the last step."""
        views = self.store.views
        columns = {field.name: views[INTEGERS + field.name][rows] for field in self.numbers}
        columns |= {field.name: views[field.name][rows] for field in self.plain}
        if self.spec.course is not None:
            columns |= {name: views[name][rows] for name in COURSE_STARTS}
        return {name: column.copy() for name, column in columns.items()}

    def remove(self, ids: Iterable[int]) -> None:
        """Remove entities, all of which must be here."""
        gone = np.array(sorted(self.place.pop(entity) for entity in ids), np.int64)
        moved = self.store.remove(gone)
        for row, entity in zip(moved.tolist(), self.column("id")[moved].tolist(), strict=True):
            self.place[entity] = row
        self.wire.clear()

    # --- what the game does to columns -----------------------------------------------------------

    def assign(self, name: str, value: Any) -> None:
        """Write a whole column; a clear error for a wrong length or type, or if it is fixed."""
        why = self.spec.why_fixed(name)
        if why is not None:
            raise AttributeError(why)
        column = self.lend(name)
        field = self.spec.field(name)
        given = np.asarray(_texts(field, value) if field.size else value)
        if given.shape not in ((), column.shape):
            raise ValueError(
                f"{self.spec.name}.{name} has {len(column)} rows, not {_shape(given)}; "
                "rows come and go only between handlers and systems."
            )
        whole = given.dtype.kind in "iub" and column.dtype.kind in "iu"
        if not whole and not np.can_cast(given.dtype, column.dtype, "same_kind"):
            raise TypeError(
                f"{self.spec.name}.{name} is of {field.python.__name__}, not of {given.dtype}."
            )
        column[...] = given

    def changed(self, field: FieldSpec) -> Rows:
        """The rows of a number that the game has changed, by their bits: -0.0 is another than 0.0.

        All of them if these are most.
        """
        assert field.sim is not None, "A number has a scale."
        column, known = self.store.views[field.name], self.integers(field.name)
        if column.dtype.kind == "f":
            different = column.view(np.int64) != field.sim.values(known).view(np.int64)
        elif field.sim.plain:
            different = column != known
        else:
            different = column != field.sim.values(known).astype(column.dtype)
        many = 2 * np.count_nonzero(different) > len(column)
        return slice(None) if many else different.nonzero()[0]

    def settle(self, field: FieldSpec) -> tuple[Rows, Ints]:
        """Round what the game has changed of a number; gives the rows, and their new integers."""
        assert field.sim is not None, "A number has a scale."
        rows, column = self.changed(field), self.store.views[field.name]
        integers = field.sim.ints(column[rows])
        column[rows] = field.sim.values(integers)
        return rows, integers

    def first_broken(self) -> str | None:
        """What is no finite number in the columns that the game had; None if all is well."""
        for name in sorted(self.unchecked):
            column = self.store.views[name]
            if column.dtype.kind == "f" and not np.isfinite(column).all():
                row = int(np.flatnonzero(~np.isfinite(column))[0])
                where = f"{self.spec.name}.{name}, row {row} (entity {self.column('id')[row]})"
                return f"{column[row]} in {where}"
        return None


def _raw(spec: KindSpec, field: FieldSpec, values: list[Any]) -> Column:
    if field.size:
        return np.array([fit_text(value, field.size) for value in values], field.dtype)
    if field.sim is None:
        return np.array(values, np.uint64)
    try:
        numbers = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{spec.name}.{field.name} is a number, not {values!r}.") from error
    if not np.isfinite(numbers).all():
        raise ValueError(f"{spec.name}.{field.name} must be a finite number, not {values!r}.")
    return field.sim.ints(numbers)


def _texts(field: FieldSpec, value: Any) -> Any:
    if isinstance(value, str | bytes):
        return fit_text(value, field.size)
    if isinstance(value, np.ndarray) and value.dtype.kind == "S":
        return value
    return [fit_text(each, field.size) for each in value]


def _shape(given: Column) -> str:
    return str(given.shape[0]) if given.ndim == 1 else f"shape {given.shape}"
