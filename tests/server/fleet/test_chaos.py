"""Chaos strikes everybody, at moments that follow its seed, and stops before the end."""

import random
from itertools import islice

from server.fleet.chaos import Blow, blows


def test_each_round_has_each_blow_once_and_begins_with_a_death() -> None:
    rounds = list(islice(blows(random.Random(3)), 3 * len(Blow)))
    for begin in range(0, len(rounds), len(Blow)):
        assert set(rounds[begin : begin + len(Blow)]) == set(Blow)
        assert rounds[begin] is Blow.KILL_NODE


def test_the_same_seed_gives_the_same_blows() -> None:
    def first(seed: int) -> list[Blow]:
        return list(islice(blows(random.Random(seed)), 20))

    assert first(5) == first(5)
    assert first(5) != first(6)
