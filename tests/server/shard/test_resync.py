"""Who misses a frame asks for it, and stands on the same ground again."""

from typing import Any

import pytest

from protocol.frame import Frame
from server.cluster.seams import BusState
from server.shard.mail import Resync, Resynced


def lose(cluster: Any, ticks: int, *, watcher: Any) -> None:
    for _ in range(ticks):
        cluster.tick()
        watcher.frames.take_nowait()


def answer_of(watcher: Any) -> tuple[Resynced, Frame]:
    (answer,) = [item for item in watcher.mail if isinstance(item, Resynced)]
    return answer, Frame.decode(answer.frame)


@pytest.mark.parametrize(("lost", "since", "base"), [(5, 10, 10), (80, 10, 0), (5, 0, 0)])
def test_a_missed_frame_is_repeated_on_what_is_held(
    cluster: Any, lost: int, since: int, base: int
) -> None:
    watcher = cluster.watcher
    for _ in range(10):
        cluster.tick()
        watcher.follow()
    lose(cluster, lost, watcher=watcher)
    cluster.send(0, Resync(since))
    cluster.tick()
    frames = {frame.shard: frame for frame in map(decoded, watcher.frames.take_nowait())}
    watcher.follow()
    answer, again = answer_of(watcher)
    assert (answer.shard, answer.cells) == (0, ())
    assert (again.tick, again.base) == (cluster.now, base), "too old gives keyframes"
    assert again.tick == frames[0].tick
    if base == 0:
        table = watcher.replica.tables[0]
        table.reset(table.epoch)
    watcher.apply(again)
    checks = 0
    for _ in range(70):
        cluster.tick()
        for frame in map(decoded, watcher.frames.take_nowait()):
            if frame.shard == 0:
                checks += watcher.apply(frame).crc_checks
    assert checks > 10, "and from there on every checksum agrees"


@pytest.mark.parametrize("paused", [1, 63, 64, 200])
def test_after_a_pause_everybody_stands_on_the_same_ground(cluster: Any, paused: int) -> None:
    for _ in range(10):
        cluster.tick()
        cluster.watcher.follow()
    cluster.now += paused - 1  # nobody stepped meanwhile
    cluster.tick()
    for frame in map(decoded, cluster.watcher.frames.take_nowait()):
        assert frame.base == (10 if paused < 64 else 0), "what is too old is no ground"


def decoded(message: Any) -> Frame:
    return Frame.decode(message.data)


def test_damaged_cells_come_anew_and_alone(cluster: Any) -> None:
    for _ in range(10):
        cluster.tick()
        cluster.watcher.follow()
    shown = cluster.watcher.latest[0].keys
    table = cluster.watcher.replica.tables[0]
    cells = sorted({table.keys.cell(key) for key in map(int, shown)})[:3] or [0, 1, 2]
    cluster.send(0, Resync(0, tuple(cells)))
    cluster.tick()
    cluster.watcher.follow()
    answer, frame = answer_of(cluster.watcher)
    assert answer.cells == tuple(cells)
    assert {table.keys.cell(key) for key in map(int, frame.keys)} <= set(cells)
    assert frame.base == 0
    assert not frame.events


def test_ghosts_recover_from_lost_frames_by_themselves(cluster: Any) -> None:
    for _ in range(5):
        cluster.tick()
    cluster.bus.set_state(BusState.DOWN)
    for _ in range(3):
        cluster.tick()
    cluster.bus.set_state(BusState.UP)
    for _ in range(4):
        cluster.tick()
    assert all(shard.statistics().resyncs > 0 for shard in cluster.shards)
    for shard in cluster.shards:
        for neighbour in shard._ghosts._neighbours.values():
            assert neighbour.table.tick == cluster.now - 1, "they follow the newest frames again"
    resyncs = [shard.statistics().resyncs for shard in cluster.shards]
    for _ in range(20):
        cluster.tick()
    assert [shard.statistics().resyncs for shard in cluster.shards] == resyncs
