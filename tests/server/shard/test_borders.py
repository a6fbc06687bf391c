"""Entities cross borders for a thousand ticks: nobody is lost, doubled, misplaced or unseen."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from protocol.apply import Report
from protocol.frame import Frame
from protocol.parts import PartTable, Reason
from protocol.writing import reason_code
from server.cluster.bus import MemoryBus
from server.shard import limits
from server.shard.host import Shard
from server.shard.outbox import Out
from server.shard.record import TickRecord

BALL, FROG = 0, 1
Truth = dict[int, tuple[float, ...]]


def truth_of(cluster: Any) -> Truth:
    """Every owned entity: kind, x, y, count (light or hops) and owner, straight from the worlds."""
    found: Truth = {}
    for shard in cluster.shards:
        for kind, name in ((BALL, "light"), (FROG, "hops")):
            rows = shard.world.export(kind)
            for entity, x, y, count in zip(
                rows.ids, rows.x, rows.y, rows.fields[name], strict=True
            ):
                found[int(entity)] = (kind, float(x), float(y), int(count), shard.id)
    return found


def assert_seen(cluster: Any, truth: Truth) -> None:
    """The replica of one who followed every frame is the truth, entities in transit included."""
    replica = cluster.watcher.replica
    tally = cluster.tally()
    assert not tally.lost, f"tick {cluster.now}: entities are nowhere"
    assert not tally.duplicated, f"tick {cluster.now}: entities are owned twice"
    assert len(replica) == tally.created, f"tick {cluster.now}: somebody is not shown"
    for entity, (kind, x, y, count, _) in truth.items():
        shown = replica.entity(entity)
        assert shown is not None
        name = "hops" if kind == FROG else "light"
        near = 1 / 32 if kind == FROG else 1e-9  # a frog is sent in wire steps, a course exactly
        assert (shown.kind, shown.fields[name]) == (kind, count)
        assert abs(shown.x - x) <= near
        assert abs(shown.y - y) <= near


def assert_ghosts(cluster: Any, before: Truth) -> None:
    """Every shard's ghosts stood where their owners had them at the end of the last tick."""
    for shard in cluster.shards:
        x0, y0, x1, y1 = cluster.geometry.rect(shard.id)
        reach, seen = cluster.game.reach, set()
        for kind in (BALL, FROG):
            rows = shard.world.ghosts[kind]
            seen |= set(rows.ids.tolist())
            for entity, x, y in zip(
                rows.ids.tolist(), rows.columns["x"], rows.columns["y"], strict=True
            ):
                if entity in before:  # in transit it has no owner who could tell
                    near = 1 / 32 if kind == FROG else 1e-9
                    assert abs(before[entity][1] - x) <= near
                    assert abs(before[entity][2] - y) <= near
        for entity, (_, x, y, _, owner) in before.items():
            inside = x0 - reach < x < x1 + reach and y0 - reach < y < y1 + reach
            corner = min(abs(x - x0), abs(x - x1)) > 0 and not (x0 <= x <= x1 or y0 <= y <= y1)
            if inside and not corner and owner != shard.id:
                assert entity in seen, f"tick {cluster.now}: a neighbour is not known"


@pytest.mark.slow
def test_two_hundred_cross_four_shards_for_a_thousand_ticks(
    make_cluster: Callable[..., Any],
) -> None:
    cluster = make_cluster(touch_until=950)
    before: Truth = {}
    for _ in range(1000):
        cluster.tick()
        cluster.watcher.follow()
        truth = truth_of(cluster)
        assert_seen(cluster, truth)
        if before:
            assert_ghosts(cluster, before)
        before = truth
    assert cluster.tally().crossings > 1000, "the test is about crossing"
    assert cluster.watcher.crc_checks > 1000
    lights = sum(count for kind, _, _, count, _ in before.values() if kind == BALL)
    given = sum(int(shard.world.export(BALL).fields["given"].sum()) for shard in cluster.shards)
    assert lights == given > 500, "a command is done exactly once, wherever its target went"
    assert all(shard.statistics().undeliverable == 0 for shard in cluster.shards)
    assert all(shard.statistics().resyncs == 0 for shard in cluster.shards)


def test_the_same_run_gives_the_same_worlds_in_whatever_order_shards_step(
    make_cluster: Callable[..., Any],
) -> None:
    first, second = make_cluster(), make_cluster()
    chance = random.Random(1)
    second.order = lambda shards: chance.sample(shards, len(shards))
    for _ in range(150):
        first.tick()
        second.tick()
        assert first.checksums() == second.checksums(), f"they differ at tick {first.now}"


def test_the_journal_replays_to_the_same_worlds(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster(balls=20, digests_every=10)
    for _ in range(200):
        cluster.tick()
    for shard in cluster.shards:
        again = Shard(cluster.game, cluster.schema, MemoryBus(), shard.config)
        checked = 0
        made: list[Out] = []
        for entry in cluster.journal.read_nowait(shard.id, 0):
            if entry.to is not None:
                out = made.pop(0)
                assert (out.to, out.id, out.data) == (entry.to, entry.id, entry.data)
                continue
            assert not made, "every out that the step made again is in the journal"
            record = TickRecord.decode(entry.data)
            assert TickRecord.decode(record.encode()) == record
            assert record.game == cluster.game.code
            made += again.replay(record)
            checked += bool(record.digests)
        assert checked == 20
        assert again.world.checksum() == shard.world.checksum()


def test_a_slow_journal_delays_crossings_and_hides_nobody(
    make_cluster: Callable[..., Any],
) -> None:
    cluster = make_cluster()
    chance = random.Random(3)
    cluster.slow_journal = True
    guests = 0
    for _ in range(300):
        cluster.tick()
        cluster.watcher.follow()
        assert_seen(cluster, truth_of(cluster))
        guests = max(guests, sum(shard.statistics().guests for shard in cluster.shards))
        if chance.random() < 0.3:
            cluster.write()
    assert guests > 3, "entities in transit are published by their source"
    assert cluster.tally().crossings > 200


def test_who_is_back_before_the_journal_has_answered_is_owned_and_no_guest(
    make_cluster: Callable[..., Any],
) -> None:
    """Records are durable at once, so destinations take what they say; the source hears late."""
    cluster = make_cluster(balls=5)
    chance = random.Random(4)
    cluster.slow_answers = True
    back = 0
    for _ in range(100):
        guests = {
            (shard.id, entity)
            for shard in cluster.shards
            for batch in shard.guests
            for entity in batch.rows.ids.tolist()
        }
        for shard in cluster.shards:
            for frog in shard.world.export(FROG).ids.tolist():
                x, y = chance.uniform(0, 512), chance.uniform(0, 512)
                shard.command(frog, "shoal.place", x=x, y=y)
        cluster.tick()
        cluster.watcher.follow()
        truth = truth_of(cluster)
        back += sum((owner, entity) in guests for entity, (*_, owner) in truth.items())
        assert len(cluster.watcher.replica) == cluster.tally().created
        if cluster.now % 5 == 1:  # else guests may be seen where their owner has them no more
            assert_seen(cluster, truth)
        if cluster.now % 5 == 0:
            cluster.answer()
    assert back > 10, "the test is about coming back"


def test_a_guest_who_is_back_has_moved_and_is_not_gone(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster(balls=0)
    (frog,) = cluster.shards[0].world[cluster.game.rules.kinds[FROG].cls].id.tolist()
    cluster.slow_answers = True
    copy = PartTable(cluster.schema, cluster.geometry)
    copy.shard = 0
    left: list[int] = []

    def tick() -> None:
        cluster.tick()
        frames = [Frame.decode(message.data) for message in cluster.watcher.frames.take_nowait()]
        (frame,) = [frame for frame in frames if frame.shard == 0]
        if frame.base == 0:
            copy.reset(frame.epoch)
        report = Report()
        copy.apply_frame(frame.blob, frame.offsets, frame.tick, frame.step, report, base=frame.base)
        left.extend(code for entity, _, _, code in report.left if entity == frog)

    tick()
    for shard, x in ((0, 300.0), (1, 100.0)):
        cluster.shards[shard].command(frog, "shoal.place", x=x, y=60.0)
        tick()
        tick()
    cells = [cluster.geometry.cell_of(x, 60.0) for x in (300.0, 100.0)]
    assert left == [reason_code(Reason.MOVED, cell) for cell in cells]
    assert not list(cluster.shards[0].guests)


def test_while_the_journal_does_not_accept_no_handoff_begins(cluster: Any) -> None:
    cluster.slow_journal = True
    for _ in range(100):
        cluster.tick()
        cluster.watcher.follow()
        assert_seen(cluster, truth_of(cluster))
        if cluster.now == limits.HANDOFF_LAG_TICKS + 1:
            crossings = cluster.tally().crossings
    assert cluster.tally().crossings == crossings, "those that began before are all there are"
    cluster.write()
    for _ in range(5):
        cluster.tick()
    assert cluster.tally().crossings > crossings + 10, "those that waited go now"


def test_a_shard_that_pauses_gets_its_arrivals_afterwards(cluster: Any) -> None:
    """What is in transit to it moves on along its course, as far as ticks went by."""
    for _ in range(20):
        cluster.tick()
        cluster.watcher.follow()
    for _ in range(8):
        cluster.tick(skip=frozenset({1}))
        cluster.watcher.follow()
    waiting = len(cluster.tally().lost) + cluster.tally().in_transit
    assert waiting > 0
    shown = {e: cluster.watcher.replica.entity(e) for e in cluster.watcher.replica.ids()}
    for _ in range(3):
        cluster.tick()
        cluster.watcher.follow()
        assert_seen(cluster, truth_of(cluster))
    for entity, view in shown.items():
        now = cluster.watcher.replica.entity(entity)
        if view.kind == BALL:
            assert abs(now.x - view.x) + abs(now.y - view.y) < 2 * 60 * 12 / 20, "nobody jumps"


def test_duplicated_and_reordered_deliveries_change_nothing(cluster: Any) -> None:
    chance = random.Random(5)
    for _ in range(150):
        deliveries = [
            (shard, source, record)
            for shard in cluster.shards
            for source in shard.sources
            for record in cluster.journal.follow_nowait(source, shard.id, 0)[-20:]
        ]
        for shard, source, record in chance.sample(deliveries, len(deliveries)):
            shard.deliver(source, record.position, record.data)
        cluster.tick()
        cluster.watcher.follow()
        assert_seen(cluster, truth_of(cluster))
    assert sum(shard.statistics().duplicates for shard in cluster.shards) > 100
    assert all(shard.followed(source) for shard in cluster.shards for source in shard.sources)


def test_nobody_flaps_on_the_border(make_cluster: Callable[..., Any]) -> None:
    cluster = make_cluster(balls=0)
    world = cluster.shards[0].world
    (frog,) = world[cluster.game.rules.kinds[FROG].cls].id.tolist()
    edge = cluster.geometry.rect(0)[2]
    for step, offset in enumerate([0.0, 0.5, -0.5, 0.0, 0.9, -0.2]):
        cluster.shards[0].command(frog, "shoal.place", x=edge + offset, y=60.0)
        cluster.tick()
        if (step + 1) % 7:
            assert frog in world.owned_ids(), "less than the margin beyond the border is at home"
    margin = limits.BORDER_MARGIN_CELLS * cluster.geometry.cell
    cluster.shards[0].command(frog, "shoal.place", x=edge + margin + 0.1, y=60.0)
    cluster.tick()
    assert frog not in world.owned_ids()
