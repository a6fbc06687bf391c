"""Chance without state: a number is a function of (seed, step, stream, entity).

What it is: a counter-based generator. There is no sequence to advance, so the numbers do not depend
on how many were drawn before, on the order of rows, or on which shard simulates an entity: after a
handoff it draws what it would have drawn at home. The mixing function is the finaliser of
SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014), applied
once per key part.

Invariants: integers and exact float operations only, so the same bits everywhere. Two draws with
the same salt in one step for one entity are the same number: give each call site its own salt.

It must not know worlds, and is no source of secrets.
"""

from functools import lru_cache
from typing import Final, TypeAlias, TypeVar, overload

import attrs
import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Ids: TypeAlias = npt.NDArray[np.uint64]
Scalar = TypeVar("Scalar", bound=np.generic)

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB


@attrs.frozen
class Rng:
    """The chances of one step of a world with this seed."""

    seed: int
    step: int

    def bits(self, ids: int | Ids, salt: str) -> Ids:
        """64 even bits per id, as an array of the same length (1 for a single id)."""
        key = _mix_int(_mix_int(self.seed + _stream(salt)) + self.step)
        return _mix(np.atleast_1d(np.asarray(ids, np.uint64)) ^ np.uint64(key))

    @overload
    def uniform(self, ids: int, salt: str, low: float = 0.0, high: float = 1.0) -> float: ...
    @overload
    def uniform(self, ids: Ids, salt: str, low: float = 0.0, high: float = 1.0) -> Array: ...
    def uniform(
        self, ids: int | Ids, salt: str, low: float = 0.0, high: float = 1.0
    ) -> float | Array:
        """Floats spread evenly over low (included) to high, from 53 bits."""
        bits = self.bits(ids, salt)
        bits >>= np.uint64(11)
        drawn = bits.astype(np.float64)
        drawn *= 2.0**-53
        if (low, high) != (0.0, 1.0):
            drawn *= high - low
            drawn += low
        return _shaped(ids, drawn)

    @overload
    def normal(self, ids: int, salt: str) -> float: ...
    @overload
    def normal(self, ids: Ids, salt: str) -> Array: ...
    def normal(self, ids: int | Ids, salt: str) -> float | Array:
        """Bell-shaped floats, mean 0, deviation 1, never beyond 3.47: a sum of four even parts."""
        bits = self.bits(ids, salt)
        parts = [(bits >> np.uint64(shift)) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)]
        total = (parts[0] + parts[1] + parts[2] + parts[3]).astype(np.float64)
        # Each part has mean 32767.5; four of them have a deviation of 65536 / sqrt(3).
        return _shaped(ids, (total - 131070.0) / 37837.22728)

    @overload
    def integers(self, ids: int, salt: str, low: int, high: int) -> int: ...
    @overload
    def integers(self, ids: Ids, salt: str, low: int, high: int) -> Integers: ...
    def integers(self, ids: int | Ids, salt: str, low: int, high: int) -> int | Integers:
        """Integers from low (included) to high (excluded); the span is at most 2**32."""
        span = high - low
        if not 0 < span <= 1 << 32:
            raise ValueError(f"Cannot draw integers from {low} up to {high}.")
        scaled = (self.bits(ids, salt) >> np.uint64(32)) * np.uint64(span)
        drawn = (scaled >> np.uint64(32)).astype(np.int64) + low
        return drawn if np.ndim(ids) else int(drawn[0])

    def choice(self, ids: Ids, salt: str, options: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """One of the options for each id, all equally likely."""
        return options[self.integers(ids, salt, 0, len(options))]


def _shaped(ids: int | Ids, drawn: Array) -> float | Array:
    return drawn if np.ndim(ids) else float(drawn[0])


@lru_cache(maxsize=256)
def _stream(salt: str) -> int:
    """A call site's number: FNV-1a of its name, mixed. Python's own hash differs between runs."""
    value = 0xCBF29CE484222325
    for byte in salt.encode():
        value = (value ^ byte) * 0x100000001B3 & _MASK
    return _mix_int(value)


def _mix_int(value: int) -> int:
    value = (value + _GOLDEN) & _MASK
    value = (value ^ (value >> 30)) * _FIRST & _MASK
    value = (value ^ (value >> 27)) * _SECOND & _MASK
    return value ^ (value >> 31)


def _mix(value: Ids) -> Ids:
    """`_mix_int` for arrays; uint64 arithmetic wraps, which is the modulus meant here."""
    value = value + np.uint64(_GOLDEN)
    shifted = value >> np.uint64(30)
    value ^= shifted
    value *= np.uint64(_FIRST)
    value ^= np.right_shift(value, np.uint64(27), out=shifted)
    value *= np.uint64(_SECOND)
    value ^= np.right_shift(value, np.uint64(31), out=shifted)
    return value
