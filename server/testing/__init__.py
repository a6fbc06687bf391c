"""A whole world in one process, for tests of games: no sockets, no clock, no sleep.

    from server.testing import Sim

    def test_ann_crosses_the_border() -> None:
        sim = Sim(game, shards=2, seed=7)
        ann = sim.join("ann", x=1000, y=500)
        for _ in range(100):
            ann.send(Steer(dx=1, dy=0))
            sim.tick()
        shard, me = sim.find(ann.id)
        assert shard == 1 and ann.view[ann.id].x == pytest.approx(me.x, abs=1 / 16)

Shards, bus, journal, handoff, gateway, codec and clients are the real ones; only time and the
network are simulated. The same script gives the same checksum, every time.
"""

from server.recording.recording import Recording
from server.testing.client import Event, SimClient, View
from server.testing.sim import Sim

__all__ = ["Event", "Recording", "Sim", "SimClient", "View"]
