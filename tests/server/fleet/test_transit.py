"""How long entities between two shards are shown by nobody."""

from server.fleet.transit import Transit


def test_a_handoff_without_a_gap_takes_no_time() -> None:
    transit = Transit()
    transit.show(1, 10, {7, 8})
    transit.show(2, 10, set())
    transit.show(2, 11, {7})
    transit.show(1, 11, {7, 8})  # still a guest there
    transit.show(1, 12, {8})
    assert transit.limbo_ticks == [0]


def test_limbo_is_from_the_last_frame_with_it_to_the_first_frame_with_it() -> None:
    transit = Transit()
    transit.show(1, 10, {7})
    transit.show(1, 11, set())
    transit.show(2, 14, {7})
    assert transit.limbo_ticks == [3]
    transit.show(2, 15, set())
    transit.show(1, 15, {7})
    assert transit.limbo_ticks == [3, 0]


def test_the_order_in_which_frames_come_does_not_matter() -> None:
    transit = Transit()
    transit.show(1, 10, {7})
    transit.show(2, 11, {7})
    transit.show(1, 11, set())
    assert transit.limbo_ticks == [0]


def test_who_comes_back_to_its_own_shard_was_in_no_transit() -> None:
    transit = Transit()
    transit.show(1, 10, {7})
    transit.show(1, 11, set())  # a step that was not durable when its owner died
    transit.show(1, 90, {7})
    assert transit.limbo_ticks == []


def test_the_dead_are_forgotten() -> None:
    transit = Transit()
    transit.show(1, 10, {7})
    transit.show(1, 11, set())
    transit.show(1, 2400, set())
    transit.show(2, 2401, {7})
    assert transit.limbo_ticks == [], "it is a new one, wherever it came from"
