"""A reader written from SPEC.md alone sees what the replica sees, tick by tick, CRCs included."""

from types import ModuleType
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import cbor, courses, messages
from protocol.geometry import Geometry
from protocol.limits import RETAINED_TICKS
from protocol.parts import Reason
from protocol.replica import Replica
from protocol.schema import Schema


@attrs.define
class Link:
    """What a server knows of one client: the cells and the tick of each shard that it holds."""

    cells: set[int] = attrs.field(factory=set)
    held: dict[int, tuple[int, int]] = attrs.field(factory=dict)

    def compose(self, shards: list[Any], tick: int, wanted: set[int]) -> bytes:
        """A snapshot as a gateway would make it."""
        kept = self.cells & wanted
        for shard in shards:
            epoch, since = self.held.get(shard.table.shard, (shard.table.epoch, shard.tick))
            if epoch == shard.table.epoch and shard.tick - since >= RETAINED_TICKS:
                kept = set()
        groups = [self._group(shard, tick, kept, wanted) for shard in shards]
        head = messages.snapshot_head(tick, (1, -1), None, sorted(self.cells - kept))
        self.cells = set(wanted)
        return head + cbor.array_head(len(groups)) + b"".join(groups)

    def _group(self, shard: Any, tick: int, kept: set[int], wanted: set[int]) -> bytes:
        table = shard.table
        epoch, since = self.held.get(table.shard, (table.epoch, None))
        old = table.encode(table.parts_in(sorted(kept)), since if epoch == table.epoch else None)
        new = table.encode(table.parts_in(sorted(wanted - kept)), None)
        updates = [update for update in (*old, *new) if update is not None]
        self.held[table.shard] = (table.epoch, shard.tick)
        age = tick - shard.tick
        return messages.group(
            table.shard, table.epoch, age, shard.tick - shard.step, len(updates), b"".join(updates)
        )


def welcome(schema: Schema, geometry: Geometry) -> bytes:
    return messages.encode(
        messages.Welcome(
            session=1, token=b"t", hz=20, tick=0, entity=0,
            schema=schema.data, geometry=geometry.to_data(),
        )
    )  # fmt: skip


def seen_by(replica: Replica) -> dict[int, dict[str, Any]]:
    """The replica's entities in the independent reader's form."""
    seen = {}
    for entity in replica.ids():
        view = replica[entity]
        kind = replica.schema.kinds[view.kind]
        integers = {
            field.name: view.fields[field.name]
            if field.is_text or field.type == "u64"
            else round((view.fields[field.name] - field.lo) / field.step)
            for field in kind.fields
        }
        if kind.course is None:
            position = (integers["x"], integers["y"])
        else:
            position = (round(view.x / kind.course.step), round(view.y / kind.course.step))
        seen[entity] = {
            "kind": kind.name, "fields": integers, "course": view.course,
            "position": position, "shard": view.shard, "held": view.held,
        }  # fmt: skip
    return seen


def hand_over(giver: Any, taker: Any) -> None:
    """Some entities change hands; now and then both shards show one for a moment."""
    to = taker.table.shard
    for being in giver.lingering:
        if giver.beings.get(being.id) is being:
            giver.leave(being, Reason.HANDED, to)
    giver.lingering = []
    for being in list(giver.beings.values()):
        if giver.below(30) == 0 and being.id not in taker.beings:
            taker.take(being, giver.step)
            if giver.below(2):
                giver.leave(being, Reason.HANDED, to)
            else:
                giver.lingering.append(being)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_the_reader_sees_what_the_replica_sees(
    worlds: ModuleType, reader: ModuleType, schema: Schema, geometry: Geometry, seed: int
) -> None:
    shards = [worlds.Shard(number, seed + number, schema, geometry) for number in (0, 1)]
    replica, link, other = Replica(schema, geometry), Link(), reader.Reader()
    other.feed(welcome(schema, geometry))
    chance = shards[0]
    wanted = set(geometry.interest_cells(1, 0))
    silent_until = 0
    for tick in range(1, 120):
        for shard in shards:
            restarts = chance.below(100) == 0
            if restarts:
                shard.restart()
            if restarts or chance.below(10):  # a slow shard skips ticks
                shard.step += 1
                shard.live()
                hand_over(shard, shards[1 - shard.table.shard])
                shard.tell(tick - shard.tick)
        if chance.below(40) == 0:
            silent_until = tick + chance.below(90)
        if tick < silent_until:
            continue  # a late link
        if chance.below(8) == 0:
            wanted = set(geometry.interest_cells(chance.below(8), chance.below(2)))
        data = link.compose(shards, tick, wanted)
        message = messages.decode(data, messages.Role.SERVER)
        assert isinstance(message, messages.Snapshot)
        changes = replica.apply(message)
        assert not changes.resync, "a gateway's snapshots leave nothing to mend"
        other.feed(data)
        assert not other.lost_cells, "the reader keeps its footing"
        assert other.entities == seen_by(replica), f"both see the same at tick {tick}"
        truth = {
            id_ for s in shards for id_, b in s.beings.items() if b.cell in wanted and b.handle >= 0
        }
        alive = {id_ for id_, view in other.entities.items() if not view["held"]}
        assert alive == truth, "whoever is in interest is seen, and nobody else"
    assert other.crc_failed == 0, "the page's CRC is the code's CRC"
    assert other.crc_checked == replica.crc_checks, "both check the same"


def test_a_damaged_replica_is_noticed_by_the_next_crc(
    worlds: ModuleType, reader: ModuleType, schema: Schema, geometry: Geometry
) -> None:
    shard = worlds.Shard(0, 1, schema, geometry)
    for cell in range(4):
        shard.spawn(worlds.FISH, cell)
    other, link = reader.Reader(), Link()
    other.feed(welcome(schema, geometry))
    every = set(range(8))
    shard.tell()
    other.feed(link.compose([shard], shard.tick, every))
    next(iter(other._shards[0].parts.values()))[0].values[0] ^= 1
    for _ in range(64):
        shard.step += 1
        shard.tell()
        other.feed(link.compose([shard], shard.tick, every))
    assert other.crc_failed == 1, "one part differs, and 64 ticks check each part once"
    assert other.crc_checked == 4


def test_the_worked_example_of_the_page_comes_out_as_it_says(
    generator: ModuleType, reader: ModuleType, schema: Schema, geometry: Geometry
) -> None:
    steps = {step["name"]: bytes.fromhex(step["hex"]) for step in generator._example()}
    other = reader.Reader()
    other.feed(welcome(schema, geometry))
    other.feed(steps["keyframe"])
    other.feed(steps["turn"])
    (fish,) = other.entities.values()
    assert fish["course"] == (287949, 131072, 192, -64, 40)
    assert fish["position"] == (288563, 130867)
    assert fish["fields"] == {"hp": 98, "name": "Ada"}
    assert fish["position"][1] == courses.evaluate(131072, -64, 1, 16, 5)
    other.feed(steps["crc"])
    assert (other.crc_checked, other.crc_failed) == (1, 0)


@pytest.mark.parametrize("data", ["", "01f6", "9fff", "f97e00", "d84100", "8110", "80", "841201"])
def test_the_reader_refuses_what_the_page_refuses(reader: ModuleType, data: str) -> None:
    with pytest.raises(reader.MalformedError):
        reader.Reader().feed(bytes.fromhex(data))
