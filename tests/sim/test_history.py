"""History gives back what a player saw, and nothing that would be unfair."""

import json

import numpy as np
import pytest

from sim.history import History, Positions, Trail


def ids(*values: int) -> np.ndarray:
    return np.array(values, np.uint64)


def moved(*, ticks: int = 5) -> History:
    """Entity 9 swims 10 units a tick to the right, entity 4 rests; rows change places."""
    history = History(ticks, jump=64)
    for tick in range(100, 106):
        step = float(tick - 100)
        if tick % 2:
            history.record(tick, ids(9, 4), np.array([10 * step, 7.0]), np.array([1.0, 2.0]))
        else:
            history.record(tick, ids(4, 9), np.array([7.0, 10 * step]), np.array([2.0, 1.0]))
    return history


@pytest.mark.parametrize(
    ("tick", "x"), [(105, 50), (104, 40), (103.25, 32.5), (101, 10), (99, 10), (200, 50)]
)
def test_a_place_is_interpolated_and_bounded(tick: float, x: float) -> None:
    then = moved().at(tick)
    assert then.ids.tolist() == [4, 9]
    assert then.x.tolist() == [7, x]
    assert then.y.tolist() == [2, 1]


def test_the_ring_is_bounded() -> None:
    assert len(moved()) == 5


def test_nobody_is_taken_back_across_a_jump() -> None:
    history = History(10, jump=64)
    for tick, x in enumerate((0.0, 10.0, 20.0, 500.0, 510.0), start=1):
        history.record(tick, ids(3), np.array([x]), np.array([0.0]))
    assert history.at(4).x.tolist() == [500]
    assert history.at(1).x.tolist() == [500], "The oldest place after the jump is kept."
    assert history.at(4.5).x.tolist() == [505]


def test_nobody_is_taken_back_to_before_they_are_known() -> None:
    history = History(10, jump=64)
    history.record(1, ids(1), np.array([5.0]), np.array([5.0]))
    history.record(2, ids(2, 1), np.array([8.0, 6.0]), np.array([8.0, 6.0]))
    history.record(3, ids(2), np.array([9.0]), np.array([9.0]))
    then = history.at(1)
    assert (then.ids.tolist(), then.x.tolist()) == ([2], [8]), "Who is gone now stays gone."


def test_ticks_that_a_shard_skipped_are_bridged() -> None:
    history = History(10, jump=64)
    history.record(1, ids(1), np.array([0.0]), np.array([0.0]))
    history.record(5, ids(1), np.array([8.0]), np.array([0.0]))
    assert history.at(2).x.tolist() == [2]


def test_a_trail_travels_with_its_entity() -> None:
    source, target = moved(), History(5, jump=64)
    for tick in range(103, 106):
        target.record(tick, ids(77), np.array([1.0]), np.array([1.0]))
    trail = source.trail(9)
    assert trail == Trail((101, 102, 103, 104, 105), (10, 20, 30, 40, 50), (1, 1, 1, 1, 1))
    target.insert([(9, trail), (4, source.trail(4)), (5, Trail((), (), ()))])
    then = target.at(103.5)
    assert (then.ids.tolist(), then.x.tolist()) == ([4, 9, 77], [7, 35, 1])
    target.insert([(9, Trail((104,), (42.0,), (1.0,)))])
    assert target.at(104).x.tolist() == [7, 42, 1], "Who brings its past knows it best."
    assert target.at(103).x.tolist() == [7, 30, 1]
    assert source.trail(1234) == Trail((), (), ())


def test_a_neighbour_says_a_tick_later_where_its_own_really_were() -> None:
    history = moved()
    history.amend(105, Positions(ids(77, 9), np.array([3.0, 48.0]), np.array([5.0, 1.0])))
    then = history.at(105)
    assert (then.ids.tolist(), then.x.tolist(), then.y.tolist()) == (
        [4, 9, 77], [7, 48, 3], [2, 1, 5],
    )  # fmt: skip
    assert history.at(104.5).x.tolist() == [7, 44, 3]
    assert history.trail(9).x == (10, 20, 30, 40, 48)
    copy = History(5, jump=64)
    copy.load(history.to_data())
    assert copy.at(104.5).x.tolist() == [7, 44, 3], "A checkpoint keeps it."


def test_only_the_newest_tick_is_amended() -> None:
    """A shard that skipped ticks is told of a moment that it did not record."""
    history = moved()
    history.amend(106, Positions(ids(9), np.array([0.0]), np.array([0.0])))
    history.amend(104, Positions(ids(9), np.array([0.0]), np.array([0.0])))
    assert history.at(104.5).x.tolist() == [7, 45]


def test_a_history_survives_a_checkpoint() -> None:
    history, copy = moved(), History(5, jump=64)
    data = history.to_data()
    json.dumps([[entry[0], *(column.hex() for column in entry[1:])] for entry in data])
    copy.load(data)
    assert copy.to_data() == data
    assert copy.at(102.5).x.tolist() == history.at(102.5).x.tolist()


def test_an_empty_history_knows_nobody_and_time_goes_forward() -> None:
    assert len(History(3, jump=1).at(7).ids) == 0
    history = moved()
    with pytest.raises(ValueError, match="not after"):
        history.record(105, ids(), np.zeros(0), np.zeros(0))
    history.record(106, ids(1), np.zeros(1), np.zeros(1))
    history.record(107, ids(), np.zeros(0), np.zeros(0))
    assert len(history.at(106).ids) == 0
    with pytest.raises(ValueError, match="at least one"):
        History(0, jump=1)
