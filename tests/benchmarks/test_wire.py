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
        total = sum(map(len, updates))
        assert sum(parts) == total
        shares = sections.heads / total + sum(sections.shares(total).values())
        assert shares == pytest.approx(1.0, abs=0.01)
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


def test_a_replica_that_missed_a_tick_is_not_valid() -> None:
    walk = wire.Walk(60, courses=True)
    for _ in range(5):
        walk.step()
    assert walk.is_copied()
    walk.replica.apply_frame = lambda _: None
    for _ in range(5):
        walk.step()
    assert not walk.is_copied()


def test_rows_hold_what_changed_and_nobody_else() -> None:
    rows = wire.Rows()
    was = {"x": 3, "y": 4, "heading": 5}
    rows.add(7, was, was, ("x", "y"))
    rows.add(7, was, was | {"heading": 6}, ("x", "y"))
    assert rows == wire.Rows(), "nothing that is told of changed"
    rows.add(7, was, was | {"y": 10}, ("x", "y"))
    assert rows.changed == 1
    assert rows.json == len('{"id":7,"y":10}')
    assert rows.cbor == len(bytes.fromhex("a2 62 6964 07 61 79 0a"))
    assert rows.arrays == len(bytes.fromhex("83 07 03 0a"))


def test_a_crowded_world_has_less_heads() -> None:
    thin, crowded = (wire.measure(60, 10, courses=False, density=density) for density in (10, 60))
    assert crowded["heads_share"] < thin["heads_share"]
