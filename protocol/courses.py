"""The integer motion of courses, as every receiver evaluates it.

p(step) = p0 + floor((v * age * num) / den + 1/2) with age = step - step0, all in whole numbers, so
that each receiver in any language has exactly what the simulation has. The same formula stands in
`sim`, which may not be imported from here; golden vectors prove that the two agree.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = ["evaluate"]

Whole = TypeVar("Whole", int, npt.NDArray[np.int64])


def evaluate(p0: Whole, v: Whole, age: Whole | int, num: int, den: int) -> Whole:
    """The position after `age` steps at velocity `v` from `p0`; int64 columns or ints."""
    return p0 + (v * age * num + den // 2) // den
