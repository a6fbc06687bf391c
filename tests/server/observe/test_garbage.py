"""All objects are looked at only when enough links have ended for it to be worth a pause."""

import gc

from server.observe.garbage import ENDED_LEAST, Garbage, few_collections


class Knot:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


def test_nothing_is_looked_at_while_links_stay() -> None:
    garbage = Garbage()
    assert not garbage.consider(ended=ENDED_LEAST - 1, open_=100), "too few have ended"
    assert not garbage.consider(ended=ENDED_LEAST, open_=100_000), "a small share of them all"
    assert garbage.collections == 0


def test_what_links_leave_behind_is_freed_once_enough_have_ended() -> None:
    garbage = Garbage()
    Knot()
    assert garbage.consider(ended=ENDED_LEAST, open_=100)
    assert not any(isinstance(found, Knot) for found in gc.get_objects()), "it was collected"
    assert not garbage.consider(ended=ENDED_LEAST + 1, open_=100), "the count begins anew"


def test_the_collector_is_as_before_when_the_process_ends() -> None:
    before = gc.get_threshold()
    with few_collections():
        assert gc.get_threshold() != before
    assert gc.get_threshold() == before
