"""What somebody who hears every frame can tell of owners."""

from server.fleet.owners import Owners


def reign(owners: Owners, epoch: int, ticks: range, *, began: float, step0: int) -> float:
    """A shard's frames of one epoch, 20 a second from `began` on; when the last one came."""
    now = began
    for number, tick in enumerate(ticks):
        now = began + number / 20
        owners.told(1, epoch, tick, step0 + number, now)
    return now


def test_a_takeover_is_counted_from_the_blow_to_the_first_frame() -> None:
    owners = Owners()
    owners.granted(1, 5, "node-1")
    owners.placed({1: "node-1"})
    reign(owners, 5, range(100, 120), began=10.0, step0=1)
    owners.struck("node-1", 11.0)
    owners.granted(1, 6, "node-2")
    reign(owners, 6, range(180, 190), began=14.5, step0=19)
    numbers = owners.numbers()
    assert (numbers["takeovers"], numbers["migrations"]) == (1, 0)
    assert numbers["takeover_s_p50"] == numbers["takeover_s_max"] == 3.5
    assert numbers["steps_retold"] == 2, "19 and 20 were shown and not durable"
    assert numbers["double_owners"] == 0


def test_a_blow_to_somebody_else_or_before_makes_no_takeover() -> None:
    owners = Owners()
    owners.granted(1, 5, "node-1")
    owners.struck("node-1", 9.0)
    owners.struck("node-2", 10.5)
    owners.placed({1: "node-2"})
    last = reign(owners, 5, range(100, 120), began=10.0, step0=1)
    reign(owners, 6, range(121, 140), began=last + 0.1, step0=21)
    numbers = owners.numbers()
    assert (numbers["takeovers"], numbers["migrations"]) == (0, 1)
    assert numbers["migration_gap_ms_max"] == 100
    assert numbers["steps_retold"] == 0


def test_who_loses_a_shard_that_is_placed_with_it_has_let_its_lease_lapse() -> None:
    owners = Owners()
    owners.granted(1, 5, "node-1")
    owners.placed({1: "node-1"})
    last = reign(owners, 5, range(100, 120), began=10.0, step0=1)
    reign(owners, 6, range(180, 190), began=last + 3, step0=21)
    assert owners.numbers()["leases_lapsed"] == 1


def test_what_follows_from_an_engine_that_is_away_is_told_apart() -> None:
    owners = Owners()
    owners.granted(1, 5, "node-1")
    last = reign(owners, 5, range(100, 120), began=10.0, step0=1)
    owners.engine_away(last)
    owners.engine_back(last + 2)
    reign(owners, 6, range(220, 230), began=last + 5, step0=21)
    numbers = owners.numbers()
    assert numbers["takeovers"] == 0
    assert numbers["takeover_in_engine_outage_s_max"] == 5.0


def test_two_owners_at_once_are_seen() -> None:
    owners = Owners()
    reign(owners, 5, range(100, 120), began=10.0, step0=1)
    reign(owners, 6, range(130, 135), began=12.0, step0=21)
    owners.told(1, 5, 119, 20, 12.5)
    assert not owners.doubles, "a frame that was on its way for long is none"
    owners.told(1, 5, 133, 33, 12.5)
    owners.told(1, 5, 136, 34, 12.6)
    owners.told(1, 6, 136, 30, 12.6)
    assert owners.doubles == {(1, 133), (1, 136)}


def test_the_same_tick_of_two_epochs_is_two_owners_whoever_comes_first() -> None:
    owners = Owners()
    owners.told(1, 6, 140, 7, 1.0)
    owners.told(2, 5, 140, 7, 1.0)
    assert not owners.doubles, "another shard is another matter"
    owners.told(1, 5, 140, 9, 1.0)
    assert owners.doubles == {(1, 140)}


def test_shards_of_who_was_struck_are_awaited_until_somebody_publishes_them() -> None:
    owners = Owners()
    owners.granted(1, 5, "node-1")
    last = reign(owners, 5, range(100, 120), began=10.0, step0=1)
    assert not owners.awaited()
    owners.struck("node-1", last + 0.02)
    assert owners.awaited() == {1}
    owners.granted(1, 6, "node-2")
    owners.told(1, 6, 180, 21, last + 3)
    assert not owners.awaited()
    owners.struck("node-2", last + 3.5)
    assert owners.awaited() == {1}
    for later in range(20):
        owners.told(1, 6, 200 + later, 30, last + 3.5 + later / 10)
    assert not owners.awaited(), "it was no lasting blow"
