"""What a field of an entity, input or event can be, and how its numbers become integers.

What it is: the markers that a game writes into `Annotated` (`quant`, `text`, `ident`, `owner_only`,
`server_only`, `predicted`), and `FieldSpec`, which is a field read from them.

Invariants: rounding is floor(value / step + 1/2) everywhere. `Scale.ints` of `Scale.values` gives
the integers back, for every integer in range: snapping twice is snapping once.

It must not know kinds, games or tables.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, Final, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from sim import limits
from sim.errors import DeclarationError

Column: TypeAlias = npt.NDArray[Any]
Ints: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = Ints | slice  # some rows of a kind, or all of them


@attrs.frozen
class Quant:
    """A number from `lo` to `hi` in wire steps of `step` and, on the server, `sim_step`."""

    lo: float
    hi: float
    step: float
    sim_step: float | None


@attrs.frozen
class Text:
    """A short text of at most `size` bytes of UTF-8."""

    size: int


class Marker(Enum):
    """Who may see a field, and other facts that need no numbers."""

    IDENT = "ident"
    OWNER_ONLY = "owner_only"
    SERVER_ONLY = "server_only"
    PREDICTED = "predicted"


ident: Final = Marker.IDENT  # the id of an entity, 0 for none
owner_only: Final = Marker.OWNER_ONLY  # sent to the player whose entity it is, at the sim step
server_only: Final = Marker.SERVER_ONLY  # never sent
predicted: Final = Marker.PREDICTED  # sent to its owner at the sim step too, who predicts it


def quant(lo: float, hi: float, step: float, sim_step: float | None = None) -> Quant:
    """A number from `lo` to `hi`, sent in steps of `step`.

    At the end of each simulation step it is rounded to `sim_step`: 1/256 of `step` if not given,
    or `step` itself for a field of integers. Raises DeclarationError on nonsense.
    """
    if not (abs(lo) <= 2**48 and abs(hi) <= 2**48 and lo < hi):
        raise DeclarationError(f"quant({lo}, {hi}, {step}): lo must be below hi, both finite.")
    if not 0 < step <= hi - lo:
        raise DeclarationError(f"quant({lo}, {hi}, {step}): the step must be above 0, within it.")
    if round((hi - lo) / step) > limits.FIELD_STEPS_MAX:
        raise DeclarationError(f"quant({lo}, {hi}, {step}) has more steps than 32 bits can count.")
    if max(abs(lo), abs(hi)) / (sim_step or step / 256) > 2**50:
        raise DeclarationError(f"quant({lo}, {hi}, {step}) is finer than a double can hold.")
    if sim_step is not None:
        ratio = step / sim_step if sim_step > 0 else 0.0
        if ratio < 1 or abs(ratio - round(ratio)) > 1e-9:
            raise DeclarationError(
                f"quant({lo}, {hi}, {step}, sim_step={sim_step}): the step must be a whole "
                "multiple of sim_step."
            )
    return Quant(float(lo), float(hi), float(step), None if sim_step is None else float(sim_step))


def text(size: int) -> Text:
    """A text of at most `size` bytes of UTF-8; longer ones are cut between characters."""
    if not 1 <= size <= limits.TEXT_BYTES_MAX:
        raise DeclarationError(f"text({size}): a text has 1 to {limits.TEXT_BYTES_MAX} bytes.")
    return Text(size)


class Audience(Enum):
    """Who receives a field."""

    PUBLIC = "public"
    OWNER = "owner"
    SERVER = "server"


@attrs.frozen
class Scale:
    """Numbers as integers: value = lo + step * k, with k from `least` to `most`."""

    lo: float
    step: float
    least: int
    most: int

    @classmethod
    def of(cls, lo: float, hi: float, step: float) -> "Scale":
        """The scale that counts from `lo`."""
        return cls(lo, step, 0, round((hi - lo) / step))

    def ints(self, values: Column) -> Ints:
        """The nearest integers, halves upwards, clipped to the range. `values` are finite."""
        scaled = np.subtract(values, self.lo, dtype=np.float64)
        scaled /= self.step
        scaled += 0.5
        np.floor(scaled, out=scaled)
        np.maximum(scaled, self.least, out=scaled)  # np.clip costs ten times as much for few rows
        np.minimum(scaled, self.most, out=scaled)
        return scaled.astype(np.int64)

    def values(self, ints: Ints) -> npt.NDArray[np.float64]:
        """What the integers mean."""
        values: npt.NDArray[np.float64] = ints.astype(np.float64)
        values *= self.step  # numpy multiplies floats by floats in half the time of ints by floats
        if self.lo:
            values += self.lo
        return values

    @property
    def plain(self) -> bool:
        """Whether integers mean themselves."""
        return self.lo == 0.0 and self.step == 1.0

    def int_of(self, value: float) -> int:
        """One number's integer; a number that is not finite raises ValueError."""
        if not abs(value) < float("inf"):
            raise ValueError(f"{value} is not a finite number")
        return int(self.ints(np.array([value], np.float64))[0])

    def value_of(self, whole: int) -> float:
        """One integer's meaning."""
        return whole * self.step + self.lo

    @property
    def unsigned(self) -> str:
        """The smallest unsigned type, as the schema names it."""
        return "u8" if self.most < 1 << 8 else "u16" if self.most < 1 << 16 else "u32"


_DTYPES: Final[dict[type, str]] = {float: "f8", int: "i8", bool: "?"}
_UNSIGNED: Final = {"u8": "u1", "u16": "u2", "u32": "u4", "u64": "u8"}


@attrs.frozen
class FieldSpec:
    """One field. `sim` and `wire` are None for texts and ids; `wire` for what has no wire step."""

    name: str
    python: type
    audience: Audience
    predicted: bool
    sim: Scale | None
    wire: Scale | None
    size: int = 0  # bytes of a text, 0 for everything else
    axis: int | None = None  # 0, 1: x, y of a kind without courses

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the column that a game sees."""
        if self.size:
            return np.dtype(f"S{self.size}")
        return np.dtype("u8") if self.sim is None else np.dtype(_DTYPES[self.python])

    @property
    def wire_type(self) -> str:
        """The schema's name of what is sent."""
        if self.size:
            return f"text:{self.size}"
        return "u64" if self.wire is None else self.wire.unsigned

    @property
    def wire_dtype(self) -> np.dtype[Any]:
        """The array type of what is sent."""
        return self.dtype if self.size else np.dtype(_UNSIGNED[self.wire_type])

    def encode(self, value: Any) -> int | str:
        """One value as it is sent in inputs and events."""
        if self.size:
            return fit_text(value, self.size).decode()
        return int(value) if self.wire is None else self.wire.int_of(value)

    def reader(self) -> Callable[[Any], Any]:
        """The function that makes what `encode` gave the game's own type."""
        if self.wire is None:
            return lambda sent: sent
        lo, step, python = self.wire.lo, self.wire.step, self.python
        if python is float:
            return lambda sent: sent * step + lo
        return lambda sent: python(sent * step + lo)


def read_only(column: Column) -> Column:
    """A view that cannot be written through."""
    view = column.view()
    view.flags.writeable = False
    return view


def fit_text(value: str | bytes, size: int) -> bytes:
    """UTF-8 of at most `size` bytes, cut between characters, without trailing zeros."""
    data = value.encode(errors="replace") if isinstance(value, str) else value
    return data[:size].decode(errors="ignore").rstrip("\0").encode()
