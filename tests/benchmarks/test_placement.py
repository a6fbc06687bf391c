"""The simulated placement is the same for the same seed, and moves are what keeps it even."""

from benchmarks.placement import Job, measure

JOB = Job(shards=160, nodes=16, minutes=4)


def test_moves_keep_a_moving_crowd_even() -> None:
    found = measure(JOB)
    assert found["busiest_over_mean"]["p50"] < 1.1 < found["without_moves"]["p50"]
    assert found["moves_per_minute"] > 0
    assert found["newcomer_has_its_share_after_s"] < 30
    assert found["even_after_loss_s"] < 60


def test_the_same_seed_gives_the_same_figures() -> None:
    first, second = measure(JOB), measure(JOB)
    del first["decision_ms"], second["decision_ms"]
    assert first == second
