"""A shard's steps by tick: what was told, and at what pace it goes on."""

import pytest

from protocol.steps import Steps


def told(ticks):
    """Steps of a shard that stepped at these ticks."""
    steps = Steps()
    for step, tick in enumerate(ticks):
        steps.add(tick, 1000 + step)
    return steps


def test_at_full_speed_a_tick_is_a_step():
    steps = told(range(50, 90))
    assert steps.pace == 1.0
    assert steps.at(95) == 1000 + 45, "what is to come is not at full speed"
    assert steps.tick_at(1020) == 70


def test_snapshots_that_are_missing_are_no_skipped_ticks():
    steps = Steps()
    for tick in (5, 6, 9, 13, 14, 30):
        steps.add(tick, tick + 7)
    assert steps.pace == 1.0
    assert steps.at(11) == 18


def test_a_pattern_is_a_pace_and_a_mishap_is_none():
    mishap = told([*range(100, 110), *range(115, 118)])
    assert mishap.pace == 1.0, "five ticks that were missed once say nothing of the next"
    half = told(range(100, 160, 2))
    assert half.pace == 0.5
    assert half.at(158) == 1029
    assert half.at(161) == 1030.5, "what is to come goes at another pace"
    assert half.at(131) == 1015.5, "what was skipped is between its neighbours"


def test_a_shard_that_catches_its_breath_is_at_full_speed_again():
    steps = told([*range(100, 160, 2), *range(159, 180)])
    assert steps.pace == 1.0


@pytest.mark.parametrize("second", [(400, 1100), (101, 990)])
def test_what_makes_no_sense_does_not_count(second):
    steps = Steps()
    for tick, step in ((100, 1000), second, (second[0] + 1, second[1] + 1)):
        steps.add(tick, step)
    assert steps.pace == 1.0
