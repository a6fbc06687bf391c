"""Who is on time shares bodies; who is not gets one merged delta; everybody sees the truth."""

import numpy as np
import pytest

from protocol import messages
from server.gateway import fanout, limits
from server.gateway.core import Gateway


def test_a_client_sees_exactly_what_is_in_its_interest(world) -> None:
    near, far = world.add_dot(110, 110), world.add_dot(900, 400)
    client = world.join("ann", 100, 100)
    world.tick(3)
    assert client.seen() == world.truth(client)
    assert near in client.seen(), "a neighbour is seen"
    assert far not in client.seen(), "what is far away is never sent"
    assert all(far.to_bytes(8, "little") not in raw for raw in client.raw), "not even its id"


def test_everybody_sees_the_truth_while_everything_moves(world) -> None:
    rng = np.random.default_rng(3)
    for _ in range(120):
        world.add_dot(*rng.uniform((0, 0), (1024, 512)))
    clients = [world.join(f"p{n}", *rng.uniform((0, 0), (1024, 512)), cls=n % 2) for n in range(12)]
    rows = [row for shard in world.shards.values() for row in shard.rows.values()]
    mine = {row.entity for row in rows}
    for _ in range(150):
        for entity, dot in world.dots.items():
            if entity not in mine:
                dot.x = float(np.clip(dot.x + rng.uniform(-30, 30), 0, 1023)) // 0.25 * 0.25
                dot.y = float(np.clip(dot.y + rng.uniform(-30, 30), 0, 511)) // 0.25 * 0.25
                dot.hp = int(rng.integers(0, 100))
            else:  # players walk: their interest moves with them, within their shard
                left, right = (0, 511) if dot.x < 512 else (512, 1023)
                dot.x = float(np.clip(dot.x + rng.uniform(-12, 12), left, right)) // 0.25 * 0.25
        world.tick()
        for client in clients:
            assert client.seen() == world.truth(client), f"tick {world.tick_number}"
    assert sum(client.replica.crc_checks for client in clients) > 100, "CRCs were compared"


def test_clients_with_the_same_interest_get_the_same_body_object(world, monkeypatch) -> None:
    made = []
    real = fanout.Bodies.prebuilt

    def spy(self, plan, head):
        made.append(plan.interests)
        return real(self, plan, head)

    world.add_dot(110, 110)
    clients = [world.join(f"p{n}", 100 + n, 100) for n in range(5)]
    world.tick(2)
    monkeypatch.setattr(fanout.Bodies, "prebuilt", spy)
    world.dots[1].hp = 50
    world.tick()
    assert [len(interests) for interests in made] == [1], "one for all five, who share an interest"
    assert len({client.raw[-1] for client in clients}) == 1, "their snapshots are the same"


def test_on_time_nothing_is_encoded_for_a_client(world, monkeypatch) -> None:
    world.add_dot(110, 110)
    world.join("ann", 100, 100)
    world.tick(2)
    tables = [feed.table for feed in world.gateway._feeds.by_shard.values()]
    for feed in world.gateway._feeds.by_shard.values():
        monkeypatch.setattr(feed, "table", lambda: (_ for _ in ()).throw(AssertionError))
    world.dots[1].hp = 50
    world.tick()
    assert len(tables) == 2
    assert world.clients[0].seen() == world.truth(world.clients[0]), "slices were enough"


def test_a_reader_that_stalls_gets_one_merged_delta_and_disturbs_nobody(world) -> None:
    rng = np.random.default_rng(5)
    crowd = [world.add_dot(*rng.uniform((60, 60), (190, 190))) for _ in range(60)]
    slow = world.join("slow", 100, 100, capacity=4096)
    others = [world.join(f"p{n}", 100, 100) for n in range(50)]
    world.tick(5)
    slow.reads = False
    held = 0
    for _ in range(100):  # five seconds
        for entity in crowd:
            world.dots[entity].hp = int(rng.integers(0, 100))
        world.tick()
        held = max(held, slow.pair.link.statistics().remainder_bytes)
        assert all(o.snapshots[-1].tick == world.tick_number for o in others), "others are on time"
    assert held <= 64 * 1024, "what is held for the slow reader is bounded"
    assert slow.pair.down.bytes <= 4096, "and so is what is on its way"
    assert world.gateway.statistics().late > 50, "it was skipped"
    slow.reads = True
    before = len(slow.snapshots)
    slow.read()
    backlog = len(slow.snapshots) - before
    assert backlog < 60, "snapshots were not queued for it"
    world.tick(3)
    merged = len(slow.snapshots) - before - backlog
    assert slow.seen() == world.truth(slow), "it is back in sync"
    assert merged <= 3, "with one snapshot per tick"
    assert slow.closed is None, "it was not dropped"


def test_a_late_link_within_the_retained_ticks_is_merged_without_a_keyframe(world) -> None:
    other = world.add_dot(110, 110)
    client = world.join("ann", 100, 100)
    world.tick(3)
    client.acknowledges = False
    world.tick(35)  # more than a second and the round trip
    assert world.gateway.statistics().late > 0, "the link was found late"
    missed = client.snapshots[-1].tick
    world.dots[other].hp = 1
    world.tick(5)
    assert client.snapshots[-1].tick == missed, "a late link is sent nothing"
    client.acknowledges = True
    client.say(messages.Ack(missed))
    world.tick()
    merged = client.snapshots[-1]
    assert not merged.dropped, "nothing had to be forgotten"
    ages = [update[1] for group in merged.groups for update in group.updates]
    assert ages, "the change is told"
    assert all(age == merged.tick - missed for age in ages), "since the tick it was last sent"
    assert client.seen() == world.truth(client)


def test_a_link_that_never_acknowledges_is_dropped(world) -> None:
    client = world.join("ann", 100, 100)
    client.acknowledges = False
    world.tick(round((limits.SILENCE_S + 4) * 20))
    assert client.closed == 1008, "after ten seconds without progress"
    assert world.gateway.statistics().dropped == 1


def test_a_moved_interest_drops_old_cells_and_enters_new_ones(world) -> None:
    for x in range(40, 500, 40):
        world.add_dot(x, 100)
    client = world.join("ann", 100, 100)
    world.tick(2)
    me = world.dots[client.entity]
    for x in range(100, 420, 16):
        me.x = x
        world.tick()
        assert client.seen() == world.truth(client), f"at {x}"
    dropped = [cell for snapshot in client.snapshots for cell in snapshot.dropped]
    assert dropped, "cells that were left behind are named"


@pytest.mark.parametrize("seed", range(4))
def test_stalls_losses_and_walks_together_end_in_the_truth(world, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(80):
        world.add_dot(*rng.uniform((300, 0), (724, 512)))
    clients = [
        world.join(f"p{n}", *rng.uniform((300, 0), (724, 512)), cls=n % 2, capacity=6000)
        for n in range(6)
    ]
    mine = {client.entity for client in clients}
    world.lose = lambda subject: ".frame." in subject and rng.random() < 0.05
    for _ in range(200):
        for client in clients:
            if rng.random() < 0.03:
                client.reads = not client.reads
            if rng.random() < 0.05:
                client.say(messages.Resync(tuple(rng.integers(0, 128, 4).tolist())))
        for entity, dot in world.dots.items():
            left, right = (0, 1023)
            if entity in mine:  # players stay in their shard: puppets hand nobody over
                left, right = (0, 511) if dot.x < 512 else (512, 1023)
            dot.x = float(np.clip(dot.x + rng.integers(-25, 26), left, right))
            dot.hp = int(rng.integers(0, 100))
        world.tick()
    world.lose = lambda _: False
    for client in clients:
        client.reads = True
    world.tick(30)
    for client in clients:
        assert client.closed is None
        assert client.seen() == world.truth(client)
        assert client.replica.mismatches == 0, "and was never wrong"


def test_whoever_is_obstructed_in_a_pause_is_told_everything_once(world, monkeypatch) -> None:
    monkeypatch.setattr(limits, "LINKS_PER_STEP", 1)
    clients = [world.join(f"p{n}", 40 + 70 * n, 100) for n in range(8)]
    dots = [world.add_dot(40 + 70 * n, 110) for n in range(8)]
    world.tick(3)
    compose = Gateway.compose_steps
    pauses = []

    def disturbed(self, tick, now):
        for pause in compose(self, tick, now):
            pauses.append(tick)
            for client in clients[len(pauses) % 2 :: 2]:
                client.pair.link._obstruct()  # as when a control frame is being written
            yield pause

    monkeypatch.setattr(Gateway, "compose_steps", disturbed)
    for _ in range(40):
        for dot in dots:
            world.dots[dot].hp = (world.dots[dot].hp + 1) % 100
            world.dots[dot].x += 0.25
        world.tick()
        for client in clients:
            assert client.seen() == world.truth(client)
    assert len(pauses) > 80, "nobody was disturbed"


def test_what_clients_say_in_a_pause_is_taken_and_harms_nobody(world, monkeypatch) -> None:
    monkeypatch.setattr(limits, "LINKS_PER_STEP", 1)
    rng = np.random.default_rng(7)
    clients = [world.join(f"p{n}", 40 + 50 * n, 100) for n in range(8)]
    dots = [world.add_dot(40 + 50 * n, 110) for n in range(8)]
    world.tick(3)
    compose = Gateway.compose_steps
    said = []

    def interrupted(self, tick, now):
        for pause in compose(self, tick, now):
            client = clients[rng.integers(len(clients))]
            client.read()  # and acknowledges what is just being sent to everybody
            match rng.integers(3):
                case 0:
                    client.say(messages.Resync(tuple(rng.integers(0, 128, 4).tolist())))
                case 1:
                    client.say(messages.Ack(client.replica.tick))
                case 2 if len(clients) > 4:
                    client.say(messages.Bye())
                    clients.remove(client)
            said.append(tick)
            self.poll(now)
            yield pause

    monkeypatch.setattr(Gateway, "compose_steps", interrupted)
    for _ in range(40):
        for dot in dots:
            world.dots[dot].hp = (world.dots[dot].hp + 1) % 100
            world.dots[dot].x += 0.25
        world.tick()
    world.tick(3)
    for client in clients:
        assert client.seen() == world.truth(client)
        assert client.replica.mismatches == 0
    assert len(clients) == 4, "the others have left"
    assert len(said) > 80, "nobody spoke in a pause"
