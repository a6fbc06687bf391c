"""Shards of the same process lend their tables: nothing is copied, and nobody sees the future."""

import numpy as np
import pytest

from protocol import messages


@pytest.fixture
def lending(make_world):
    """A world whose shards live in the gateway's process, with a crowd that walks about."""
    world = make_world(lends=True)
    rng = np.random.default_rng(4)
    for _ in range(80):
        world.add_dot(*rng.uniform((0, 0), (1024, 512)))
    return world, rng


def stir(world, rng) -> None:
    for dot in list(world.dots.values())[:80]:
        dot.hp = int(rng.integers(0, 100))
        dot.x = float(np.clip(dot.x + rng.integers(-20, 21), 0, 1023))


def test_everybody_sees_the_truth_and_nothing_is_applied_to_a_copy(lending) -> None:
    world, rng = lending
    clients = [world.join(f"p{n}", *rng.uniform((0, 0), (1024, 512))) for n in range(8)]
    for _ in range(40):
        stir(world, rng)
        for client in clients:
            me = world.dots[client.entity]
            left, right = (0, 511) if me.x < 512 else (512, 1023)
            me.x = float(np.clip(me.x + 12, left, right)) // 0.25 * 0.25
        world.tick()
        for client in clients:
            assert client.seen() == world.truth(client), f"tick {world.tick_number}"
    feeds = world.gateway._feeds.by_shard.values()
    assert all(not feed._backlog and not feed._copy.tick for feed in feeds), "copies are not used"


def test_a_late_link_is_merged_from_the_owners_table(lending) -> None:
    world, rng = lending
    client = world.join("ann", 100, 100)
    world.tick(3)
    client.acknowledges = False
    for _ in range(40):
        stir(world, rng)
        world.tick()
    missed = client.snapshots[-1].tick
    assert missed < world.tick_number, "the test is about a late link"
    client.acknowledges = True
    client.say(messages.Ack(missed))
    world.tick()
    assert client.seen() == world.truth(client)


def test_who_needs_the_table_waits_when_it_has_gone_on_already(lending) -> None:
    world, rng = lending
    ann = world.join("ann", 100, 100)
    bob = world.join("bob", 300, 100)
    world.tick(2)
    world.dots[ann.entity].x = 400.0  # another interest: cells that ann does not hold
    stir(world, rng)
    world.tick_number += 1
    world.now = world.tick_number / 20
    for shard in world.shards.values():
        shard.step(world.tick_number)
    composing = world.gateway.compose_steps(world.tick_number, world.now)
    world.shards[0]._write(world.tick_number + 1)  # it steps before anything was composed
    told = len(ann.snapshots)
    list(composing)
    ann.read()
    bob.read()
    assert len(ann.snapshots) == told, "what ann needs is not what the frame says"
    assert bob.snapshots[-1].tick == world.tick_number, "bob's slices are in the frame"
