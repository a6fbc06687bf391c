"""The functions of `sim.math` agree with the library's, and scalars agree with arrays."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import math as bits

ANGLES = st.floats(-1e6, 1e6)
MODEST = st.floats(-1e4, 1e4)
POSITIVE = st.floats(1e-300, 1e300)


@given(ANGLES)
def test_waves_agree_with_the_library(x: float) -> None:
    assert bits.sin(x) == pytest.approx(math.sin(x), rel=0, abs=1e-12)
    assert bits.cos(x) == pytest.approx(math.cos(x), rel=0, abs=1e-12)


@given(MODEST, MODEST)
def test_angles_agree_with_the_library(y: float, x: float) -> None:
    expected = math.atan2(y + 0.0, x + 0.0)
    if x == 0 and y == 0:
        expected = 0.0
    assert abs(bits.atan2(y, x)) == pytest.approx(abs(expected), rel=0, abs=1e-12)
    if y:
        assert bits.atan2(y, x) == pytest.approx(expected, rel=0, abs=1e-12)
    assert bits.length(x, y) == pytest.approx(math.hypot(x, y), rel=1e-12, abs=1e-150)


@given(st.floats(-700, 700))
def test_exponentials_agree_with_the_library(x: float) -> None:
    assert bits.exp(x) == pytest.approx(math.exp(x), rel=1e-12, abs=0)


@given(POSITIVE)
def test_logarithms_agree_with_the_library(x: float) -> None:
    assert bits.log(x) == pytest.approx(math.log(x), rel=1e-14, abs=1e-12)


@given(st.floats(1e-6, 1e6), st.floats(-20, 20))
def test_powers_agree_with_the_library(base: float, exponent: float) -> None:
    assert bits.power(base, exponent) == pytest.approx(math.pow(base, exponent), rel=1e-12, abs=0)


def test_the_edges_are_what_one_expects() -> None:
    assert bits.exp(-1000.0) == 0
    assert bits.exp(1000.0) == math.inf
    assert bits.exp(0.0) == 1
    assert bits.log(0.0) == -math.inf
    assert bits.log(1.0) == 0
    assert [bits.power(0.0, p) for p in (0.0, 2.0, -1.0)] == [1.0, 0.0, math.inf]
    assert bits.atan2(0.0, -1.0) == math.pi
    assert bits.atan2(-1.0, 0.0) == -math.pi / 2
    with pytest.raises(ValueError, match="negative"):
        bits.log(-1.0)
    with pytest.raises(ValueError, match="negative"):
        bits.power(-1.0, 2.0)


@given(st.lists(st.floats(-600, 600), min_size=1, max_size=40))
def test_a_scalar_has_the_bits_of_its_row(values: list[float]) -> None:
    array = np.array(values)
    back = array[::-1].copy()
    for function in (bits.sin, bits.cos, bits.exp):
        assert function(array).tolist() == [function(v) for v in values]
    assert bits.atan2(array, back).tolist() == [
        bits.atan2(a, b) for a, b in zip(values, back.tolist(), strict=True)
    ]
    assert bits.log(np.abs(array)).tolist() == [bits.log(abs(v)) for v in values]
    assert bits.power(np.abs(array), 1.5).tolist() == [bits.power(abs(v), 1.5) for v in values]


def test_the_bits_are_the_ones_recorded() -> None:
    """A processor that disagrees with these would make replays diverge."""
    recorded = {
        "sin(1)": bits.sin(1.0),
        "cos(1)": bits.cos(1.0),
        "atan2(1,2)": bits.atan2(1.0, 2.0),
        "exp(1)": bits.exp(1.0),
        "log(10)": bits.log(10.0),
        "power(3,2.5)": bits.power(3.0, 2.5),
    }
    assert {name: value.hex() for name, value in recorded.items()} == {
        "sin(1)": "0x1.aed548f090ceep-1",
        "cos(1)": "0x1.14a280fb5068cp-1",
        "atan2(1,2)": "0x1.dac670561bb4fp-2",
        "exp(1)": "0x1.5bf0a8b14576ap+1",
        "log(10)": "0x1.26bb1bbb55516p+1",
        "power(3,2.5)": "0x1.f2d4a45635643p+3",
    }
