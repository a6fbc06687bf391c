"""Growth is a slope, what fails costs no other figure, and what was measured can be drawn."""

from pathlib import Path

import pytest

from benchmarks import growth
from benchmarks.interest.children import ChildFailedError
from benchmarks.interest.run import Job


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
    exponents = found["growth_exponent"]
    assert exponents["clients"] == pytest.approx({"shoal": 1.0, "colyseus": 2.0})
    assert exponents["roamers"] == pytest.approx({"shoal": 0.0})
    assert exponents["entities"] == pytest.approx({"shoal": 1.5})


def test_a_run_that_fails_ends_its_curve_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(job: Job, _: object) -> dict[str, object]:
        if job.peer == "colyseus" and job.clients == 20:
            raise ChildFailedError("only 3 of 20 bots play")
        return _run(job.clients, 0.1, held=job.clients < 40)

    monkeypatch.setattr(growth, "run", run)
    saved: list[int] = []
    sizes = {"shoal": (10, 20, 40, 80), "colyseus": (10, 20, 30)}
    figures = growth.measure(
        sizes, {"shoal": (10,)}, "100", 1.0, lambda _: None,
        lambda figures: saved.append(len(figures["clients"]["shoal"])),
    )  # fmt: skip
    measured = {peer: [run["clients"] for run in runs] for peer, runs in figures["clients"].items()}
    assert measured == {"shoal": [10, 20, 40], "colyseus": [10]}, "up to what is not held"
    (why,) = figures["failed"]
    assert why == "colyseus, 20 clients, 20 roamers: only 3 of 20 bots play"
    assert saved[:3] == [1, 2, 3], "nothing that was measured is lost"
    assert [run["entities"] for run in figures["simulation"]] == [100]


@pytest.mark.parametrize("lost", [None, "simulation", "clients", "roamers"])
def test_plots_are_written_of_what_is_there(tmp_path: Path, lost: str | None) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra `plot`")
    figures = FIGURES if lost is None else FIGURES | {lost: type(FIGURES[lost])()}
    assert growth.summary(figures)
    for path in growth.plot(figures, tmp_path):
        assert path.read_bytes().startswith(b"\x89PNG"), path.name
