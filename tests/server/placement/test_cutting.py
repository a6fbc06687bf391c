"""A crowd gathers in a corner: its shard is cut while it plays, and merges when it is gone."""

from itertools import pairwise
from typing import Any

import pytest
import trio

from protocol.frame import Frame
from server.cluster.seams import JournalUnavailable
from server.placement.record import RECORD, WorldRecord, kept_shards
from server.placement.words import Beacon, beacon_subject
from server.shard.mail import Input, Join, Leave, Mail, frame_subject, inbox_subject
from server.shard.service import Node
from tests.server.placement.world import WORLD, Setting, assert_sound, setting

PLAYERS = 24
PLAYER_COST = 0.03  # of a core
BUDGET = 0.4
FIRE = 1


def cost_of(shard: Any) -> float:
    return 0.01 + PLAYER_COST * len(shard.sessions)


@pytest.fixture(autouse=True)
def _costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """In virtual time steps cost nothing: players cost what they would."""

    def costs(node: Node) -> dict[int, float]:
        return {number: cost_of(shard) / 20 for number, shard in node.shards.items()}

    monkeypatch.setattr(Node, "costs_s", property(costs))


class Crowd:
    """Players without links, who are wherever they are put."""

    def __init__(self, given: Setting) -> None:
        self.given = given
        self.seq = 0

    def send(self, shard: int, *items: Any) -> None:
        self.given.bus.publish(inbox_subject(WORLD, shard), Mail("g1", items).encode())

    def join(self) -> None:
        for session in range(1, PLAYERS + 1):
            self.send(0, Join(session, session.to_bytes(32), f"p{session}"))

    def owners(self) -> dict[int, Any]:
        """Who has which session; fails if two have it."""
        found: dict[int, Any] = {}
        for member in self.given.members.values():
            for shard in member.node.shards.values():
                for session in shard.sessions:
                    assert session.id not in found, f"session {session.id} is in two shards"
                    found[session.id] = shard
        return found

    async def settled(self) -> dict[int, Any]:
        await self.given.wait(lambda: len(self.owners()) == PLAYERS, 10)
        return self.owners()

    async def gather(self, x: float, y: float, spread: float) -> None:
        """Put everybody around a point."""
        for session, shard in (await self.settled()).items():
            entity = shard.sessions.get(session).entity
            place = {
                "x": x + (session % 5 - 2) / 2 * spread,
                "y": y + (session // 5 - 2) / 2 * spread,
            }
            shard.command(entity, "shoal.place", **place)

    async def fire(self) -> None:
        """Each presses its trigger, and it takes effect once."""
        before = await self.fired()
        self.seq += 1
        for _ in range(3):  # as a gateway does, until it has taken effect
            for session, shard in self.owners().items():
                tick = shard.world.tick + 1
                self.send(shard.id, Input(session, 1, self.seq, tick, 0, FIRE, ()))
            await trio.sleep(0.5)
        after = await self.fired()
        assert after == {session: count + 1 for session, count in before.items()}

    async def fired(self) -> dict[int, int]:
        owners = await self.settled()
        return {
            session: shard.world.get(shard.sessions.get(session).entity).fired
            for session, shard in owners.items()
        }

    async def stay(self, seconds: int) -> None:
        """Time passes, and the gateway that holds the links lives."""
        for _ in range(2 * seconds):
            for shard in self.all_shards():
                self.send(shard)
            await trio.sleep(0.5)

    def all_shards(self) -> set[int]:
        return {n for member in self.given.members.values() for n in member.node.shards}


def leaves(given: Setting) -> tuple[int, ...]:
    assert given.partition is not None
    return given.partition.geometry.shards


async def crowd_on_two_nodes(given: Setting) -> Crowd:
    """Nodes `a` and `b` with a shard each, and who has just joined there."""
    for name in "ab":
        await given.start(name)
    await given.wait(lambda: sorted(map(len, given.homes().values())) == [1, 1], 60)
    crowd = Crowd(given)
    crowd.join()
    return crowd


async def test_a_crowd_is_cut_in_two_plays_on_and_merges_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting(BUDGET, (2, 1)) as given:
        crowd = await crowd_on_two_nodes(given)
        await crowd.stay(2)
        for x, y in ((120, 120), (400, 400)):
            await crowd.gather(x, y, 80)
            before = len(leaves(given))
            await crowd.stay(25)
            assert len(leaves(given)) > before
            assert max(map(cost_of, set((await crowd.settled()).values()))) <= BUDGET
            await crowd.fire()
        homes = {shard.id for shard in (await crowd.settled()).values()}
        assert len({n for n, m in given.members.items() if m.shards & homes}) == 2, "on both nodes"
        for session, shard in (await crowd.settled()).items():
            if session > 4:
                crowd.send(shard.id, Leave(session, 1))
        await crowd_left(given, crowd)
        await given.wait(lambda: leaves(given) == (0, 1), 400)
        await trio.sleep(3)
        assert_sound(given)
        resting = [
            shard
            for member in given.members.values()
            for number, shard in member.node.shards.items()
            if number > 1
        ]
        assert resting
        assert all(shard.rests(1) for shard in resting), "nobody is left in them"


async def crowd_left(given: Setting, crowd: Crowd) -> None:
    await given.wait(lambda: len(crowd.owners()) == 4, 10)


async def test_a_world_goes_on_as_it_was_cut_after_everybody_has_died(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with setting(BUDGET, (2, 1)) as given:
        crowd = await crowd_on_two_nodes(given)
        await crowd.stay(1)
        await crowd.gather(120, 120, 80)
        await crowd.stay(15)
        cut = leaves(given)
        assert len(cut) > 2
        for name in "ab":
            given.kill(name)
        await trio.sleep(60)
        assert await kept_shards(given.journal) == tuple(range(len(given.partition.shards)))
        given.partition = None  # whoever starts knows nothing
        given.published()
        await given.start("c")
        await given.wait(lambda: given.homes() == {"c": set(range(len(cut)))}, 60)
        await crowd.stay(3)
        assert leaves(given) == cut
        assert_sound(given)
        assert len(await crowd.settled()) == PLAYERS


@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.9, 1.1, 1.2, 1.5])
async def test_whoever_dies_while_a_shard_is_cut_is_followed(
    after_s: float, autojump_clock: trio.testing.MockClock
) -> None:
    """The node of the shard that is cut, which coordinates, too, is gone at each phase of it."""
    async with setting(BUDGET, (2, 1)) as given:
        crowd = await crowd_on_two_nodes(given)
        await crowd.stay(1)
        await crowd.gather(120, 120, 80)
        beacons = given.bus.subscribe(beacon_subject(WORLD), buffer=1000)

        def told() -> bool:
            words = [Beacon.decode(message.data) for message in beacons.take_nowait()]
            return any(word.partition().geometry.version > 1 for word in words)

        while not told():
            await crowd.stay(1)
        await trio.sleep(after_s)
        (victim,) = [n for n, member in given.members.items() if 0 in member.shards]
        given.kill(victim)
        await crowd.stay(12)
        everybody = set(range(len(given.partition.shards)))
        assert set().union(*given.homes().values()) == everybody
        assert len(await crowd.settled()) == PLAYERS
        counted = given.tally()
        assert (counted.lost, counted.duplicated) == (frozenset(), frozenset())
        await crowd.fire()


async def test_a_cut_that_cannot_be_kept_is_not_told(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with setting(BUDGET, (2, 1)) as given:
        await given.start("a")
        await given.wait(lambda: given.homes() == {"a": {0, 1}})
        crowd = Crowd(given)
        crowd.join()
        await crowd.stay(1)
        save = given.journal.save

        async def refuse(shard: int, *args: Any, **named: Any) -> int:
            if shard == RECORD:
                raise JournalUnavailable("away")
            return await save(shard, *args, **named)

        monkeypatch.setattr(given.journal, "save", refuse)
        await crowd.gather(120, 120, 80)
        await crowd.stay(15)
        assert leaves(given) == (0, 1)
        monkeypatch.setattr(given.journal, "save", save)
        await crowd.stay(10)
        assert len(leaves(given)) > 2
        kept = await given.journal.load(RECORD)
        assert kept is not None
        assert len(WorldRecord.decode(kept.data, 0).tree.leaves) == len(leaves(given))


async def test_ticks_go_on_while_the_world_is_cut(autojump_clock: trio.testing.MockClock) -> None:
    async with setting(BUDGET, (2, 1)) as given:
        crowd = await crowd_on_two_nodes(given)
        await crowd.stay(1)
        frames = given.bus.subscribe(frame_subject(WORLD, 0), buffer=10_000)
        await crowd.gather(120, 120, 80)
        await crowd.stay(20)
        assert len(leaves(given)) > 2
        ticks = [Frame.decode(message.data).tick for message in frames.take_nowait()]
        assert max(after - before for before, after in pairwise(ticks)) <= 2
        versions = {
            shard.partition.age for m in given.members.values() for shard in m.node.shards.values()
        }
        assert len(versions) == 1, "everybody has heard of it"
