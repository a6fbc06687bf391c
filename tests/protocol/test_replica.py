"""A replica shows everybody once, wherever they go, and hostile updates only ever end the link."""

import contextlib
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import cbor
from protocol.errors import RemoteProtocolError
from protocol.frame import Frame
from protocol.limits import HELD_TICKS
from protocol.messages import Group, Snapshot
from protocol.parts import Reason
from protocol.replica import Changes, Replica
from protocol.schema import Schema

FISH, ROCK = 0, 1
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Sight:
    """One client that sees some cells of two shards."""

    def __init__(self, worlds: Any) -> None:
        schema, geometry = worlds.make_schema(), worlds.make_geometry()
        self.shards = [worlds.Shard(number, number, schema, geometry) for number in range(2)]
        self.replica = Replica(schema, geometry)
        self.cells: set[int] = set(range(8))
        self.held: set[int] = set()

    def live(self, how: Callable[[Any], None] | None = None) -> None:
        for shard in self.shards:
            shard.step += 1
            if how is not None:
                how(shard)
            shard.tell()

    def snapshot(self, only: tuple[int, ...] = (0, 1)) -> Snapshot:
        """Everything since the tick before in cells that are held, keyframes of the new ones."""
        dropped = tuple(sorted(self.held - self.cells))
        groups = []
        for number in only:
            table = self.shards[number].table
            kept = table.encode(table.parts_in(sorted(self.held & self.cells)), table.tick - 1)
            new = table.encode(table.parts_in(sorted(self.cells - self.held)), None)
            updates = [cbor.loads(update) for update in (*kept, *new) if update]
            groups.append(Group(number, table.epoch, 0, table.tick - table.step, updates))
        self.held = set(self.cells)
        return Snapshot(
            tick=self.shards[0].tick, dropped=dropped,
            groups=tuple(groups),
        )  # fmt: skip

    def see(self, only: tuple[int, ...] = (0, 1)) -> Changes:
        return self.replica.apply(self.snapshot(only))


@pytest.fixture
def sight(worlds: Any) -> Sight:
    return Sight(worlds)


@quick
@given(seed=st.integers(0, 2**32), data=st.data())
def test_everybody_in_sight_is_seen_exactly_once(
    worlds: Any, seed: int, data: st.DataObject
) -> None:
    sight = Sight(worlds)
    for shard in sight.shards:
        shard.chance = random.Random(seed + shard.table.shard)
    for _ in range(12):
        sight.cells = data.draw(st.sets(st.integers(0, 7), min_size=2))
        sight.live(lambda shard: shard.live())
        changes = sight.see()
        assert not changes.resync
        truth = {
            being.id: being
            for shard in sight.shards
            for being in shard.beings.values()
            if being.cell in sight.cells
        }
        shown = {e for e in sight.replica.ids() if not sight.replica[e].held}
        assert shown == truth.keys()
        for entity, being in truth.items():
            view = sight.replica[entity]
            assert view.course == (being.course or None)
            assert view.kind == being.kind
            assert view.wire[-1] == being.values[-1]
        assert not (set(changes.left) | set(changes.dropped)) & truth.keys()
        for kind in (FISH, ROCK):
            columns = sight.replica.columns(kind)
            assert sorted(columns.ids.tolist()) == sorted(
                e for e, being in truth.items() if being.kind == kind
            )
            some = sight.replica.columns(kind, [3])
            assert set(some.cells.tolist()) <= {3}


def test_columns_are_what_views_say(sight: Sight) -> None:
    for _ in range(30):
        sight.live(lambda shard: shard.live())
        sight.see()
    columns = sight.replica.columns(FISH)
    assert len(columns.ids) > 3, "there are fish"
    form = sight.replica.schema.kinds[FISH].course
    assert form is not None
    for place, entity in enumerate(columns.ids.tolist()):
        view = sight.replica[entity]
        assert view.x == columns.x[place] * form.step
        assert view.vy == columns.vy[place] * form.speed_step
        assert view.hp == columns.fields["hp"][place]
        assert view.name == columns.fields["name"][place].decode()


def test_an_entity_that_changes_hands_is_never_out_of_sight(sight: Sight) -> None:
    west, east = sight.shards
    being = west.spawn(FISH, 1)
    sight.live()
    sight.see()
    west.leave(being, Reason.HANDED, 1)
    sight.live()
    changes = sight.see()
    assert changes.left == {being.id: 2 * 1 + 2}
    assert sight.replica[being.id].held, "until the east tells of it"
    x = sight.replica[being.id].x
    sight.live()
    sight.see()
    ahead = sight.replica[being.id].x
    assert (ahead > x) == (being.course[2] > 0), "it moves on"
    east.take(being, west.step)
    sight.live()
    changes = sight.see()
    assert being.id in changes.entered
    view = sight.replica[being.id]
    assert (view.held, view.shard) == (False, 1)
    assert len(sight.replica) == 1


def test_while_two_shards_tell_of_it_the_later_entry_counts(sight: Sight) -> None:
    west, east = sight.shards
    being = west.spawn(FISH, 1)
    sight.live()
    sight.see()
    east.take(being, west.step)
    sight.live()
    assert not sight.see().left
    assert sight.replica[being.id].shard == 1
    assert len(sight.replica.columns(FISH).ids) == 1, "it appears once"
    west.leave(being, Reason.HANDED, 1)
    sight.live()
    assert not sight.see().left, "the other still has it"
    west.take(being, east.step)
    sight.live()
    sight.see()
    assert sight.replica[being.id].shard == 0
    west.leave(being)
    sight.live()
    changes = sight.see()
    assert not changes.left
    assert sight.replica[being.id].shard == 1, "who lets it go first leaves it to the other"


def test_who_never_arrives_is_let_go_after_ten_ticks(sight: Sight) -> None:
    being = sight.shards[0].spawn(FISH, 1)
    sight.live()
    sight.see()
    sight.shards[0].leave(being, Reason.HANDED, 9)
    for _ in range(HELD_TICKS + 1):
        sight.live()
        changes = sight.see()
        assert being.id in sight.replica
        assert not changes.dropped
    sight.live()
    assert sight.see().dropped == [being.id]
    assert being.id not in sight.replica


def test_who_is_dropped_and_comes_back_at_once_was_never_away(sight: Sight) -> None:
    being = sight.shards[0].spawn(FISH, 1)
    sight.live()
    sight.see()
    sight.live()
    sight.held.discard(1)
    snapshot = sight.snapshot()
    changes = sight.replica.apply(
        Snapshot(tick=snapshot.tick, dropped=(1,),
                 groups=snapshot.groups)
    )  # fmt: skip
    assert changes.entered == [being.id]
    assert not changes.dropped
    assert not changes.left


def test_another_epoch_begins_with_nothing(sight: Sight) -> None:
    lost, kept = sight.shards[0].spawn(FISH, 1), sight.shards[0].spawn(FISH, 0)
    sight.live()
    sight.see()
    sight.shards[0].table.epoch = 2
    sight.cells = {0}
    sight.held = set()
    sight.live()
    changes = sight.see()
    assert changes.dropped == [lost.id]
    assert kept.id in changes.entered
    assert set(sight.replica.ids()) == {kept.id}


def test_a_part_that_went_wrong_is_noticed_and_named(sight: Sight) -> None:
    sight.shards[0].spawn(FISH, 1)
    sight.live()
    sight.see()
    sight.replica.tables[0].slabs[FISH].values["hp"][:] = 7
    resync, checks = [], 0
    for _ in range(64):
        sight.live()
        changes = sight.see()
        resync += changes.resync
        checks += changes.crc_checks
    assert resync == [1]
    assert (checks, sight.replica.mismatches) == (1, 1)


def test_frames_of_the_bus_are_applied_like_snapshots(sight: Sight) -> None:
    replica = Replica(sight.replica.schema, sight.replica.geometry)
    shard = sight.shards[0]
    for _ in range(40):
        before = shard.tick
        sight.live(lambda shard: shard.live())
        sight.see(only=(0,))
        keys, blob, offsets = shard.table.encode_changed(before or None)
        replica.apply_frame(
            Frame(0, 1, shard.tick, shard.step, before, 1, 1000, keys, offsets, blob)
        )
        assert set(replica.ids()) == set(sight.replica.ids())
    table = replica.tables[0]
    keys = table.parts_in(range(8))
    assert table.encode(keys, 20) == shard.table.encode(keys, 20), "and can be passed on"


def _twisted(item: Any, chance: random.Random) -> Any:
    """Something else in the place of an item."""
    odd: list[Any] = [
        None, True, -1, 0, 1, 2**64 - 1, 2**53, 2**32, "x", b"x", [], [[]], {}, 1.5,
        np.zeros(chance.randrange(4), chance.choice(["u1", "<u2", "<i2", "<i4", "<u8", "<i8"])),
    ]  # fmt: skip
    return chance.choice(odd)


def _mutated(items: list[Any], chance: random.Random) -> list[Any]:
    items = [list(item) for item in items]
    for _ in range(chance.randrange(1, 4)):
        if not items:
            break
        at = chance.randrange(len(items))
        update = items[at]
        match chance.randrange(6):
            case 0:
                items[at] = _twisted(update, chance)
                return items
            case 1:
                update.insert(chance.randrange(len(update) + 1), _twisted(None, chance))
            case 2:
                del update[chance.randrange(len(update))]
            case 3:
                items.append(list(chance.choice(items)))
            case _ if update:
                place = chance.randrange(len(update))
                update[place] = _twisted(update[place], chance)
    return items


@quick
@given(seed=st.integers(0, 2**32))
def test_hostile_groups_are_refused_or_asked_for_again(worlds: Any, seed: int) -> None:
    chance = random.Random(seed)
    sight = Sight(worlds)
    for shard in sight.shards:
        shard.chance = random.Random(seed)
    for _ in range(8):
        sight.live(lambda shard: shard.live())
        sight.see()
    for _ in range(6):
        sight.live(lambda shard: shard.live())
        snapshot = sight.snapshot()
        groups = []
        for group in snapshot.groups:
            lag = group.lag if chance.random() < 0.9 else chance.choice([70, -(2**50)])
            age = group.age if chance.random() < 0.9 else chance.choice([1, 70, 2**50])
            updates = _mutated(list(group.updates), chance)
            groups.append(Group(group.shard, group.epoch, age, lag, updates))
        hostile = Snapshot(
            tick=snapshot.tick, groups=tuple(groups),
        )  # fmt: skip
        with contextlib.suppress(RemoteProtocolError):
            sight.replica.apply(hostile)
        for entity in sight.replica.ids():
            view = sight.replica[entity]
            assert view.fields.keys()
            assert isinstance(view.x + view.y + view.vx + view.vy, float)
    for table in sight.replica.tables.values():
        for kind in (FISH, ROCK):
            table.columns(kind)


def test_an_update_of_a_game_without_kinds_is_refused(worlds: Any) -> None:
    schema = Schema.from_data(worlds.SCHEMA | {"kinds": []})
    replica = Replica(schema, worlds.make_geometry())
    with pytest.raises(RemoteProtocolError):
        replica.apply(Snapshot(tick=1, groups=(Group(0, 1, 0, 0, [[0, -1]]),)))
