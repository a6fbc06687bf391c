"""The wire benchmark takes updates apart without a rest, and its floor is the entropy."""

import pytest

from benchmarks import wire


def test_the_entropy_of_equal_chances_is_their_number_of_bits() -> None:
    assert wire.entropy_bits([5] * 8) == pytest.approx(3.0)
    assert wire.entropy_bits([7, 0]) == pytest.approx(0.0), "what never happens says nothing"
    assert wire.entropy_bits([1, 3]) == pytest.approx(0.811278, abs=1e-6)


@pytest.mark.parametrize("courses", [True, False])
def test_every_byte_of_an_update_is_head_bitmap_or_column(courses: bool) -> None:
    walk = wire.Walk(60, courses=courses)
    for _ in range(20):
        updates = walk.step()
        sections = wire.Sections()
        wire.take_apart(updates, walk.kind, sections)
        parts = (sections.heads, sections.bitmaps.total(), sections.columns.total())
        assert sum(parts) == sum(map(len, updates))
    assert walk.is_copied()


def test_a_ratio_that_misses_its_target_is_named() -> None:
    result = wire.measure(60, 25, courses=True)
    assert not wire.misses(result), "small worlds meet it, too"
    (why,) = wire.misses(result | {"turn_ratio": 2.01})
    assert "turn_ratio is 2.01" in why
    assert wire.misses(result | {"valid": False}), "and so is a copy that differs"


def test_differences_of_positions_are_counted_once() -> None:
    result = wire.measure(60, 25, courses=False)
    assert result["motion_bytes"] == pytest.approx(2.0, abs=0.2), "a byte for x and one for y"
