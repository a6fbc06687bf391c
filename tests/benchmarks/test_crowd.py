"""The crowd of the interest benchmark is one cell's, its wait is measured, and its budget kept."""

from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.interest import rules
from benchmarks.interest.ages import Ages
from benchmarks.interest.children import Child, python
from benchmarks.interest.game import Crowd, make_game
from benchmarks.interest.run import Job
from benchmarks.interest.validate import Converged, converge
from benchmarks.wire import Walk
from protocol.geometry import Geometry
from protocol.replica import Changes
from sim import World
from sim.engine import TickInput

SIDE = rules.CROWD_CELLS * rules.CELL
TIGHT = 4000  # bytes a second: a crowd of 200 that sends positions would be sent many times that


@pytest.fixture(params=["courses", "positions"])
def crowded(request: pytest.FixtureRequest) -> Iterator[Child]:
    """A server with 200 in one cell, of whom clients are told within a tight budget."""
    job = Job(peer="shoal", clients=200, roamers=0, crowd=True, mode=request.param)
    options = {"roamers": 200, "client_bytes_per_s": TIGHT, "side": job.side, "mode": job.mode}
    argv = [*python("benchmarks.interest.server", **options), "--crowd"]
    with Child.running(argv, core=0) as child:
        child.wait_ready(20)
        yield child


@pytest.mark.parametrize("courses", [True, False])
def test_a_crowd_stays_in_the_middle_cell_and_stands_still_when_it_is_told(courses: bool) -> None:
    crowd = Crowd()
    world = World(make_game(side=SIDE, roamers=50, courses=courses, crowd=crowd), seed=1)
    geometry = Geometry.grid(SIDE, SIDE, rules.CELL, (rules.CELL,), shards=(1, 1))

    def step(tick: int) -> np.ndarray:
        world.advance(TickInput(tick=tick, step=tick, joins=[], inputs=[]))
        rows = world.export(0)
        assert set(geometry.cells_of(rows.x, rows.y).tolist()) == {12}
        return np.stack((rows.x, rows.y, rows.fields["hp"]))

    states = [step(tick) for tick in range(1, 200)]
    assert (states[-1] != states[-2]).any()
    crowd.still = True
    step(200)
    assert np.array_equal(step(201), step(202))


def test_a_crowd_is_seen_where_it_stands_soon_after_it_stood_still(crowded: Child) -> None:
    found = converge(crowded, watch_s=1.5)
    assert isinstance(found, Converged)
    assert found.entities == 203, "three real clients are among them"
    assert found.oldest_part_ticks > 1, "parts take turns within so tight a budget"
    assert found.crc_mismatches == 0


def test_the_age_of_a_part_goes_on_until_it_is_told_of_again() -> None:
    walk = Walk(40, courses=False)
    walk.step()
    ages, replica = Ages(), walk.replica
    everybody = list(replica.ids())
    for tick, told in [(1, everybody), (2, everybody), (7, everybody[:1]), (9, everybody)]:
        replica.tick = tick
        ages.note(replica, Changes(changed=told))
    assert ages.oldest_ticks == 7, "all parts but one waited from tick 2 to tick 9"
    ages.note(replica, Changes(changed=everybody))
    assert ages.oldest_ticks == 7
