"""Transcendental functions with the same bits on every processor.

What it is: sine, cosine, arc tangent, exponential, logarithm and power for scalars and arrays,
built only from operations that IEEE 754 defines to the last bit: + - * /, square root, floor,
comparison, and moving the exponent (`frexp`, `ldexp`). numpy's own `exp`, `log`, `power` and
`arctan2` pick different code on different processors and differ in the last bits, which would make
a replay diverge.

Invariants: a scalar gives a `float` with the same bits that an array holding it gives. Errors are
below 1e-12 (relative for `exp` and `power`, absolute else) for the ranges named in the docstrings.

It must not know anything of worlds or entities.
"""

from typing import Final, TypeAlias, overload

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

PI: Final = 3.141592653589793
TAU: Final = 2 * PI
_HALF_PI: Final = PI / 2

# pi/2 and ln 2 in pieces whose first parts have trailing zero bits, so that `k * part` is exact for
# the k that occur and the remainder keeps its digits (Cody and Waite's reduction).
_HALF_PI_PARTS: Final = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21)
_LN2_HIGH: Final = 0.6931471803691238
_LN2_LOW: Final = 1.9082149292705877e-10

# Taylor coefficients: on the reduced ranges the first term left out is below 1e-16.
_SIN: Final = tuple(
    (1.0 - 2.0 * (n % 2)) / d
    for n, d in enumerate((1, 6, 120, 5040, 362880, 39916800, 6227020800, 1307674368000))
)
_COS: Final = tuple(
    (1.0 - 2.0 * (n % 2)) / d
    for n, d in enumerate((1, 2, 24, 720, 40320, 3628800, 479001600, 87178291200, 20922789888000))
)
_EXP: Final = tuple(
    1.0 / d
    for d in (
        1,
        1,
        2,
        6,
        24,
        120,
        720,
        5040,
        40320,
        362880,
        3628800,
        39916800,
        479001600,
        6227020800,
    )
)
_ATAN: Final = tuple((1.0 - 2.0 * (n % 2)) / (2 * n + 1) for n in range(12))
_ATANH: Final = tuple(2.0 / (2 * n + 1) for n in range(12))


@overload
def sin(x: float) -> float: ...
@overload
def sin(x: Array) -> Array: ...
def sin(x: float | Array) -> float | Array:
    """Sine of radians, for |x| up to 1e6."""
    return _like(x, _wave(np.asarray(x, np.float64), 0.0))


@overload
def cos(x: float) -> float: ...
@overload
def cos(x: Array) -> Array: ...
def cos(x: float | Array) -> float | Array:
    """Cosine of radians, for |x| up to 1e6."""
    return _like(x, _wave(np.asarray(x, np.float64), 1.0))


@overload
def atan2(y: float, x: float) -> float: ...
@overload
def atan2(y: Array, x: Array) -> Array: ...
def atan2(y: float | Array, x: float | Array) -> float | Array:
    """Angle of the vector (x, y) in radians, -pi to pi; 0 for the zero vector."""
    rise, run = np.broadcast_arrays(np.asarray(y, np.float64), np.asarray(x, np.float64))
    tall, wide = np.abs(rise), np.abs(run)
    large = np.maximum(tall, wide)
    slope = np.minimum(tall, wide) / np.where(large > 0, large, 1.0)
    # Two halvings bring the slope below tan(pi / 16), where twelve terms suffice.
    for _ in range(2):
        slope = slope / (1.0 + np.sqrt(1.0 + slope * slope))
    angle = 4.0 * slope * _polynomial(_ATAN, slope * slope)
    angle = np.where(tall > wide, _HALF_PI - angle, angle)
    angle = np.where(run < 0, PI - angle, angle)
    return _like(y if np.ndim(y) else x, np.where(rise < 0, -angle, angle))


@overload
def exp(x: float) -> float: ...
@overload
def exp(x: Array) -> Array: ...
def exp(x: float | Array) -> float | Array:
    """E to the power of x; 0 below -745 and infinite above 709.78, as usual."""
    exponent = np.clip(np.asarray(x, np.float64), -800.0, 800.0)
    turns = np.floor(exponent / _LN2_HIGH + 0.5)
    rest = exponent - turns * _LN2_HIGH - turns * _LN2_LOW
    with np.errstate(over="ignore", under="ignore"):
        return _like(x, np.ldexp(_polynomial(_EXP, rest), turns.astype(np.int32)))


@overload
def log(x: float) -> float: ...
@overload
def log(x: Array) -> Array: ...
def log(x: float | Array) -> float | Array:
    """Natural logarithm; minus infinity at 0. Raises ValueError below 0."""
    value = np.asarray(x, np.float64)
    if (value < 0).any():
        raise ValueError("The logarithm of a negative number is not real.")
    mantissa, exponent = np.frexp(value)
    small = mantissa < 0.7071067811865476
    mantissa = np.where(small, mantissa * 2.0, mantissa)
    turns = (exponent - small).astype(np.float64)
    slope = (mantissa - 1.0) / (mantissa + 1.0)
    result = turns * _LN2_LOW + slope * _polynomial(_ATANH, slope * slope) + turns * _LN2_HIGH
    return _like(x, np.where(value == 0, -np.inf, result))


@overload
def power(base: float, exponent: float) -> float: ...
@overload
def power(base: Array, exponent: float | Array) -> Array: ...
def power(base: float | Array, exponent: float | Array) -> float | Array:
    """Base to a real exponent; 0 to the power of 0 is 1. Raises ValueError for a base below 0.

    The relative error stays below 1e-12 while the result lies between 1e-300 and 1e300.
    """
    low, high = np.broadcast_arrays(np.asarray(base, np.float64), np.asarray(exponent, np.float64))
    positive = low > 0
    grown = exp(np.atleast_1d(high * log(np.atleast_1d(np.where(positive, low, 1.0)))))
    at_zero = np.where(high == 0, 1.0, np.where(high > 0, 0.0, np.inf))
    if (low < 0).any():
        raise ValueError("A negative base has no real power.")
    return _like(base, np.where(positive, grown.reshape(low.shape), at_zero))


@overload
def length(x: float, y: float) -> float: ...
@overload
def length(x: Array, y: Array) -> Array: ...
def length(x: float | Array, y: float | Array) -> float | Array:
    """Length of the vector (x, y), by the plain root of the sum of squares (no rescaling)."""
    return _like(x, np.sqrt(np.asarray(x, np.float64) * x + np.asarray(y, np.float64) * y))


def _wave(x: Array, quarter: float) -> Array:
    """Sine of x plus `quarter` quarter turns."""
    turns = np.floor(x / _HALF_PI + 0.5)
    first, second, third = _HALF_PI_PARTS
    rest = x - turns * first - turns * second - turns * third
    square = rest * rest
    phase = turns + quarter
    phase = phase - 4.0 * np.floor(phase / 4.0)
    odd = (phase == 1.0) | (phase == 3.0)
    value = np.where(odd, _polynomial(_COS, square), rest * _polynomial(_SIN, square))
    return np.where(phase >= 2.0, -value, value)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """Horner's rule, one rounding after each product and each sum."""
    total: Array = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def _like(given: float | Array, result: Array) -> float | Array:
    """A float for a scalar argument, else the array."""
    return result if np.ndim(given) else float(result)
