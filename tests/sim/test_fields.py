"""Numbers become integers by floor(value / step + 1/2), and snapping twice is snapping once."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import DeclarationError, quant, text
from sim.fields import Scale, fit_text

scales = st.builds(
    Scale.of,
    lo=st.sampled_from([0.0, -1.0, -128.0, -0.3, 1000.0]),
    hi=st.sampled_from([1001.0, 2048.0, 5000.5]),
    step=st.sampled_from([1.0, 0.25, 1 / 16, 1 / 4096, 0.1, 0.05 / 256, 1 / 100]),
)


@given(scales, st.floats(-3000, 6000))
def test_rounding_is_to_the_nearest_step_and_halves_go_up(scale: Scale, value: float) -> None:
    k = math.floor((value - scale.lo) / scale.step + 0.5)
    assert scale.int_of(value) == min(max(k, scale.least), scale.most)


@given(scales, st.data())
def test_snapping_twice_is_snapping_once(scale: Scale, data: st.DataObject) -> None:
    ints = np.array(data.draw(st.lists(st.integers(0, scale.most), max_size=20)), np.int64)
    again = scale.ints(scale.values(ints))
    assert again.tolist() == ints.tolist(), "A snapped column must stay as it is."


@given(st.integers(-(2**30), 2**30), st.sampled_from([1 / 4096, 1 / 64, 1.0]))
def test_steps_that_are_powers_of_two_are_exact(k: int, step: float) -> None:
    scale = Scale(0.0, step, -(2**31), 2**31)
    assert Fraction(scale.value_of(k)) == Fraction(step) * k
    assert scale.int_of(scale.value_of(k)) == k


def test_halves_go_up_on_both_sides_of_zero() -> None:
    scale = Scale(0.0, 1.0, -10, 10)
    assert scale.ints(np.array([-1.5, -0.5, 0.5, 1.5])).tolist() == [-1, 0, 1, 2]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_has_no_integer(value: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        Scale.of(0, 1, 0.1).int_of(value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((1, 0, 0.1), "lo must be below hi"),
        ((0, math.nan, 0.1), "lo must be below hi"),
        ((0, 1, 0), "above 0"),
        ((0, 1, 2), "within it"),
        ((0, 1e12, 1e-3), "32 bits"),
        ((0, 1, 0.25, 0.1), "whole multiple"),
        ((0, 1, 0.25, -0.25), "whole multiple"),
        ((2**47, 2**47 + 1, 1), "finer than a double"),
    ],
)
def test_a_nonsensical_quant_is_refused(arguments: tuple[float, ...], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        quant(*arguments)


def test_a_text_has_a_reasonable_length() -> None:
    with pytest.raises(DeclarationError, match="1 to 64 bytes"):
        text(0)


@given(st.text(max_size=20), st.integers(1, 12))
def test_texts_are_cut_between_characters(value: str, size: int) -> None:
    fitted = fit_text(value, size)
    assert len(fitted) <= size
    kept = fitted.decode()
    assert value.encode(errors="replace").decode().startswith(kept), "Only the end is cut."
    assert fit_text(kept, size) == fitted
