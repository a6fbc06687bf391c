"""A gateway whose world is cut anew: links on time, late ones and new ones hold the truth."""

from typing import Any

import attrs
import numpy as np
import pytest

from protocol.geometry import Geometry, Leaf
from protocol.limits import CRC_TICKS
from server.gateway import limits
from server.shard import mail
from server.shard.space import Partition
from tests.server.gateway.conftest import HZ, PuppetShard


def cut(geometry: Geometry, at: int, version: int) -> Geometry:
    """The world of two shards with its border at column `at`."""
    left, right = geometry.leaves
    return attrs.evolve(
        geometry,
        version=version,
        leaves=(left._replace(x1=at), right._replace(x0=at)),
    )


def stir(world: Any, rng: np.random.Generator) -> None:
    """Some dots, but not all of them, are told of anew."""
    for entity, dot in world.dots.items():
        if entity > 3 and entity % 3 == 0:
            dot.hp = int(rng.integers(0, 100))


@pytest.fixture
def crowd(world: Any) -> tuple[list[Any], np.random.Generator]:
    """Two clients at the border, and one that reads late, among dots."""
    rng = np.random.default_rng(7)
    for _ in range(60):
        world.add_dot(*rng.uniform((300, 0), (740, 500)))
    clients = [world.join(f"c{n}", 440 + 60 * n, 200, cls=1) for n in range(3)]
    world.tick(3)
    return clients, rng


@pytest.mark.parametrize("at", [5, 11])
def test_what_a_shard_still_shows_where_it_owned_cells_is_seen_by_all(
    world: Any, crowd: tuple[list[Any], np.random.Generator], at: int
) -> None:
    """The shards hand nobody over yet: all that they show lies where it did."""
    clients, rng = crowd
    late = clients[2]
    late.reads = late.acknowledges = False
    world.tick(2)
    world.gateway.cut_anew(Partition(cut(world.geometry, at, 2), (0, 1), world.tick_number + 2))
    for tick in range(12):
        stir(world, rng)
        if tick == 4:
            clients.append(world.join("new", 480, 220, cls=1))
        if tick == 8:
            late.reads = late.acknowledges = True
        world.tick()
    world.tick(30)
    for client in clients:
        assert client.seen() == world.truth(client)


def test_shards_that_own_other_cells_are_told_from_there(
    world: Any, crowd: tuple[list[Any], np.random.Generator]
) -> None:
    """The shards hand over at once, and the border comes back after a while."""
    clients, rng = crowd
    founded = world.geometry
    for version, at in enumerate((5, 11, 8), 2):
        geometry = cut(founded, at, version)
        world.gateway.cut_anew(Partition(geometry, (0, 1)))
        world.geometry = geometry  # by which the puppets show what is theirs
        for _ in range(5):
            stir(world, rng)
            world.tick()
            for client in clients:
                assert client.seen() == world.truth(client)
        clients.append(world.join(f"v{version}", 500, 100, cls=1))
    world.tick(70)  # longer than strays are remembered
    for client in clients:
        assert client.seen() == world.truth(client)


def test_a_partition_that_is_not_newer_changes_nothing(world: Any) -> None:
    geometry = cut(world.geometry, 5, 3)
    world.gateway.cut_anew(Partition(geometry, (0, 1)))
    world.tick(2)
    world.gateway.cut_anew(Partition(cut(world.geometry, 11, 2), (0, 1)))
    world.tick(2)
    client = world.join("ann", 500, 100)
    assert client.welcome is not None
    assert client.welcome.geometry == geometry.to_data(), "who comes is told how it is cut now"


def test_a_shard_that_rests_is_not_awaited(world: Any) -> None:
    world.lose = lambda subject: subject == "w.inbox.2"  # there is no such puppet
    world.gateway.cut_anew(Partition(world.geometry, (0, 1, 2)))
    world.tick(200)
    assert not world.gateway.awaits_frames(world.tick_number)
    assert world.gateway.unready(world.now) is None
    assert world.published["w.inbox.2"] > 0, "it hears signs of life, since sessions may be there"


# --- a gateway that follows only the shards that its clients need --------------------------------

WEST, EAST, NEW = 0, 1, 2
UNFOLLOWED = round(limits.UNFOLLOW_AFTER_S * HZ) + 2
SETTLED = round(limits.CUT_SETTLES_S * HZ) + 2


def in_three(geometry: Geometry) -> Geometry:
    """The outer half of the eastern shard is given to a new one."""
    left, right = geometry.leaves
    leaves = (left, right._replace(x1=12), Leaf(NEW, 12, right.y0, right.x1, right.y1))
    return attrs.evolve(geometry, version=2, leaves=leaves)


@pytest.fixture
def wide(make_world: Any) -> tuple[Any, Any]:
    """Somebody far in the east, where a new shard rests that may get cells."""
    world = make_world(selects=True)
    ann = world.join("ann", 1000, 100)
    for x in (960, 990, 1010):
        world.add_dot(x, 110)
    world.tick(4)
    world.shards[NEW] = PuppetShard(world, NEW)
    world.gateway.cut_anew(Partition(world.geometry, (WEST, EAST, NEW)))
    world.tick(UNFOLLOWED)
    assert world.followed == {EAST}
    return world, ann


def move(world: Any, client: Any, source: int, to: int) -> None:
    """Hand a session over."""
    row = world.shards[source].rows.pop(client.session)
    row.hop += 1
    world.shards[to].rows[client.session] = row
    world.shards[source].handed = [(client.session, to)]


def reminders(world: Any) -> list[mail.Remind]:
    return [item for item in world.shards[NEW].items if isinstance(item, mail.Remind)]


def test_who_gets_cells_is_followed_before_it_has_them(wide: tuple[Any, Any]) -> None:
    world, ann = wide
    since = world.tick_number + 10
    geometry = in_three(world.geometry)
    world.gateway.cut_anew(Partition(geometry, (WEST, EAST, NEW), since))
    world.tick(3)
    assert world.followed == {EAST, NEW}
    world.tick(since - world.tick_number - 1)
    assert ann.seen() == world.truth(ann)
    world.geometry = geometry  # all is handed over at once
    for _ in range(5):
        world.tick()
        assert ann.seen() == world.truth(ann), "nothing is missed in between"
    assert not reminders(world), "so there is nothing to ask for"
    assert WEST not in world.followed


def test_who_owned_cells_is_followed_while_it_shows_somebody_there(wide: tuple[Any, Any]) -> None:
    world, ann = wide
    dot = world.add_dot(980, 100)
    geometry = in_three(world.geometry)
    world.gateway.cut_anew(Partition(geometry, (WEST, EAST, NEW), world.tick_number + 2))
    world.shards[EAST].guests = world.shards[NEW].hidden = {dot}
    move(world, ann, EAST, NEW)
    world.geometry = geometry
    world.tick(4)
    again = world.join("bob", 1010, 200)  # who comes now does not see the former owner's cells
    assert again.seen() == world.truth(again)
    world.tick(SETTLED + UNFOLLOWED)
    assert world.followed == {EAST, NEW}
    world.dots[dot].hp = 3
    world.tick(2)
    assert ann.seen() == world.truth(ann)
    world.shards[EAST].guests, world.shards[NEW].hidden = set(), set()
    world.tick(2 * UNFOLLOWED)
    assert world.followed == {NEW}, "once it has handed over everybody it is left"
    assert ann.seen() == world.truth(ann)
    assert again.seen() == world.truth(again)


def test_who_comes_after_a_cut_sees_what_the_former_owner_still_shows(make_world: Any) -> None:
    world = make_world(selects=True)
    world.shards[NEW] = PuppetShard(world, NEW)
    dot = world.add_dot(980, 100)
    geometry = in_three(world.geometry)
    world.gateway.cut_anew(Partition(geometry, (WEST, EAST, NEW), 2))
    world.shards[EAST].guests = world.shards[NEW].hidden = {dot}
    world.geometry = geometry
    ann = world.join("ann", 100, 100)
    world.tick(UNFOLLOWED)
    assert world.followed == {WEST}, "nobody was here"
    world.dots[ann.entity].x = 1000.0
    move(world, ann, WEST, NEW)
    world.tick(4)
    assert dot in ann.seen()
    assert ann.seen() == world.truth(ann)


def test_a_gateway_that_hears_of_a_cut_late_has_its_players_reminded(
    wide: tuple[Any, Any],
) -> None:
    world, ann = wide
    geometry = in_three(world.geometry)
    world.geometry = geometry
    world.tick(8)
    world.gateway.cut_anew(Partition(geometry, (WEST, EAST, NEW), world.tick_number - 8))
    world.tick(4)
    assert [item.session for item in reminders(world)][:1] == [ann.session]
    assert ann.seen() == world.truth(ann)


def test_a_shard_that_has_merged_away_is_neither_followed_nor_missed(
    wide: tuple[Any, Any],
) -> None:
    world, ann = wide
    founded, geometry = world.geometry, in_three(world.geometry)
    for version, each in ((2, geometry), (3, attrs.evolve(founded, version=3))):
        world.gateway.cut_anew(Partition(each, (WEST, EAST, NEW), world.tick_number + 2))
        world.tick(1)
        world.geometry = each
        world.tick(5)
        assert ann.seen() == world.truth(ann), f"version {version}"
    world.tick(CRC_TICKS + 1)  # by then it has shown that nobody is left where it owned cells
    del world.shards[NEW]
    world.lose = lambda subject: subject == "w.inbox.2"
    world.tick(3)
    assert not world.gateway.awaits_frames(world.tick_number)
    world.tick(SETTLED + UNFOLLOWED)
    assert world.followed == {EAST}
    assert world.gateway.unready(world.now) is None
    assert ann.seen() == world.truth(ann)
