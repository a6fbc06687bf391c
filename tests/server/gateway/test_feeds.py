"""Frames that are lost, late or doubled on the bus never leave a client with a wrong replica."""

import attrs
import numpy as np
import pytest

from protocol import cbor, messages
from protocol.news import FrameEvent, Scope
from server.gateway import limits
from server.shard import mail
from server.shard.space import Partition
from tests.server.gateway.conftest import PRIZE


def stir(world, rng) -> None:
    for entity, dot in world.dots.items():
        if entity > 2:
            dot.hp = int(rng.integers(0, 100))
            dot.x = float(np.clip(dot.x + rng.integers(-20, 21), 0, 1023))


@pytest.fixture
def crowd(world):
    """Two clients at the border between the shards, among dots that move."""
    clients = [world.join("ann", 500, 100, cls=1), world.join("bob", 530, 100, cls=1)]
    rng = np.random.default_rng(11)
    for _ in range(40):
        world.add_dot(*rng.uniform((400, 0), (640, 250)))
    world.tick(3)
    return clients, rng


def resyncs(world) -> list[mail.Resync]:
    return [i for s in world.shards.values() for i in s.items if isinstance(i, mail.Resync)]


def test_a_missed_frame_is_asked_for_and_healed_by_a_delta(world, crowd) -> None:
    clients, rng = crowd
    world.lose = lambda subject: subject == "w.frame.0"
    stir(world, rng)
    world.tick()
    lost = world.tick_number
    world.lose = lambda _: False
    for _ in range(4):
        stir(world, rng)
        world.tick()
    assert resyncs(world) == [mail.Resync(lost - 1)], "the shard was asked once"
    for client in clients:
        assert client.seen() == world.truth(client)
        assert not any(snapshot.dropped for snapshot in client.snapshots[-6:]), "by a delta"


def test_a_shard_that_is_late_is_waited_for_by_nobody(world, crowd) -> None:
    clients, rng = crowd
    late: list[tuple[str, bytes]] = []
    publish = world.gateway.frame
    world.gateway.frame = lambda data, now: (
        late.append(data) if len(late) < 2 else publish(data, now)
    )
    stir(world, rng)
    world.tick()
    world.gateway.frame = publish
    for client in clients:
        assert client.snapshots[-1].tick == world.tick_number, "everybody is told the tick"
        assert not client.snapshots[-1].groups, "with what has arrived: nothing"
    for data in late:  # both frames come after all, with the next ones
        world.gateway.frame(data, world.now)
    stir(world, rng)
    world.tick()
    for client in clients:
        assert client.seen() == world.truth(client), "two frames of a shard in one snapshot"
        ages = {(group.shard, group.age) for group in client.snapshots[-1].groups}
        assert ages == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_many_late_frames_become_one_delta(world, crowd) -> None:
    clients, rng = crowd
    for _ in range(limits.FRAMES_CHAINED + 3):
        stir(world, rng)
        world.tick_number += 1
        for shard in world.shards.values():
            shard.step(world.tick_number)
    world.gateway.compose(world.tick_number, world.tick_number / 20)
    world.tick()
    for client in clients:
        assert client.seen() == world.truth(client)
        assert len(client.snapshots[-2].groups) == 2, "one group for each shard"


def test_a_frame_that_comes_twice_counts_once(world, crowd) -> None:
    clients, rng = crowd
    publish = world.gateway.frame

    def twice(data: bytes, now: float) -> None:
        publish(data, now)
        publish(data, now)

    world.gateway.frame = twice
    for _ in range(5):
        stir(world, rng)
        world.tick()
    for client in clients:
        assert client.seen() == world.truth(client)
        assert all(len(s.groups) == 2 for s in client.snapshots[-5:])
    assert not resyncs(world)


def test_a_shard_that_starts_again_replaces_what_was_known_of_it(world, crowd) -> None:
    clients, rng = crowd
    old = world.shards[0]
    new = type(old)(world, 0, epoch=2)
    new.rows = old.rows
    world.shards[0] = new
    for _ in range(5):
        stir(world, rng)
        world.tick()
        for client in clients:
            assert client.seen() == world.truth(client), f"tick {world.tick_number}"
    old.base = 0
    old.table.tick = 0
    old.step(world.tick_number + 1)  # the old owner wakes up and publishes
    world.tick_number += 1
    world.tick()
    for client in clients:
        assert client.seen() == world.truth(client), "an older epoch is not believed"


def test_random_losses_never_leave_a_wrong_replica(world, crowd) -> None:
    clients, rng = crowd
    world.lose = lambda subject: ".frame." in subject and rng.random() < 0.2
    for _ in range(200):
        stir(world, rng)
        world.tick()
    world.lose = lambda _: False
    stir(world, rng)
    world.tick(12)
    for client in clients:
        assert client.seen() == world.truth(client), "in the end everybody agrees"
        assert client.replica.mismatches == 0, "and nobody was ever wrong"
    assert world.gateway.statistics().gaps > 10


def test_damaged_frames_are_dropped_like_lost_ones(world, crowd) -> None:
    clients, rng = crowd
    world.gateway.frame(b"\xff\x00", world.now)
    world.gateway.mail(b"\xff\x00", world.now)
    stir(world, rng)
    world.tick(2)
    for client in clients:
        assert client.seen() == world.truth(client)


def test_a_client_that_asks_gets_keyframes_of_these_cells(world, crowd) -> None:
    clients, _ = crowd
    ann = clients[0]
    cell = world.geometry.cell_of(500, 100)
    ann.say(messages.Resync((cell,)))
    world.tick()
    snapshot = ann.snapshots[-1]
    assert snapshot.dropped == (cell,), "the cell starts anew"
    keyframes = [u[0] for group in snapshot.groups for u in group.updates if u[1] == 0]
    assert keyframes, "with what is in it"
    assert {key % world.geometry.cells for key in keyframes} == {cell}, "and nothing else"
    assert ann.seen() == world.truth(ann)


def test_shards_that_are_ahead_of_the_gateway_are_followed(world, crowd) -> None:
    clients, rng = crowd
    stir(world, rng)
    world.tick_number += 1
    for shard in world.shards.values():
        shard.step(world.tick_number)
    world.gateway.compose(world.tick_number - 1, world.now)
    for client in clients:
        client.read()
        assert client.snapshots[-1].tick == world.tick_number
        assert client.seen() == world.truth(client)
    sent = len(clients[0].snapshots)
    world.gateway.compose(world.tick_number, world.now)
    clients[0].read()
    assert len(clients[0].snapshots) == sent, "no tick is told twice"


def test_frames_of_another_world_are_not_believed(world, crowd) -> None:
    clients, rng = crowd
    other = type(world)(shards=(1, 1))
    other.geometry = type(world.geometry).grid(512, 512, 64, [64.0], shards=(1, 1))
    stranger = type(world.shards[0])(other, 0, epoch=9)
    stranger.table.begin(1000, 1000)
    world.gateway.frame(stranger._frame(1000).encode(), world.now)
    stir(world, rng)
    world.tick()
    for client in clients:
        assert client.seen() == world.truth(client)


def test_a_guest_of_a_shard_that_starts_again_does_not_haunt_anybody(world) -> None:
    """Ann sees none of shard 0's cells, only a guest of it that stands beyond the border."""
    ann = world.join("ann", 700, 100)
    border = world.shards[0]
    guest = world.add_dot(660, 100)
    real = world.geometry.shard_of
    cell = world.geometry.cell_of(660, 100)
    border.guests = {guest}
    world.shards[1].hidden = {guest}
    world.tick(3)
    assert guest in ann.seen(), "the guest is seen where it stands"
    assert real(cell) == 1
    new = type(border)(world, 0, epoch=2)
    new.rows = border.rows
    world.shards[0] = new
    world.shards[1].hidden = set()
    world.tick(3)
    assert ann.seen() == world.truth(ann), "its owner shows it now, and nobody else"


def test_of_a_shard_that_is_new_in_the_world_links_are_told_all_that_they_missed(world) -> None:
    """Its first frames were lost, and with them what happened there since it was opened."""
    world.tick(3)
    feeds, began = world.gateway._feeds, world.gateway._bulletins.begun
    world.lose = lambda subject: subject == "w.inbox.7"  # there is no such puppet
    world.tick(5)
    geometry = world.geometry
    world.gateway.cut_anew(Partition(geometry, (*geometry.shards, 7)))
    world.tick()
    shard = world.shards[0]
    happened = [
        FrameEvent(PRIZE, cbor.dumps([PRIZE, tick]), Scope.CELL, 1, tick, 7, repeated=True)
        for tick in (began - 1, began + 2, began + 4)
    ]
    frame = attrs.evolve(shard._frame(shard.table.tick, 0), shard=7, base=0, events=happened)
    taken = feeds.take(frame.encode(), world.now)
    assert taken is not None
    assert [event.tick for event in taken.events] == [began + 2, began + 4]
    again = attrs.evolve(frame, epoch=frame.epoch + 1, tick=frame.tick + 1, events=happened)
    taken = feeds.take(again.encode(), world.now)
    assert taken is not None
    assert taken.events == [], "and those once"


def hand_over(world, number: int = 0):
    """Another owner goes on from what the present one has published."""
    old = world.shards[number]
    new = type(old)(world, number, epoch=old.table.epoch + 1)
    new.rows, new.handles, new.base, new.former = old.rows, old.handles, old.base, old.table.epoch
    new.table, old.table = old.table, new.table
    new.table.epoch += 1
    old.table.epoch = new.former
    world.shards[number] = new
    return old


def test_clients_go_on_when_a_shard_changes_hands(world, crowd) -> None:
    clients, rng = crowd
    began = [len(client.snapshots) for client in clients]
    for _ in range(4):
        hand_over(world)
        for _ in range(3):
            stir(world, rng)
            world.tick()
            for client in clients:
                assert client.seen() == world.truth(client), f"tick {world.tick_number}"
    late = world.join("eve", 505, 100, cls=1)
    for _ in range(3):
        hand_over(world)
        stir(world, rng)
        world.tick()
        for client in (*clients, late):
            assert client.seen() == world.truth(client)
    for client, first in zip(clients, began, strict=True):
        told = client.snapshots[first:]
        assert {group.epoch for snapshot in told for group in snapshot.groups} == {1}
        assert not any(snapshot.dropped for snapshot in told)
        keyframes = [u for s in told for group in s.groups for u in group.updates if u[1] == 0]
        assert not keyframes
    assert not resyncs(world)


def test_who_was_late_is_told_the_difference_across_a_change_of_hands(world, crowd) -> None:
    (ann, _), rng = crowd
    ann.reads = False
    for _ in range(30):
        stir(world, rng)
        world.tick()
        if world.tick_number % 9 == 0:
            hand_over(world)
    ann.reads = True
    for _ in range(6):
        stir(world, rng)
        world.tick()
    assert ann.seen() == world.truth(ann)
    assert {group.epoch for snapshot in ann.snapshots for group in snapshot.groups} == {1}


def test_a_former_owner_is_not_heard_any_more(world, crowd) -> None:
    clients, rng = crowd
    old = hand_over(world)
    stir(world, rng)
    world.tick()
    old.rows, old.handles = {}, {}
    old.table.tick = 0
    old.base = world.tick_number
    old.step(world.tick_number + 1)
    stir(world, rng)
    world.tick()
    for client in clients:
        assert client.seen() == world.truth(client)
    assert not resyncs(world)


def test_who_missed_the_first_frame_of_an_owner_begins_anew(world, crowd) -> None:
    clients, rng = crowd
    hand_over(world)
    world.lose = lambda subject: subject == "w.frame.0"
    stir(world, rng)
    world.tick()
    world.lose = lambda _: False
    for _ in range(4):
        stir(world, rng)
        world.tick()
    assert resyncs(world) == [mail.Resync(0)]
    for client in clients:
        assert client.seen() == world.truth(client)
        newest = {group.shard: group.epoch for group in client.snapshots[-1].groups}
        assert newest == {0: 2, 1: 1}, "which its clients are told"


def test_an_owner_that_goes_on_from_another_tick_is_not_followed(world, crowd) -> None:
    """Somebody published a tick that the next owner knows nothing of."""
    clients, rng = crowd
    hand_over(world)
    world.shards[0].base -= 1
    for _ in range(4):
        stir(world, rng)
        world.tick()
    assert resyncs(world) == [mail.Resync(0)]
    for client in clients:
        assert client.seen() == world.truth(client)
