"""A client that stops reading for five seconds among fifty others hurts nobody, itself included."""

import pytest

from examples.comets import Steer, game
from server.net.memory import CAPACITY
from server.testing import Sim

HELD_BYTES_MAX = 64 * 1024


@pytest.mark.slow
@pytest.mark.parametrize("capacity", [4096, CAPACITY])
def test_others_stay_on_time_and_the_slow_one_comes_back(capacity: int) -> None:
    sim = Sim(game, shards=2, seed=4)
    slow = sim.join("slow", x=1000, y=500, capacity=capacity)
    others = [sim.join(f"p{n}", x=900 + 4 * n, y=480) for n in range(50)]
    sim.tick(10)
    slow.reads = False
    for tick in range(100):
        if tick % 10 == 0:
            for n, player in enumerate(others):
                player.send(Steer(dx=(-1) ** n, dy=(-1) ** (tick // 10)))
        sim.tick()
        assert slow.held_bytes <= HELD_BYTES_MAX, "the server's memory for it is bounded"
        assert all(player.client.replica.tick == sim.ticks for player in others), (
            "everybody else has this very tick"
        )
    assert sim.statistics().late > 40, "it was skipped while it did not read"
    before = slow.client.statistics().snapshots
    slow.reads = True
    sim.tick(8)
    received = slow.client.statistics().snapshots - before
    assert received < 70, "what it missed was merged, not queued"
    assert slow.closed is None, "it is still in the world"
    for entity, view in slow.view.items():
        if view.held:
            continue  # it left the interest a moment ago
        assert (view.x, view.y) == pytest.approx((sim.find(entity)[1].x, sim.find(entity)[1].y))
    assert slow.client.replica.tick == sim.ticks, "it is on time again"
    assert slow.mismatches == 0
