"""The simulation benchmark measures the workload that it names, and notices wrong copies."""

import json

import pytest

from benchmarks import machine, simulation


@pytest.fixture(scope="module")
def run() -> dict[str, object]:
    return simulation.measure(2000, ticks=20, warm_ticks=5, players=20)


def test_every_phase_is_in_the_line(run: dict[str, object]) -> None:
    line = json.loads(json.dumps(run))
    phases = [*simulation.PHASES, "rest", "total"]
    for phase in phases:
        assert 0 < line[f"{phase}_ms_min"] <= line[f"{phase}_ms"], f"{phase} takes some time"
    parts = sum(line[f"{phase}_ms_min"] for phase in phases if phase not in ("rules", "total"))
    assert parts <= line["total_ms"] * 1.01, "the phases lie within the tick"


def test_the_world_is_the_workload_it_claims(run: dict[str, object]) -> None:
    assert run["entities"] == 2000, "players are among the entities"
    assert run["players"] == 20
    assert run["inputs"] == 2
    assert run["visible"] == pytest.approx(60, rel=0.1)
    assert run["hurt"] == pytest.approx(0.01, rel=0.2)
    assert run["turning"] == pytest.approx((2 + 0.5) / 2 / 20, rel=0.15), "2 Hz and 0.5 Hz"
    # Along each axis the mean speed is 2 / pi of 6 units a second, in cells of 32 units.
    assert run["changing_cell"] == pytest.approx(2 * 0.637 * 0.3 / 32, rel=0.25)


def test_copies_that_follow_the_frames_equal_the_world(run: dict[str, object]) -> None:
    assert run["valid"]


def test_a_copy_that_missed_a_frame_is_not_valid() -> None:
    roaming = simulation.Roaming(200)
    followers = simulation.Followers(roaming)
    followers.follow(roaming.tick())
    assert followers.true()
    roaming.tick()
    assert not followers.true()


def test_growth_is_the_cost_of_an_entity_relative_to_the_size_before() -> None:
    small, large = {"ns_per_entity": 500.0}, {"ns_per_entity": 400.0}
    assert simulation.with_growth(small, None)["growth"] is None
    assert simulation.with_growth(large, small)["growth"] == 0.8


def test_thrust_moves_the_same_number_of_entities() -> None:
    run = simulation.measure(300, ticks=5, warm_ticks=30, thrust=True)
    assert run["valid"]
    assert run["changing_cell"] > 0


def test_the_machine_is_named() -> None:
    assert machine.describe()["cores"] >= 1
    assert all(machine.describe().values()), "nothing about the machine is left out"
