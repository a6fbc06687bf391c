"""Growth is a slope, and what was measured can be drawn."""

import pytest

from benchmarks import growth


def _run(size: int, cost: float, **others: object) -> dict[str, object]:
    return {"clients": size, "roamers": size, "cpu_s_per_s": cost, "held": True, **others}


FIGURES = {
    "machine": {"cpu": "a CPU", "python": "3.11"},
    "clients": {
        "shoal": [_run(n, n / 4000) for n in (250, 500, 1000, 2000)],
        "colyseus": [_run(100, 0.1), _run(200, 0.4), _run(400, 1.6, held=False)],
    },
    "roamers": {"shoal": [_run(n, 0.1) for n in (200, 1000)]},
    "simulation": [{"entities": n, "total_ms": n**1.5} for n in (10, 100, 1000)],
}


def test_the_exponent_of_a_power_is_its_power() -> None:
    sizes = [1, 10, 40, 200]
    assert growth.exponent(sizes, [3 * size**1.25 for size in sizes]) == pytest.approx(1.25)
    assert growth.exponent([5], [1.0]) is None


def test_what_was_not_held_does_not_count() -> None:
    found = growth.summary(FIGURES)
    assert found["growth_by_clients_shoal"] == pytest.approx(1.0)
    assert found["growth_by_clients_colyseus"] == pytest.approx(2.0)
    assert found["growth_by_entities"] == pytest.approx(1.5)


def test_plots_are_written(tmp_path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra `plot`")
    for path in growth.plot(FIGURES, tmp_path):
        assert path.read_bytes().startswith(b"\x89PNG"), path.name
