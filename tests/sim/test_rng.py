"""Chance is even, repeatable, and independent of rows, order and call sites."""

import numpy as np
import pytest

from sim.rng import Rng

IDS = (np.uint64(3) << np.uint64(40)) + np.arange(20_000, dtype=np.uint64)


def test_a_number_depends_on_seed_step_salt_and_entity_alone() -> None:
    rng = Rng(7, 100)
    drawn = rng.uniform(IDS, "here")
    assert rng.uniform(int(IDS[5]), "here") == drawn[5], "A row draws what its column draws."
    assert (rng.uniform(IDS[::-1].copy(), "here") == drawn[::-1]).all()
    assert (Rng(7, 100).uniform(IDS, "here") == drawn).all()
    for other in (Rng(8, 100), Rng(7, 101)):
        assert (other.uniform(IDS, "here") != drawn).all()
    assert (rng.uniform(IDS, "there") != drawn).all()


def test_uniform_numbers_are_even_and_uncorrelated() -> None:
    drawn = Rng(1, 1).uniform(IDS, "a")
    following = Rng(1, 2).uniform(IDS, "a")
    elsewhere = Rng(1, 1).uniform(IDS, "b")
    counts = np.bincount((drawn * 20).astype(int), minlength=20)
    assert counts.min() > 880
    assert counts.max() < 1120
    for other in (following, elsewhere, np.roll(drawn, 1)):
        assert abs(float(np.corrcoef(drawn, other)[0, 1])) < 0.03
    assert drawn.min() >= 0
    assert drawn.max() < 1


def test_normal_numbers_have_their_mean_and_deviation() -> None:
    drawn = Rng(1, 1).normal(IDS, "a")
    assert abs(float(drawn.mean())) < 0.02
    assert float(drawn.std()) == pytest.approx(1, abs=0.02)
    assert float(np.abs(drawn).max()) < 3.47
    assert isinstance(Rng(1, 1).normal(5, "a"), float)


def test_integers_and_choices_cover_their_range() -> None:
    rng = Rng(2, 9)
    drawn = rng.integers(IDS, "a", -3, 4)
    assert sorted(set(drawn.tolist())) == list(range(-3, 4))
    assert rng.integers(int(IDS[9]), "a", -3, 4) == drawn[9]
    options = np.array([1.5, 2.5, 9.0])
    assert set(rng.choice(IDS, "c", options).tolist()) == {1.5, 2.5, 9.0}
    with pytest.raises(ValueError, match="integers from 4"):
        rng.integers(IDS, "a", 4, 4)


def test_the_numbers_are_the_ones_recorded() -> None:
    """Changing the generator would break every recording."""
    assert Rng(7, 100).bits(IDS[:2], "here").tolist() == [9573646884693052470, 2791421948179592510]
