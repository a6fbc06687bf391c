"""A shard's process dies: players keep their avatars, their gains and their place, or are told."""

from typing import Annotated

import attrs
import pytest

from server.testing import Sim, SimClient
from sim import Game, World, motion, quant

SIZE = 512


def make_game() -> Game:
    """Walkers find coins where they stand; a coin found is a durable event for its finder."""
    game = Game("coins", size=(SIZE, SIZE), cell=32, interest_radius=120, reach=32)
    coord = Annotated[float, quant(0, SIZE, step=1 / 16)]
    count = Annotated[int, quant(0, 65535, 1)]
    unit = Annotated[float, quant(-1, 1, step=1 / 100)]

    @attrs.frozen
    class Steer:
        dx: unit
        dy: unit

    @attrs.frozen
    class Pick:
        pass

    @game.entity(motion=motion.Thrust(accel=120, drag=0.3, max_speed=60, steer=Steer))
    @attrs.define
    class Walker:
        x: coord
        y: coord
        vx: Annotated[float, quant(-64, 63, step=1 / 4)] = 0
        vy: Annotated[float, quant(-64, 63, step=1 / 4)] = 0
        coins: count = 0

    @game.event(durable=True)
    @attrs.frozen
    class Found:
        number: count

    @game.event(durable=True)
    @attrs.frozen
    class Rich:
        number: count

    @game.join
    def join(world: World, name: str) -> Walker:
        return Walker(x=100, y=100)

    @game.on_input(Pick, once=True)
    def pick(world: World, me: Walker, cmd: Pick) -> None:
        me.coins += 1
        world.emit(Found(me.coins), to=me.id)
        if me.coins % 3 == 0:
            world.emit(Rich(me.coins), at=(me.x, me.y))

    return game


@pytest.fixture
def sim() -> Sim:
    return Sim(make_game(), shards=2, seed=5)


def found(client: SimClient, name: str = "Found") -> list[int]:
    return [event.number for event in client.events if event.name == name]


def coins(sim: Sim, client: SimClient) -> int:
    return int(sim.find(client.id)[1].coins)


def shard_of(sim: Sim, client: SimClient) -> int:
    return sim.find(client.id)[0]


def test_a_crash_between_two_ticks_loses_nothing(sim: Sim) -> None:
    ann = sim.join("ann", x=100, y=100)
    bob = sim.join("bob", x=140, y=100)
    me, before = ann.id, sim.checksum()
    sim.crash(shard_of(sim, ann))
    assert sim.checksum() == before
    for number in range(1, 5):
        ann.send("Pick")
        sim.tick(3)
        sim.crash(shard_of(sim, ann))
        sim.tick(3)
        assert (coins(sim, ann), found(ann)) == (number, list(range(1, number + 1)))
    assert ann.id == me
    assert bob.view[me].fields["coins"] == 4, "others see it, too"
    assert found(bob, "Rich") == [3]
    assert ann.client.statistics().inputs_lost == 0
    assert ann.closed is None, "the gateway lived: nobody had to come back"
    assert sim.replay() == sim.checksum()
    census = sim.census()
    assert (census.lost, census.duplicated) == (frozenset(), frozenset())


def test_an_input_whose_tick_was_not_durable_is_reported_lost(sim: Sim) -> None:
    ann = sim.join("ann", x=100, y=100)
    ann.send("Pick")
    sim.tick(1)
    lost = 0
    for _ in range(12):  # until the crash comes in the very tick that applies it
        sim.crash(shard_of(sim, ann), in_step=True)
        sim.tick(4)
        lost += ann.client.statistics().inputs_lost
        if lost:
            break
        ann.send("Pick")
        sim.tick(1)
    statistics = ann.client.statistics()
    sim.tick(10)
    assert coins(sim, ann) + statistics.inputs_lost >= statistics.inputs, (
        "each input was applied, or is known to be lost"
    )
    assert found(ann) == list(range(1, coins(sim, ann) + 1)), "what was undone was never announced"


def test_an_input_that_a_crash_met_on_its_way_is_applied_once(sim: Sim) -> None:
    ann = sim.join("ann", x=100, y=100, latency=0.1)
    for number in range(1, 21):
        ann.send("Pick")
        sim.tick(1)
        if number % 4 == 0:
            sim.crash(shard_of(sim, ann))
    sim.tick(20)
    assert 10 < coins(sim, ann) <= 20, "those that came too late merged, as late ones do"
    assert found(ann) == list(range(1, coins(sim, ann) + 1))
    assert ann.client.statistics().inputs_lost == 0


def test_who_was_away_is_told_what_happened_once(sim: Sim) -> None:
    ann = sim.join("ann", x=100, y=100)
    bob = sim.join("bob", x=140, y=100)
    for number in range(1, 7):
        ann.send("Pick")
        sim.tick(2)
        if number % 2 == 0:
            ann.cut()
            bob.cut()
            sim.tick(3)
            sim.crash(shard_of(sim, bob))
            sim.tick(5)
            ann.resume()
            bob.resume()
            sim.tick(10)
    assert coins(sim, ann) == 6
    assert found(ann) == [1, 2, 3, 4, 5, 6]
    assert found(bob, "Rich") == [3, 6]
    assert found(bob) == [], "what is Ann's is told to nobody else"


def test_what_was_told_before_a_border_is_known_behind_it(sim: Sim) -> None:
    ann = sim.join("ann", x=240, y=100)
    home = shard_of(sim, ann)
    ann.send("Pick")
    ann.send("Steer", dx=1, dy=0)
    sim.tick(3)
    assert coins(sim, ann) == 1
    ann.cut()  # whatever it was told: nobody knows
    for _ in range(100):
        sim.tick()
        if shard_of(sim, ann) != home:
            break
    sim.tick(5)
    sim.crash(shard_of(sim, ann))
    ann.resume()
    sim.tick(10)
    assert shard_of(sim, ann) != home
    assert found(ann) == [1]


def test_borders_are_crossed_exactly_once_whoever_dies(sim: Sim) -> None:
    walkers = [sim.join(f"w{n}", x=236 + n, y=60 + 30 * n) for n in range(6)]
    for tick in range(240):
        for place, walker in enumerate(walkers):
            if tick % 20 == place:
                walker.send("Steer", dx=1 if (tick // 40 + place) % 2 else -1, dy=0)
        if tick % 7 == 3:
            sim.crash(tick % 2, in_step=tick % 3 == 0)
        sim.tick()
    sim.tick(20)
    census = sim.census()
    assert census.crossings > 8
    assert (census.lost, census.duplicated) == (frozenset(), frozenset())
    assert census.alive == len(walkers)
    for walker in walkers:
        _, row = sim.find(walker.id)
        assert walker.view[walker.id].x == row.x, "and every client sees what is"
        assert walker.mismatches == 0
